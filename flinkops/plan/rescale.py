"""Changing parallelism in place, through the adaptive scheduler: no restart of the JobManager, no savepoint."""

from collections.abc import Mapping, Sequence

from flinkops.model.detail import ResourceRequirement
from flinkops.model.facts import ClusterFacts, JobFacts, VertexFacts
from flinkops.model.plan import Plan, Precondition, Step
from flinkops.plan.identity import Stamp
from flinkops.plan.preconditions import (
    AdaptiveScheduler,
    JobInState,
    NoSavepointInProgress,
    SameJob,
    VertexParallelism,
    unmet,
)
from flinkops.plan.savepoint import target_of
from flinkops.plan.step_inputs import RequireParallelism, VerifyParallelism, VerifyStable

SCHEDULER_MODE = "scheduler-mode"


def plan_rescale(
    job: JobFacts,
    requirements: Sequence[ResourceRequirement],
    cluster: ClusterFacts,
    stamp: Stamp,
    *,
    parallelism: int | None = None,
    vertices: Mapping[str, int] | None = None,
    checkpoints: int = 1,
) -> Plan:
    """All vertices to `parallelism` (each at most to its own maximum), or the named ones to theirs."""
    preconditions = _preconditions(job)
    wanted = _wanted(job, parallelism, vertices or {})
    before = {vertex.id: vertex.parallelism for vertex in job.vertices}
    changed = {vertex: after for vertex, after in wanted.items() if after != before[vertex]}
    refused = (*unmet(preconditions, job), *_refusals(job, requirements, cluster, wanted, vertices or {}))
    if not changed and not refused:
        refused = ("every vertex runs with that parallelism already",)
    after = tuple(_bounds(one, wanted[one.vertex]) for one in requirements if one.vertex in wanted)
    return Plan(
        id=stamp.plan_id,
        verb="rescale",
        target=target_of(job),
        created_ms=stamp.now_ms,
        change="scale" if changed else "none",
        diff=tuple(f"{v.name}: {v.parallelism} -> {changed[v.id]}" for v in job.vertices if v.id in changed),
        requested_mode="in-place",
        effective_mode="fail" if refused else "in-place",
        why=_capped(job, wanted, parallelism),
        risks=("the tasks restart from the latest checkpoint: records since then are processed again",),
        refused=refused,
        preconditions=preconditions,
        steps=() if refused else _steps("", after, wanted, checkpoints),
        rollback=("the old bounds are required again, and seen to hold",),
        rollback_steps=() if refused else _steps("undo-", tuple(requirements), before, checkpoints),
        command=stamp.command,
    )


def _preconditions(job: JobFacts) -> tuple[Precondition, ...]:
    return (
        SameJob(job.id),
        JobInState("RUNNING"),
        AdaptiveScheduler(),
        NoSavepointInProgress(),
        *(VertexParallelism(vertex.id, vertex.parallelism) for vertex in job.vertices),
    )


def _wanted(job: JobFacts, parallelism: int | None, vertices: Mapping[str, int]) -> dict[str, int]:
    return {vertex.id: vertices.get(vertex.id, _capped_parallelism(vertex, parallelism)) for vertex in job.vertices}


def _capped_parallelism(vertex: VertexFacts, parallelism: int | None) -> int:
    if parallelism is None:
        return vertex.parallelism
    return min(parallelism, vertex.max_parallelism or parallelism)


def _refusals(
    job: JobFacts,
    requirements: Sequence[ResourceRequirement],
    cluster: ClusterFacts,
    wanted: Mapping[str, int],
    vertices: Mapping[str, int],
) -> list[str]:
    refused = [f"the job has no vertex {vertex}" for vertex in vertices if vertex not in wanted]
    if job.configuration.get(SCHEDULER_MODE, "").lower() == "reactive":
        refused.append(f"{SCHEDULER_MODE} is reactive: the job takes all slots there are, whatever bounds are required")
    for vertex in job.vertices:
        if wanted[vertex.id] < 1:
            refused.append(f"parallelism {wanted[vertex.id]} of {vertex.name}: it has to be at least 1")
        elif vertex.max_parallelism is not None and wanted[vertex.id] > vertex.max_parallelism:
            refused.append(f"{vertex.name} can have at most {vertex.max_parallelism}, its maximum parallelism")
    if {one.vertex for one in requirements} != set(wanted):
        refused.append("the cluster does not tell the bounds of every vertex")
    if job.checkpoints is None or not job.checkpoints.enabled:
        refused.append("the job takes no checkpoints: a rescale would lose its state")
    return refused + slots_problem(job, cluster, max(wanted.values(), default=0))


def slots_problem(job: JobFacts, cluster: ClusterFacts, needed: int) -> list[str]:
    """Why there is no room for so many subtasks next to each other; empty when there is.

    Slot sharing, as it is by default: a job takes as many slots as its widest vertex.
    """
    if cluster.slots_available is None:
        return ["how many slots are free is not known"]
    own = max((vertex.parallelism for vertex in job.vertices), default=0) if job.state == "RUNNING" else 0
    if needed > own + cluster.slots_available:
        return [f"{needed} slots are needed, the job has {own} and {cluster.slots_available} are free"]
    return []


def _bounds(before: ResourceRequirement, wanted: int) -> ResourceRequirement:
    """As the operator does: the upper bound moves, the lower one only where it would be above it."""
    return ResourceRequirement(vertex=before.vertex, lower=min(before.lower, wanted), upper=wanted)


def _capped(job: JobFacts, wanted: Mapping[str, int], parallelism: int | None) -> tuple[str, ...]:
    if parallelism is None:
        return ()
    return tuple(
        f"{vertex.name} stays at its maximum parallelism {vertex.max_parallelism}"
        for vertex in job.vertices
        if wanted[vertex.id] < parallelism
    )


def _steps(
    prefix: str, bounds: Sequence[ResourceRequirement], parallelism: Mapping[str, int], checkpoints: int
) -> tuple[Step, ...]:
    required = {one.vertex: (one.lower, one.upper) for one in bounds}
    return (
        Step(f"{prefix}require", RequireParallelism(required)),
        Step(f"{prefix}rescaled", VerifyParallelism(dict(parallelism))),
        Step(f"{prefix}stable", VerifyStable(checkpoints)),
    )
