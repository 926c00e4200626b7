"""A job of the Flink operator as the executor's control: its REST API by the service proxy, and its custom resource."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from flinkops.act.control import RecordedSavepoint, Snapshots
from flinkops.act.operator.lease import Lease
from flinkops.act.rest.control import RestControl
from flinkops.act.running import StepRun
from flinkops.clock import Clock
from flinkops.errors import Denied, OperationFailed
from flinkops.model.effect import PodTimes, RunsWith
from flinkops.model.facts import JobFacts, JobKind, StuckFacts
from flinkops.model.json_reading import Json, section, text
from flinkops.model.plan import Plan
from flinkops.plan.operator.recorded import recorded_savepoint, recorded_savepoints
from flinkops.plan.operator.session_cluster import SESSION_JOB
from flinkops.plan.preconditions import unmet_of_resource
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.quota import waits_for_slots
from flinkops.sources.kubernetes.resources import job_id, snapshots_by_job
from flinkops.sources.kubernetes.service_proxy import ServiceClient
from flinkops.sources.kubernetes.verbs import Conflict, KubeVerbs, Leftover, ResourceRef, rest_service

_REST_SECONDS = 6.0


class KubeControl(RestControl):
    """One custom resource and the job that belongs to it. `resource` is the resource as it was read.

    `cluster` is the FlinkDeployment that a session job runs on.
    """

    poll_seconds = 1.0

    def __init__(
        self, access: KubeAccess, ref: ResourceRef, resource: Json, clock: Clock, cluster: Json | None = None
    ) -> None:
        service, port = rest_service(resource, cluster)
        endpoint = access.service_endpoint(ref.namespace, service, port)
        named = msgspec.structs.replace(endpoint, name=access.context)
        super().__init__(named, clock, deadline_seconds=_REST_SECONDS, client=ServiceClient(named, connections=2))
        self.access = access
        self.ref = ref
        self.cluster_name = service.removesuffix("-rest")
        self.session_cluster = cluster
        self.verbs = KubeVerbs(access)
        self._clock_of_pods = clock
        self._own_ids = {job_id(resource)}  # those that the operator has recorded
        self._lease = Lease(self.verbs, ref.namespace, ref.kind, ref.name, clock)

    def close(self) -> None:
        """Close all connections."""
        super().close()
        self.verbs.close()

    def job(self, job_id: str) -> JobFacts | None:
        """As the REST API has it: under the name of the resource, but not the neighbours in a session cluster."""
        found = super().job(job_id)
        return None if found is None else self._named(found)

    def newest(self) -> JobFacts | None:
        """The resource's job as the REST API shows it: one that lives, else the last that ended. A short poll only.

        A session cluster has other jobs too: there it is the one whose id the operator has recorded.
        """
        jobs: Sequence[JobFacts] = super().jobs()
        if self.is_session_job:
            recorded = job_id(self.resource())
            jobs = [one for one in jobs if one.id == recorded]
        return max(jobs, key=lambda one: (one.ended_ms is None, one.started_ms or 0), default=None)

    @property
    def is_session_job(self) -> bool:
        """Whether the Flink cluster is another resource."""
        return self.ref.kind == SESSION_JOB

    def leftovers(self, job_ids: Collection[str]) -> tuple[Leftover, ...]:
        """What is still there of a resource that was deleted: its Flink cluster, or those of these jobs that live."""
        if not self.is_session_job:
            return self.verbs.leftovers(self.ref.namespace, self.cluster_name)
        return tuple(Leftover("job", one.id) for one in super().jobs() if one.id in job_ids and one.ended_ms is None)

    def resource(self) -> Json:
        """The custom resource now. Raises OperationFailed when it is gone."""
        found = self.verbs.resource(self.ref)
        if found is None:
            raise OperationFailed(f"{self.ref.kind} {self.ref.namespace}/{self.ref.name} does not exist any more")
        self._own_ids.add(job_id(found))
        return found

    def held_savepoints(self) -> dict[str, str]:
        """What the resource names: the operator restores from it, or whoever creates the resource again."""
        found = self.resource()
        recorded = recorded_savepoint(section(found, "status"))
        initial = text(section(section(found, "spec"), "job"), "initialSavepointPath")
        held = {initial: "the resource's initialSavepointPath", recorded: "what the operator would restore from"}
        return {path: what for path, what in held.items() if path}

    def runs_with(self, job_id: str) -> RunsWith:
        """Also the images of its pods; a session job has none of its own."""
        told = super().runs_with(job_id)
        if self.is_session_job:
            return told
        changed_ms = self.verbs.written_ms(self.resource())
        try:
            pods = self.verbs.pod_images(self.ref.namespace, self.cluster_name)
        except Denied as problem:
            why = f"{problem.what}; the operator says that it has deployed the spec"
            return msgspec.structs.replace(told, untold={**told.untold, "pods": why})
        return msgspec.structs.replace(told, pods=pods, changed_ms=changed_ms)

    def snapshots(self) -> Snapshots:
        """The FlinkStateSnapshots of the namespace, where the operator has them; and what the resource records."""
        listed = recorded_savepoints(section(self.resource(), "status"))
        recorded = tuple(RecordedSavepoint(one.path, one.at_ms or None) for one in listed)
        try:
            found = snapshots_by_job(self.verbs.snapshots(self.ref.namespace))
        except Denied as problem:
            return Snapshots(unknown=problem.what, recorded=recorded)
        mine = (self.ref.namespace, self.ref.kind, self.ref.name)
        others = tuple(one for job, of_job in found.items() if job != mine for one in of_job)
        return Snapshots(found.get(mine, ()), others, recorded=recorded)

    def why_stuck(self, job: JobFacts | None) -> tuple[StuckFacts, ...]:
        """What its pods and their events say, and a quota while `job`, as it was just read, waits for slots."""
        lacks_slots = job is not None and waits_for_slots(job, self.cluster())
        clock = self._clock_of_pods
        return self.verbs.why_stuck(self.ref.namespace, self.cluster_name, clock, lacks_slots=lacks_slots)

    def nodes(self) -> tuple[str, ...]:
        """Where its pods run."""
        return self.verbs.nodes_of(self.ref.namespace, self.cluster_name)

    def pod_times(self) -> tuple[PodTimes, ...]:
        """How its pods came up."""
        return self.verbs.pod_times(self.ref.namespace, self.cluster_name)

    def unmet(self, plan: Plan) -> tuple[str, ...]:
        """The plan's preconditions, of the job and of its resource."""
        of_resource, of_job = unmet_of_resource(plan.preconditions, self.verbs.resource(self.ref))
        return (*of_resource, *(self.unmet_of_job(of_job, plan) if of_job and not of_resource else ()))

    @contextmanager
    def lock(self, plan: Plan) -> Iterator[None]:
        """The Lease of the job."""
        with self._lease.held(plan):
            yield

    def require_lock(self) -> None:
        """Asked before each change; raises OperationFailed when the Lease is lost, Unreachable when it may be."""
        self._lease.require()

    def patch_as_found(self, found: Json, patch: Json) -> Json | None:
        """Change the resource under the lock, if it is still as `found`; None where it has been changed since."""
        self.require_lock()
        version = text(section(found, "metadata"), "resourceVersion")
        try:
            return self.verbs.patch(self.ref, patch, resource_version=version)
        except Conflict:
            return None

    def _named(self, job: JobFacts) -> JobFacts:
        if self.is_session_job and job.id not in self._own_ids:
            return job
        kind: JobKind = "FlinkSessionJob" if self.is_session_job else "FlinkDeployment"
        return msgspec.structs.replace(job, name=self.ref.name, namespace=self.ref.namespace, kind=kind)


def open_control(
    access: KubeAccess, ref: ResourceRef, clock: Clock, fallback: Json | None = None
) -> KubeControl | None:
    """The control of one custom resource; `fallback` is what it was, where it may be gone. None when it is."""
    verbs = KubeVerbs(access)
    try:
        resource = verbs.resource(ref) or fallback
        if resource is None:
            return None
        return KubeControl(access, ref, resource, clock, verbs.session_cluster(ref, resource))
    finally:
        verbs.close()


def kube_control(run: StepRun) -> KubeControl:
    """The control of a step that changes a custom resource. Raises OperationFailed for a plan of another kind."""
    if not isinstance(run.control, KubeControl):
        raise OperationFailed(f"{run.control.name} is no Kubernetes cluster")
    return run.control
