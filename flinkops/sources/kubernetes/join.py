"""Rows of the fleet: each custom resource joined, by job id, to what its Flink cluster's REST API said. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from flinkops.model.facts import ClusterFacts, JobFacts, JobKind, ResourceFacts, SnapshotFacts, StuckFacts
from flinkops.model.json_reading import Json, section, text
from flinkops.model.states import COMING_UP, ENDED, JobState
from flinkops.sources.kubernetes.quota import lacks_slots
from flinkops.sources.kubernetes.resources import identity, is_session_cluster, job_id, resource_facts
from flinkops.sources.protocol import SourceSnapshot

Key = tuple[str, str]  # namespace, name

_ANSWERED = ("ok", "stale")  # stale: cut short by the deadline, with what was read until then
_NEEDS_REST = ("vertices", "checkpoints", "exceptions", "restarts", "started_ms", "configuration")


class Listing(NamedTuple):
    """The custom resources as one poll listed them. ``notes`` say what could not be listed."""

    deployments: tuple[Json, ...] = ()
    session_jobs: tuple[Json, ...] = ()
    snapshots: Mapping[tuple[str, str, str], tuple[SnapshotFacts, ...]] = {}
    blue_green: Mapping[Key, str] = {}
    operator_version: str | None = None
    notes: tuple[str, ...] = ()


class Cluster(NamedTuple):
    """One Flink cluster as probed. ``snapshot`` is None when the probe did not end in time."""

    snapshot: SourceSnapshot | None
    stuck: tuple[StuckFacts, ...] = ()
    stuck_unknown: str | None = None  # why the pods could not be read


def suspects(listing: Listing, snapshots: Mapping[Key, SourceSnapshot | None]) -> list[Key]:
    """The Flink clusters whose pods are worth reading: should run, and do not show that they do."""
    deployments = {identity(one): one for one in listing.deployments}
    found = []
    for key, snapshot in snapshots.items():
        deployment = deployments.get(key, {})
        facts = resource_facts(deployment, context="", kind="FlinkDeployment")
        if facts.desired_state == "suspended" or facts.deleting:
            continue
        jobs = snapshot.jobs if snapshot is not None and snapshot.status.state in _ANSWERED else None
        fine = jobs is not None and not facts.error and facts.jobmanager_status in ("READY", None)
        empty = jobs == () and not is_session_cluster(deployment)
        if not fine or empty or lacks_slots(snapshot) or any(job.state in COMING_UP for job in jobs or ()):
            found.append(key)
    return found


def job_rows(
    listing: Listing, clusters: Mapping[Key, Cluster], context: str, now_ms: int
) -> tuple[tuple[JobFacts, ...], tuple[ClusterFacts, ...]]:
    """The jobs and Flink clusters of one Kubernetes cluster; `context` is the ``cluster`` of all its jobs."""
    claimed: dict[Key, set[str]] = {}
    found: list[JobFacts] = []
    for session_job in listing.session_jobs:
        namespace, _ = identity(session_job)
        key = (namespace, text(section(session_job, "spec"), "deploymentName") or "")
        facts = _facts(session_job, "FlinkSessionJob", listing, clusters.get(key), context)
        row = _joined(session_job, facts, clusters.get(key), now_ms)
        claimed.setdefault(key, set()).add(row.id)
        found.append(row)
    for deployment in listing.deployments:
        key = identity(deployment)
        facts = _facts(deployment, "FlinkDeployment", listing, clusters.get(key), context)
        if is_session_cluster(deployment):
            found += _session_rows(facts, clusters.get(key), claimed.get(key, set()), now_ms)
        else:
            found += _application_rows(deployment, facts, clusters.get(key), now_ms)
    return tuple(found), tuple(_cluster_facts(clusters))


def _facts(resource: Json, kind: JobKind, listing: Listing, cluster: Cluster | None, context: str) -> ResourceFacts:
    facts = resource_facts(resource, context=context, kind=kind)
    owner_kind, _, owner_name = (facts.owner or "").partition("/")
    blue_green = owner_kind == "FlinkBlueGreenDeployment"
    return msgspec.structs.replace(
        facts,
        operator_version=listing.operator_version,
        stuck=cluster.stuck if cluster is not None else (),
        snapshots=listing.snapshots.get((facts.namespace, kind, facts.name), ()),
        blue_green_state=listing.blue_green.get((facts.namespace, owner_name)) if blue_green else None,
    )


def _application_rows(
    deployment: Json, facts: ResourceFacts, cluster: Cluster | None, now_ms: int
) -> Iterator[JobFacts]:
    first = _joined(deployment, facts, cluster, now_ms)
    yield first
    for job in _jobs(cluster):  # a main() that submits several jobs
        if job.id != first.id and job.state not in ENDED:
            yield _named(job, job.name, facts)


def _session_rows(facts: ResourceFacts, cluster: Cluster | None, claimed: set[str], now_ms: int) -> Iterator[JobFacts]:
    """Jobs that nobody declared, and the session cluster itself while it cannot be read."""
    if cluster is None or cluster.snapshot is None or cluster.snapshot.status.state not in _ANSWERED:
        yield _blind({}, facts, cluster, now_ms)
        return
    for job in cluster.snapshot.jobs:
        if job.id not in claimed:
            yield msgspec.structs.replace(_named(job, job.name, facts), kind="rest")


def _joined(resource: Json, facts: ResourceFacts, cluster: Cluster | None, now_ms: int) -> JobFacts:
    """The row of one resource: with the facts of its job where the REST API has it."""
    recorded = job_id(resource)
    jobs = _jobs(cluster)
    chosen = next((job for job in jobs if job.id == recorded), None)
    if facts.kind == "FlinkDeployment" and (chosen is None or chosen.state in ENDED) and jobs:
        # The operator records the id of a new submission a little later than the JobManager shows it.
        chosen = max(jobs, key=lambda job: (job.state not in ENDED, job.started_ms or 0))
    return _blind(resource, facts, cluster, now_ms) if chosen is None else _named(chosen, facts.name, facts)


def _named(job: JobFacts, name: str, facts: ResourceFacts) -> JobFacts:
    return msgspec.structs.replace(
        job,
        name=name,
        namespace=facts.namespace,
        cluster=facts.context,
        kind="FlinkSessionJob" if facts.kind == "FlinkSessionJob" else "FlinkDeployment",
        resource=facts,
    )


def _blind(resource: Json, facts: ResourceFacts, cluster: Cluster | None, now_ms: int) -> JobFacts:
    """The row of a resource whose job could not be read: what the operator wrote, and the reason."""
    why = _why_blind(facts, cluster)
    unknown = dict.fromkeys(_NEEDS_REST, why)
    state = _blind_state(facts)
    if state == "UNKNOWN":
        seen = facts.operator_job_state
        unknown["state"] = f"{why}; the operator saw {seen} last" if seen else why
    if cluster is not None and cluster.stuck_unknown:
        unknown["resource.stuck"] = cluster.stuck_unknown
    return JobFacts(
        id=job_id(resource) or "",
        name=facts.name,
        cluster=facts.context,
        seen_ms=now_ms,
        namespace=facts.namespace,
        kind="FlinkSessionJob" if facts.kind == "FlinkSessionJob" else "FlinkDeployment",
        flink_version=text(section(section(resource, "status"), "clusterInfo"), "flink-version"),
        state=state,
        resource=facts,
        unknown=unknown,
    )


def _blind_state(facts: ResourceFacts) -> str:
    """Flink's state of a job that no probe reached: only what cannot have changed since the operator saw it.

    RECONCILING is the operator's word for "I cannot see it", not for "down".
    """
    seen = facts.operator_job_state
    if facts.lifecycle_state == "SUSPENDED":
        return seen if seen in ENDED else "SUSPENDED"
    if seen == JobState.RECONCILING or (seen in ENDED and facts.lifecycle_state not in ("UPGRADING", "ROLLING_BACK")):
        return seen or "UNKNOWN"
    return "UNKNOWN"


def _why_blind(facts: ResourceFacts, cluster: Cluster | None) -> str:
    if facts.lifecycle_state == "SUSPENDED":
        return "the job is suspended"
    if facts.lifecycle_state is None and facts.jobmanager_status is None:
        return "the operator has not acted on this resource yet"
    if facts.stuck:
        return f"the Flink cluster does not come up: {facts.stuck[0].object}: {facts.stuck[0].text}"
    if facts.lifecycle_state in ("UPGRADING", "ROLLING_BACK"):
        return f"between two deployments ({facts.lifecycle_state})"
    if facts.jobmanager_status not in ("READY", None):
        return f"the JobManager is {facts.jobmanager_status}"
    return _why_no_answer(facts, cluster)


def _why_no_answer(facts: ResourceFacts, cluster: Cluster | None) -> str:
    where = f"{facts.namespace}/{facts.name}-rest"
    if cluster is None or cluster.snapshot is None:
        return f"the REST API of {where} did not answer in time"
    status = cluster.snapshot.status
    if status.state == "denied":
        return f"not allowed to get services/proxy in namespace {facts.namespace}: the REST API stays closed"
    if status.state not in _ANSWERED:
        return status.error or f"the REST API of {where} does not answer"
    return "the JobManager answers, but does not know this job"


def _jobs(cluster: Cluster | None) -> tuple[JobFacts, ...]:
    return cluster.snapshot.jobs if cluster is not None and cluster.snapshot is not None else ()


def _cluster_facts(clusters: Mapping[Key, Cluster]) -> Iterable[ClusterFacts]:
    for (namespace, name), cluster in clusters.items():
        for facts in cluster.snapshot.clusters if cluster.snapshot is not None else ():
            yield msgspec.structs.replace(facts, name=f"{namespace}/{name}")
