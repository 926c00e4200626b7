"""Reads what holds up a Flink cluster: its pods and their warnings, and the quotas of the namespace."""

from flinkops.errors import Denied
from flinkops.model.facts import StuckFacts
from flinkops.model.json_reading import Json
from flinkops.sources.deadline import Deadline
from flinkops.sources.kubernetes.api import KubeClient, core_path, list_all, pods_of
from flinkops.sources.kubernetes.quota import used_up
from flinkops.sources.kubernetes.startup_blockers import stuck_reasons


def why_stuck(
    client: KubeClient, namespace: str, cluster: str, deadline: Deadline, *, now_ms: int, lacks_slots: bool
) -> tuple[StuckFacts, ...]:
    """The reasons of the Flink cluster named `cluster`; a used-up quota is one where it `lacks_slots`.

    Raises Denied where pods or events may not be listed.
    """
    pods = pods_of(client, namespace, cluster, deadline)
    events = list_all(client, core_path("events", namespace), deadline, fieldSelector="type=Warning")
    found = stuck_reasons(pods, events, cluster=cluster, now_ms=now_ms)
    if lacks_slots and all(each.code != "quota" for each in found):
        found += used_up(_quotas(client, namespace, deadline), pods)
    return found


def _quotas(client: KubeClient, namespace: str, deadline: Deadline) -> list[Json]:
    """None without the right to list them: a deployment that is held up for another reason is told all the same."""
    try:
        return list_all(client, core_path("resourcequotas", namespace), deadline)
    except Denied:
        return []
