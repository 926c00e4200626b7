"""What has to hold before a plan may begin, as words that a plan carries and the executor asks again.

Each word is ``name`` or ``name:argument``. The planner refuses by the same function that the executor re-checks with.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flinkops.model.facts import JobFacts
from flinkops.plan.identity import canonical_json


def same_job(job: JobFacts) -> str:
    """The job is still the one that the plan was made for."""
    return f"job-id:{job.id}"


def in_state(state: str) -> str:
    """The job is in this state of Flink's."""
    return f"state:{state}"


NO_SAVEPOINT_RUNNING = "no-savepoint-in-progress"
ADAPTIVE = "adaptive-scheduler"


def parallelism_is(vertex_id: str, parallelism: int) -> str:
    """The vertex runs as the plan saw it."""
    return f"parallelism:{vertex_id}={parallelism}"


def same_spec(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """It is still the same custom resource, with the spec that the plan was made for."""
    return (f"uid:{_uid(resource)}", f"spec:{spec_hash(resource)}")


OPERATOR_IDLE = "operator-idle"
OPERATOR_SEES_IT_RUN = "operator-sees-it-run"


def spec_hash(resource: Mapping[str, Any]) -> str:
    """Of the spec without the nonces that only ask for a savepoint or a checkpoint."""
    spec = dict(resource.get("spec") or {})
    if isinstance(job := spec.get("job"), Mapping):
        spec["job"] = {key: value for key, value in job.items() if not key.endswith("TriggerNonce")}
    return hashlib.sha256(canonical_json(spec).encode()).hexdigest()[:16]


def unmet_of_resource(
    preconditions: Iterable[str], resource: Mapping[str, Any] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Why those about the custom resource do not hold; and the other preconditions, which are about the job."""
    problems: list[str] = []
    of_job: list[str] = []
    for word in preconditions:
        name, _, argument = word.partition(":")
        check = _RESOURCE_CHECKS.get(name)
        if check is None:
            of_job.append(word)
        elif resource is None:
            problems.append("the resource is gone")
        elif (problem := check(resource, argument)) is not None:
            problems.append(problem)
    return tuple(dict.fromkeys(problems)), tuple(of_job)


def _uid(resource: Mapping[str, Any]) -> str:
    return str((resource.get("metadata") or {}).get("uid") or "")


def _same_uid(resource: Mapping[str, Any], wanted: str) -> str | None:
    return None if _uid(resource) == wanted else "the resource was deleted and created again by somebody else"


def _same_spec(resource: Mapping[str, Any], wanted: str) -> str | None:
    if spec_hash(resource) == wanted:
        return None
    generation = (resource.get("metadata") or {}).get("generation")
    return f"the spec was edited by somebody else (generation {generation} now): plan again"


def _operator_idle(resource: Mapping[str, Any], _argument: str) -> str | None:
    state = ((resource.get("status") or {}).get("reconciliationStatus") or {}).get("state")
    return f"another upgrade is running ({state})" if state in ("UPGRADING", "ROLLING_BACK") else None


def operator_sees_it_run(resource: Mapping[str, Any], _argument: str = "") -> str | None:
    """Why the operator would not stop the job with a savepoint: it goes by its own view, which trails the job's.

    While it does not see the job RUNNING it falls back to last-state; seen on a real 1.7.0 after a start.
    """
    status = resource.get("status") or {}
    state, manager = (status.get("jobStatus") or {}).get("state"), status.get("jobManagerDeploymentStatus")
    if state == "RUNNING" and manager in ("READY", None):
        return None
    return f"the operator does not see the job RUNNING yet (job {state}, JobManager {manager}): wait a little"


_RESOURCE_CHECKS: dict[str, Callable[[Mapping[str, Any], str], str | None]] = {
    "uid": _same_uid,
    "spec": _same_spec,
    OPERATOR_IDLE: _operator_idle,
    OPERATOR_SEES_IT_RUN: operator_sees_it_run,
}


def unmet(preconditions: Iterable[str], job: JobFacts | None) -> tuple[str, ...]:
    """Why not, one sentence for each precondition that does not hold; a word that is not known never holds."""
    if job is None:
        return ("the job is gone from its cluster",)
    problems = (_check(precondition, job) for precondition in preconditions)
    return tuple(problem for problem in problems if problem is not None)


def _check(precondition: str, job: JobFacts) -> str | None:
    name, _, argument = precondition.partition(":")
    check = _CHECKS.get(name)
    if check is None:
        return f"this flinkops does not know the precondition {precondition!r}"
    return check(job, argument)


def _job_id(job: JobFacts, wanted: str) -> str | None:
    return None if job.id == wanted else f"the job's id is {job.id} now, the plan was made for {wanted}"


def _state(job: JobFacts, wanted: str) -> str | None:
    return None if job.state == wanted else f"the job is {job.state}, it has to be {wanted}"


def _no_savepoint(job: JobFacts, _argument: str) -> str | None:
    if job.checkpoints is None:
        return f"whether a savepoint is in progress is not known: {job.unknown.get('checkpoints', 'no answer')}"
    running = [one.id for one in job.checkpoints.history if one.is_savepoint and one.status == "IN_PROGRESS"]
    return f"savepoint {running[0]} is still in progress" if running else None


def _adaptive(job: JobFacts, _argument: str) -> str | None:
    if job.scheduler is None:
        return "which scheduler runs the job is not known"
    return None if job.scheduler.lower() == "adaptive" else f"the scheduler is {job.scheduler}, it has to be Adaptive"


def _parallelism(job: JobFacts, argument: str) -> str | None:
    vertex_id, _, wanted = argument.partition("=")
    for vertex in job.vertices:
        if vertex.id == vertex_id:
            if str(vertex.parallelism) == wanted:
                return None
            return f"{vertex.name} runs with parallelism {vertex.parallelism} now, the plan saw {wanted}"
    return f"the job has no vertex {vertex_id} any more"


_CHECKS: dict[str, Callable[[JobFacts, str], str | None]] = {
    "job-id": _job_id,
    "state": _state,
    NO_SAVEPOINT_RUNNING: _no_savepoint,
    ADAPTIVE: _adaptive,
    "parallelism": _parallelism,
}
