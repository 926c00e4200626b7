"""A FlinkBlueGreenDeployment as the executor's control: its custom resource, and the jobs of its two children."""

from collections.abc import Sequence
from typing import NoReturn

import msgspec

from flinkops.act.control import Load
from flinkops.act.operator.control import KubeControl, open_control
from flinkops.act.running import StepRun
from flinkops.clock import Clock
from flinkops.errors import OperationFailed, Unreachable
from flinkops.model.blue_green_state import OTHER, state_of
from flinkops.model.detail import ResourceRequirement
from flinkops.model.effect import RunsWith
from flinkops.model.facts import ExceptionFacts, JobFacts
from flinkops.model.json_reading import Json
from flinkops.plan.operator.blue_green import child_name
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.verbs import KubeVerbs, ResourceRef

CHILD_KIND = "FlinkDeployment"


class BlueGreenControl(KubeControl):
    """The resource is the pair; REST requests go to the child that has the job.

    Of two children the one comes first that the pair's state names: both may have a job of the same fixed id.
    """

    def __init__(self, access: KubeAccess, ref: ResourceRef, clock: Clock) -> None:
        # The REST API of the pair itself does not exist: what is not routed below goes to the blue child.
        named = {"metadata": {"namespace": ref.namespace, "name": child_name(ref.name, "blue")}}
        super().__init__(access, ref, named, clock)
        self._access, self._clock_of_children = access, clock
        self._children: dict[str, KubeControl] = {}

    def close(self) -> None:
        """Close all connections."""
        super().close()
        for child in self._children.values():
            child.close()

    def child(self, name: str) -> KubeControl | None:
        """The control of a child; None when there is no such FlinkDeployment now."""
        ref = ResourceRef(CHILD_KIND, self.ref.namespace, name)
        if name not in self._children:
            opened = open_control(self._access, ref, self._clock_of_children)
            if opened is None:
                return None
            self._children[name] = opened
        return self._children[name] if self.verbs.resource(ref) is not None else None

    def child_resource(self, name: str) -> Json | None:
        """The FlinkDeployment of that name; None when there is none, as for the empty name of an unknown child."""
        if not name:
            return None
        return self.verbs.resource(ResourceRef(CHILD_KIND, self.ref.namespace, name))

    def job(self, job_id: str) -> JobFacts | None:
        """Of whichever child has it."""
        found = self._having(job_id)
        return None if found is None else msgspec.structs.replace(found[1], name=self.ref.name)

    def load(self, job_id: str) -> Load:
        """Of whichever child has it."""
        found = self._having(job_id)
        return Load(unknown="no child has the job") if found is None else found[0].load(job_id)

    def failures(self, job_id: str) -> tuple[ExceptionFacts, ...]:
        """Of whichever child has it."""
        found = self._having(job_id)
        return () if found is None else found[0].failures(job_id)

    def runs_with(self, job_id: str) -> RunsWith:
        """Of whichever child has it. Raises Unreachable where none has."""
        return self._child_of(job_id).runs_with(job_id)

    def requirements(self, job_id: str) -> tuple[ResourceRequirement, ...]:
        """Of whichever child has it. Raises Unreachable where none has."""
        return self._child_of(job_id).requirements(job_id)

    def require(self, job_id: str, requirements: Sequence[ResourceRequirement]) -> None:
        """Of whichever child has it. Raises Unreachable where none has."""
        self._child_of(job_id).require(job_id, requirements)

    def newest(self) -> NoReturn:
        """There are two. Raises OperationFailed."""
        raise OperationFailed(f"{self.ref.name} is a pair: which child's job is meant?")

    def _child_of(self, job_id: str) -> KubeControl:
        if (found := self._having(job_id)) is None:
            raise Unreachable(f"no child of {self.ref.name} has the job {job_id}")
        return found[0]

    def _having(self, job_id: str) -> tuple[KubeControl, JobFacts] | None:
        """The child and its job. Raises Unreachable where none has it and one could not be asked."""
        first = state_of(self.resource()).colour
        trouble: Unreachable | None = None
        for colour in sorted(OTHER, key=lambda one: one != first):
            child = self.child(child_name(self.ref.name, colour))
            try:
                job = child.job(job_id) if child is not None else None
            except Unreachable as problem:
                trouble = problem
                continue
            if child is not None and job is not None:
                return child, job
        if trouble is not None:
            raise trouble
        return None


def open_blue_green(access: KubeAccess, ref: ResourceRef, clock: Clock) -> BlueGreenControl | None:
    """The control of a pair; None when there is none of that name."""
    verbs = KubeVerbs(access)
    try:
        found = verbs.resource(ref)
    finally:
        verbs.close()
    return None if found is None else BlueGreenControl(access, ref, clock)


def blue_green_control(run: StepRun) -> BlueGreenControl:
    """The control of a step on a pair. Raises OperationFailed for a plan of another kind."""
    if not isinstance(run.control, BlueGreenControl):
        raise OperationFailed(f"{run.plan.target.job_name} is no blue/green deployment")
    return run.control


def job_of_child(child: KubeControl) -> JobFacts | None:
    """The newest job of a child in full; None when it has none. Raises Unreachable."""
    short = child.newest()
    return None if short is None else child.job(short.id)
