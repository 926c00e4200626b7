"""A change of a custom resource of the Flink operator: what there is, what is wanted, what is predicted of it. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from flinkops.model.assessment import Value
from flinkops.model.effect import Expected
from flinkops.model.json_reading import section
from flinkops.model.plan import Target
from flinkops.model.request import Terms
from flinkops.plan.operator.effects import expected_of
from flinkops.plan.operator.merge_patch import merged
from flinkops.plan.operator.predict import Prediction
from flinkops.plan.operator.recorded import stop_savepoints
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.session_cluster import is_session_job
from flinkops.plan.operator.spec import desired_state

Resource = Mapping[str, Any]


class Seen(Value, frozen=True):
    """The job as it was when the plan was made; what is no longer this one is a new job."""

    job_id: str = ""
    started_ms: int | None = None
    running: bool = False
    parallelism: dict[str, int] = {}  # of each vertex
    committing: tuple[str, ...] = ()  # sinks with transactions that a broker may end
    down_seconds: float | None = None  # since when it does not run; None: it does


class ResourceChange(NamedTuple):
    """One change of one resource. ``found`` is its prediction, ``features`` what this operator can."""

    resource: Resource
    seen: Seen
    found: Prediction
    features: Features
    terms: Terms

    @property
    def wanted(self) -> dict[str, Any]:
        """The spec after the change."""
        return merged(self._spec, section(self.found.patch, "spec"))

    @property
    def runs_before(self) -> bool:
        """Whether the spec of before wants a job."""
        return desired_state(self._spec) == "running"

    @property
    def runs_after(self) -> bool:
        """Whether the spec after the change wants one."""
        return desired_state(self.wanted) == "running"

    @property
    def status(self) -> Mapping[str, Any]:
        """What the operator has written."""
        return section(self.resource, "status")

    @property
    def uid(self) -> str:
        """Of the object: one that is created again has another."""
        return str(section(self.resource, "metadata").get("uid") or "")

    @property
    def savepoints_before(self) -> tuple[str, ...]:
        """Those that the operator took before: not those of this change."""
        return tuple(one.path for one in stop_savepoints(self.status))

    @property
    def is_session_job(self) -> bool:
        """Whether its cluster is another resource's."""
        return is_session_job(self.resource)

    @property
    def expected(self) -> tuple[Expected, ...]:
        """What has to be seen of the job that comes of it."""
        return expected_of(self.found.fields, self.wanted, session_job=self.is_session_job)

    @property
    def _spec(self) -> Mapping[str, Any]:
        return section(self.resource, "spec")


def target_of_resource(source: str, resource: Resource, job_id: str) -> Target:
    """The resource as a plan names it, and the job that it had then."""
    metadata = section(resource, "metadata")
    return Target(
        source=source,
        job_name=str(metadata.get("name")),
        job_id=job_id,
        namespace=str(metadata.get("namespace")),
        kind=str(resource.get("kind")),
        resource_version=metadata.get("resourceVersion"),
    )


def kept(resource: Resource) -> dict[str, Any]:
    """What is needed to create the resource again as it was: without what the API server and the operator write."""
    metadata = section(resource, "metadata")
    names = ("name", "namespace", "labels", "annotations")
    return {
        "apiVersion": resource.get("apiVersion"),
        "kind": resource.get("kind"),
        "metadata": {key: metadata[key] for key in names if metadata.get(key)},
        "spec": section(resource, "spec"),
    }
