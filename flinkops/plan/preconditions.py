"""What has to hold before a plan may begin, as values that a plan carries and the executor asks again.

The planner refuses by the same functions that the executor re-checks with. Each precondition is about the job, or about
its custom resource; a back end may have further ones (model.plan.Precondition) and check them itself.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from flinkops.model.assessment import Value
from flinkops.model.blue_green_state import not_idle
from flinkops.model.facts import JobFacts
from flinkops.model.json_reading import section
from flinkops.model.plan import Precondition
from flinkops.plan.identity import canonical_json

_UPGRADING = ("UPGRADING", "ROLLING_BACK")


class JobPrecondition(Precondition):
    """About the job, as its REST API shows it."""

    __slots__ = ()

    def unmet(self, job: JobFacts) -> str | None:
        """Why it does not hold, in a sentence; None when it does."""
        raise NotImplementedError


class ResourcePrecondition(Precondition):
    """About the custom resource."""

    __slots__ = ()

    def unmet(self, resource: Mapping[str, Any]) -> str | None:
        """Why it does not hold, in a sentence; None when it does."""
        raise NotImplementedError


class SameJob(JobPrecondition, Value, frozen=True, tag_field="requires", tag="job-id"):
    """The job is still the one that the plan was made for."""

    job_id: str

    @property
    def words(self) -> str:
        """As documents name it."""
        return f"{self.tag}:{self.job_id}"

    def unmet(self, job: JobFacts) -> str | None:
        """By its id."""
        return None if job.id == self.job_id else f"the job's id is {job.id} now, the plan was made for {self.job_id}"


class JobInState(JobPrecondition, Value, frozen=True, tag_field="requires", tag="state"):
    """The job is in this state of Flink's."""

    state: str

    @property
    def words(self) -> str:
        """As documents name it."""
        return f"{self.tag}:{self.state}"

    def unmet(self, job: JobFacts) -> str | None:
        """As it is now."""
        return None if job.state == self.state else f"the job is {job.state}, it has to be {self.state}"


class NoSavepointInProgress(JobPrecondition, Value, frozen=True, tag_field="requires", tag="no-savepoint-in-progress"):
    """None that anybody has triggered."""

    def unmet(self, job: JobFacts) -> str | None:
        """What is not known does not hold."""
        if job.checkpoints is None:
            return f"whether a savepoint is in progress is not known: {job.unknown.get('checkpoints', 'no answer')}"
        running = [one.id for one in job.checkpoints.history if one.is_savepoint and one.status == "IN_PROGRESS"]
        return f"savepoint {running[0]} is still in progress" if running else None


class AdaptiveScheduler(JobPrecondition, Value, frozen=True, tag_field="requires", tag="adaptive-scheduler"):
    """It changes parallelism in place."""

    def unmet(self, job: JobFacts) -> str | None:
        """What is not known does not hold."""
        if job.scheduler is None:
            return "which scheduler runs the job is not known"
        adaptive = job.scheduler.lower() == "adaptive"
        return None if adaptive else f"the scheduler is {job.scheduler}, it has to be Adaptive"


class VertexParallelism(JobPrecondition, Value, frozen=True, tag_field="requires", tag="parallelism"):
    """The vertex runs as the plan saw it."""

    vertex: str
    parallelism: int

    @property
    def words(self) -> str:
        """As documents name it."""
        return f"{self.tag}:{self.vertex}={self.parallelism}"

    def unmet(self, job: JobFacts) -> str | None:
        """As it runs now."""
        for vertex in job.vertices:
            if vertex.id == self.vertex:
                if vertex.parallelism == self.parallelism:
                    return None
                return f"{vertex.name} runs with parallelism {vertex.parallelism} now, the plan saw {self.parallelism}"
        return f"the job has no vertex {self.vertex} any more"


class SameResource(ResourcePrecondition, Value, frozen=True, tag_field="requires", tag="uid"):
    """It is still the same custom resource."""

    uid: str

    @property
    def words(self) -> str:
        """As documents name it."""
        return f"{self.tag}:{self.uid}"

    def unmet(self, resource: Mapping[str, Any]) -> str | None:
        """By its uid."""
        return None if _uid(resource) == self.uid else "the resource was deleted and created again by somebody else"


class SameSpec(ResourcePrecondition, Value, frozen=True, tag_field="requires", tag="spec"):
    """It has the spec that the plan was made for."""

    hash: str

    @property
    def words(self) -> str:
        """As documents name it."""
        return f"{self.tag}:{self.hash}"

    def unmet(self, resource: Mapping[str, Any]) -> str | None:
        """By :func:`spec_hash`."""
        if spec_hash(resource) == self.hash:
            return None
        generation = section(resource, "metadata").get("generation")
        return f"the spec was edited by somebody else (generation {generation} now): plan again"


