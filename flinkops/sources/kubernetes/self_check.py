"""How one Kubernetes cluster answers us: reach, version, clock, what its operator can, and each permission by name."""

from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime

from flinkops.clock import Clock
from flinkops.errors import Denied, FlinkopsError
from flinkops.model.check import Check, CheckState
from flinkops.model.json_reading import text
from flinkops.sources.deadline import Deadline
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.api import KubeClient, flink_resources, get_object
from flinkops.sources.kubernetes.operator_version import read_operator
from flinkops.sources.kubernetes.permissions import NOT_ASKED, Review, review, whoami

SKEW_LIMIT_SECONDS = 5.0
"""More than that, and ages and event-time skews are off by as much as they are meant to measure."""

_KINDS = ("flinkdeployments", "flinksessionjobs", "flinkstatesnapshots", "flinkbluegreendeployments")
_ROLE_FILE = {"reader": "deploy/rbac-reader.yaml", "cluster": "deploy/rbac-reader.yaml"}
_OPERATOR_FILE = "deploy/rbac-operator.yaml"
_PODS_FILE = "deploy/rbac-pods.yaml"


def check_cluster(
    access: KubeAccess, scopes: Sequence[str | None], clock: Clock, *, read_only: bool, deadline_seconds: float
) -> Iterator[Check]:
    """All that can be told without a job. Never raises: what stops it is a failed check.

    With `read_only` the permissions to change something are not asked for.
    """
    deadline = Deadline(deadline_seconds)
    area = access.context
    try:
        client = KubeClient(access.endpoint())
    except FlinkopsError as problem:
        yield Check(area, "reach", "failed", problem.what, problem.next_step)
        return
    try:
        with client.enforced(deadline):
            yield from _server(client, area, clock, deadline)
            present = flink_resources(client, deadline)
            yield from _operator(client, area, present, deadline)
            yield from _permissions(client, area, present, scopes, deadline, read_only=read_only)
    except Denied as problem:
        yield Check(area, "log-in", "failed", problem.what, problem.next_step)
    except FlinkopsError as problem:
        yield Check(area, "reach", "failed", problem.what, problem.next_step)
    finally:
        client.close()


def _server(client: KubeClient, area: str, clock: Clock, deadline: Deadline) -> Iterator[Check]:
    version = text(get_object(client, "/version", deadline), "gitVersion") or "unknown version"
    who = whoami(client, deadline)
    asked_ms = clock.now_ms()
    get_object(client, "/version", deadline)
    yield Check(area, "reach", "ok", f"API server {version} at {client.url}" + (f", as {who}" if who else ""))
    yield clock_check(area, client.date, (asked_ms + clock.now_ms()) / 2000)


def clock_check(area: str, date: str | None, now_seconds: float) -> Check:
    """This machine's clock (seconds since the epoch) beside the Date header of an answer. Pure."""
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return Check(area, "clock", "unknown", "the server does not say what time it is")
    ahead = now_seconds - (theirs + 0.5)  # the header is cut to whole seconds
    if abs(ahead) <= SKEW_LIMIT_SECONDS:
        return Check(area, "clock", "ok", f"this machine's clock agrees within {max(1.0, abs(ahead)):.0f} s")
    side = "ahead of" if ahead > 0 else "behind"
    told = f"this machine's clock is {abs(ahead):.0f} s {side} the server's: ages and event-time skew are off by that"
    return Check(area, "clock", "warning", told, "synchronise the clocks (NTP)")


def _operator(client: KubeClient, area: str, present: frozenset[str], deadline: Deadline) -> Iterator[Check]:
    if not present:
        told = "this cluster has no Flink operator (no API group flink.apache.org)"
        yield Check(area, "operator", "failed", told, "install it with its Helm chart, or name the cluster that has it")
        return
    seen = read_operator(client, deadline)
    if seen.version is None:
        yield Check(area, "operator", "unknown", seen.unknown or "its version is not known")
    else:
        up = "running" if seen.ready else "not ready: nothing reconciles"
        told = f"Flink operator {seen.version} in namespace {seen.namespace}, {up}"
        yield Check(area, "operator", "ok" if seen.ready else "warning", told)
    missing = [one for one in _KINDS if one not in present]
    without = f"; not there: {', '.join(missing)} (newer operators have them)" if missing else ""
    yield Check(area, "resources", "ok", ", ".join(one for one in _KINDS if one in present) + without)


def _permissions(
    client: KubeClient,
    area: str,
    present: frozenset[str],
    scopes: Sequence[str | None],
    deadline: Deadline,
    *,
    read_only: bool,
) -> Iterator[Check]:
    for found in review(client, present, scopes, deadline):
        if not (read_only and found.rule.role in ("operator", "lease", "pods")):
            yield permission_check(area, found)


def permission_check(area: str, found: Review) -> Check:
    """One permission as a line: which verbs are missing, what that costs, and the rule to add. Pure."""
    rule = found.rule
    where = "in all namespaces" if found.namespace is None else f"in namespace {found.namespace}"
    if rule.role == "cluster":
        where = f"({rule.names[0]})"
    if NOT_ASKED in found.lacks:
        return Check(area, "permission", "unknown", f"{rule.shown} {where}: not asked, there are too many namespaces")
    if found.allowed:
        return Check(area, "permission", "ok", f"{', '.join(rule.verbs)} {rule.shown} {where}")
    if rule.role == "pods":  # whoever may create pods acts as any account of the namespace: not everybody wants that
        told = f"not allowed to {', '.join(found.lacks)} {rule.shown} {where}, which is a choice: {rule.without}"
        return Check(area, "permission", "ok", told, f"the role of {_PODS_FILE} allows it")
    state: CheckState = "failed" if rule.needed and "list" in found.lacks else "warning"
    file = _ROLE_FILE.get(rule.role, _OPERATOR_FILE)
    told = f"not allowed to {', '.join(found.lacks)} {rule.shown} {where}: {rule.without}"
    return Check(area, "permission", state, told, f"add the rule {rule.yaml(found.lacks)}, or use the role of {file}")
