"""Which quota of a namespace keeps another TaskManager from being created. Pure.

With native deployments Flink itself asks the API server for its pods: what is refused leaves no pod and no event, only
a line in the JobManager's log. The ResourceQuota object says it all the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from flinkops.model.facts import ClusterFacts, JobFacts, StuckFacts
from flinkops.model.json_reading import Json, items, section
from flinkops.model.states import WAITING_FOR_A_SLOT, WAITING_FOR_SLOTS, JobState
from flinkops.outside.kubernetes_quantities import BadQuantity, Quantity
from flinkops.sources.kubernetes.resources import component, identity
from flinkops.sources.kubernetes.startup_blockers import is_ending, is_ready
from flinkops.sources.protocol import SourceSnapshot

_PODS = frozenset({"pods", "count/pods"})
_KINDS = frozenset(f"{kind}.{of}" for kind in ("requests", "limits") for of in ("cpu", "memory", "ephemeral-storage"))
_OF_TASKMANAGERS = frozenset({"NotTerminating", "NotBestEffort"})
"""The scopes that Flink's pods are in. Whether they are in one of another kind is not known."""


def lacks_slots(snapshot: SourceSnapshot | None) -> bool:
    """Whether a job of this Flink cluster waits for slots, and none is free."""
    if snapshot is None or not snapshot.clusters:
        return False
    return any(waits_for_slots(job, snapshot.clusters[0]) for job in snapshot.jobs)


def waits_for_slots(job: JobFacts, cluster: ClusterFacts) -> bool:
    """Whether the job waits for slots, and its Flink cluster has none that is free."""
    waits = job.state in WAITING_FOR_SLOTS or (
        job.state == JobState.RUNNING and any(each.status in WAITING_FOR_A_SLOT for each in job.vertices)
    )
    return waits and cluster.slots_available == 0


def used_up(quotas: Iterable[Json], pods: Sequence[Json]) -> tuple[StuckFacts, ...]:
    """The quotas of the namespace that have no room for another TaskManager; `pods` are those of the Flink cluster.

    For a Flink cluster that lacks slots (:func:`lacks_slots`). While a TaskManager is there that is not ready, or one
    that is ending and makes room, it is waited for, not for the quota: then none. A kind of resource that pods do not
    have, and a quota of which it is not known whether it counts these pods, are left out.
    """
    taskmanagers = [pod for pod in pods if component(pod) == "taskmanager"]
    if any(is_ending(pod) or not is_ready(pod) for pod in taskmanagers):
        return ()
    asked = [_requests(pod) for pod in taskmanagers]
    return tuple(found for quota in quotas for found in _of_quota(quota, asked))


def _of_quota(quota: Json, asked: Sequence[Mapping[str, Decimal]]) -> Iterator[StuckFacts]:
    spec, status = section(quota, "spec"), section(quota, "status")
    scopes = spec.get("scopes")
    if not set(scopes if isinstance(scopes, list) else ()) <= _OF_TASKMANAGERS or spec.get("scopeSelector"):
        return
    hard, used = section(status, "hard"), section(status, "used")
    full = [name for name in hard if _is_full(name, hard, used, asked)]
    if full:
        told = ", ".join(f"{name}: {used.get(name, '0')} of {hard[name]} used" for name in full)
        yield StuckFacts("quota", identity(quota)[1], f"no room for another TaskManager: {told}")


def _is_full(name: str, hard: Json, used: Json, asked: Sequence[Mapping[str, Decimal]]) -> bool:
    kind = f"requests.{name}" if f"requests.{name}" in _KINDS else name
    if kind not in _KINDS and name not in _PODS:
        return False
    try:
        most, taken = Quantity(str(hard[name])).value, Quantity(str(used.get(name, "0"))).value
    except BadQuantity:
        return False
    if name in _PODS:
        return taken + 1 > most
    one = max((each.get(kind, Decimal(0)) for each in asked), default=None)
    return taken >= most if one is None else taken + one > most


def _requests(pod: Json) -> dict[str, Decimal]:
    """What a pod asks for and is limited to, summed over its containers."""
    found: dict[str, Decimal] = {}
    for container in items(section(pod, "spec"), "containers"):
        resources = section(container, "resources")
        for kind in ("requests", "limits"):
            for of, amount in section(resources, kind).items():
                try:
                    value = Quantity(str(amount)).value
                except BadQuantity:
                    continue
                found[f"{kind}.{of}"] = found.get(f"{kind}.{of}", Decimal(0)) + value
    return found