class OperatorIdle(ResourcePrecondition, Value, frozen=True, tag_field="requires", tag="operator-idle"):
    """The operator is not in the middle of another upgrade."""

    def unmet(self, resource: Mapping[str, Any]) -> str | None:
        """By its reconciliation state."""
        state = section(section(resource, "status"), "reconciliationStatus").get("state")
        return f"another upgrade is running ({state})" if state in _UPGRADING else None


class OperatorSeesItRun(ResourcePrecondition, Value, frozen=True, tag_field="requires", tag="operator-sees-it-run"):
    """The operator, too, sees the job RUNNING."""

    def unmet(self, resource: Mapping[str, Any]) -> str | None:
        """Else it would not stop the job with a savepoint."""
        return operator_sees_it_run(resource)


class BlueGreenIdle(ResourcePrecondition, Value, frozen=True, tag_field="requires", tag="blue-green-idle"):
    """No transition of a blue/green deployment is under way, and none has left the trigger of its savepoint behind."""

    def unmet(self, resource: Mapping[str, Any]) -> str | None:
        """By its status."""
        if (busy := not_idle(resource)) is not None:
            return busy
        trigger = section(resource, "status").get("savepointTriggerId")
        return f"the operator has kept the trigger {trigger} of an earlier savepoint" if trigger else None


PRECONDITIONS: tuple[type[Precondition], ...] = (
    SameJob,
    JobInState,
    NoSavepointInProgress,
    AdaptiveScheduler,
    VertexParallelism,
    SameResource,
    SameSpec,
    OperatorIdle,
    OperatorSeesItRun,
    BlueGreenIdle,
)
"""All that are known here."""


def same_spec(resource: Mapping[str, Any]) -> tuple[Precondition, ...]:
    """It is still the same custom resource, with the spec that the plan was made for."""
    return (SameResource(_uid(resource)), SameSpec(spec_hash(resource)))


def spec_hash(resource: Mapping[str, Any]) -> str:
    """Of the spec without the nonces that only ask for a savepoint or a checkpoint."""
    spec = dict(section(resource, "spec"))
    if isinstance(job := spec.get("job"), Mapping):
        spec["job"] = {key: value for key, value in job.items() if not key.endswith("TriggerNonce")}
    return hashlib.sha256(canonical_json(spec).encode()).hexdigest()[:16]


def operator_sees_it_run(resource: Mapping[str, Any]) -> str | None:
    """Why the operator would not stop the job with a savepoint: it goes by its own view, which trails the job's.

    While it does not see the job RUNNING it falls back to last-state; seen on a real 1.7.0 after a start.
    """
    status = section(resource, "status")
    state, manager = section(status, "jobStatus").get("state"), status.get("jobManagerDeploymentStatus")
    if state == "RUNNING" and manager in ("READY", None):
        return None
    return f"the operator does not see the job RUNNING yet (job {state}, JobManager {manager}): wait a little"


def unmet_of_resource(
    preconditions: Iterable[Precondition], resource: Mapping[str, Any] | None
) -> tuple[tuple[str, ...], tuple[Precondition, ...]]:
    """Why those about the custom resource do not hold; and the other preconditions, which are about the job."""
    problems: list[str] = []
    others: list[Precondition] = []
    for one in preconditions:
        if not isinstance(one, ResourcePrecondition):
            others.append(one)
        elif resource is None:
            problems.append("the resource is gone")
        elif (problem := one.unmet(resource)) is not None:
            problems.append(problem)
    return tuple(dict.fromkeys(problems)), tuple(others)


def unmet(preconditions: Iterable[Precondition], job: JobFacts | None) -> tuple[str, ...]:
    """Why not, one sentence for each precondition that does not hold; one that is not about a job never holds."""
    if job is None:
        return ("the job is gone from its cluster",)
    problems = (_unmet(one, job) for one in preconditions)
    return tuple(problem for problem in problems if problem is not None)


def _unmet(precondition: Precondition, job: JobFacts) -> str | None:
    if isinstance(precondition, JobPrecondition):
        return precondition.unmet(job)
    return f"this flinkops does not know the precondition {precondition.words!r}"


def _uid(resource: Mapping[str, Any]) -> str:
    return str(section(resource, "metadata").get("uid") or "")
