"""Which contexts of the kubeconfig have a Flink operator: for `flinkops init`."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from flinkops.config.starter import FoundCluster
from flinkops.errors import FlinkopsError
from flinkops.sources.deadline import Deadline
from flinkops.sources.kubernetes.access import kubeconfig_exists, list_contexts, logs_in_by_program, open_access
from flinkops.sources.kubernetes.api import KubeClient, flink_resources
from flinkops.sources.kubernetes.operator_version import read_operator

MOST_ASKED = 16
_AT_ONCE = 8


def find_clusters(kubeconfigs: Sequence[str], *, deadline_seconds: float) -> list[FoundCluster]:
    """Every context of these files (none: the usual one), the current ones first, with what was seen of an operator.

    A context whose log-in runs a program is asked only where it is the current one: it may open a browser. A cluster
    that does not answer within the deadline is one without a known operator; its `told` says why. Raises UsageError
    for a kubeconfig that is named and cannot be read.
    """
    wanted: list[tuple[str | None, str, bool]] = []
    usual: list[str | None] = [None] if kubeconfig_exists() else []
    for file in kubeconfigs or usual:
        names = list_contexts(file)
        wanted += [(file, name, name == names.current) for name in names.names]
    wanted.sort(key=lambda one: not one[2])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looked_at = pool.map(lambda one: _asked(one[0], one[1], one[2], deadline_seconds), wanted[:MOST_ASKED])
        found = list(looked_at)
    return found + [
        FoundCluster(name, file, told="not asked: too many contexts") for file, name, _ in wanted[MOST_ASKED:]
    ]


def _asked(kubeconfig: str | None, context: str, current: bool, seconds: float) -> FoundCluster:
    if not current and logs_in_by_program(kubeconfig, context):
        return FoundCluster(context, kubeconfig, told="not asked: its log-in runs a program")
    try:
        client, deadline = KubeClient(open_access(kubeconfig, context).endpoint()), Deadline(seconds)
        try:
            with client.enforced(deadline):
                if not flink_resources(client, deadline):
                    return FoundCluster(context, kubeconfig, told="no Flink operator")
                version = read_operator(client, deadline).version or "of unknown version"
                return FoundCluster(context, kubeconfig, version, f"Flink operator {version}")
        finally:
            client.close()
    except FlinkopsError as problem:
        return FoundCluster(context, kubeconfig, told=problem.what)
