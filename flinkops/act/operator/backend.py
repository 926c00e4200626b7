"""Jobs of the Flink operator in one Kubernetes cluster: changed through their custom resources."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from flinkops.act.autoscale_plan import (
    beside_operator,
    operator_acts,
    overrides_in_force,
    plan_autoscale_on_resource,
    request_for,
)
from flinkops.act.backend import (
    READ_SECONDS,
    Autoscaled,
    BackendKind,
    NamedOptions,
    PlatformAutoscaler,
    Prepared,
    RescaleTerms,
    StorageCommand,
    named_in,
)
from flinkops.act.job_choice import pick_job
from flinkops.act.journal import Journal
from flinkops.act.operator.before_stop import with_steps_before_stop
from flinkops.act.operator.blue_green_control import BlueGreenControl, open_blue_green
from flinkops.act.operator.blue_green_job import BlueGreenJob, named_blue_green
from flinkops.act.operator.control import KubeControl, open_control
from flinkops.act.operator.lease import Lease
from flinkops.act.operator.prepare import prepare_for_resource, wanted_spec
from flinkops.act.operator.rehearsing import rehearse_spec, with_rehearsal
from flinkops.act.operator.storage_pod import ask_there, flink_deployment, storage_task
from flinkops.act.rest.rehearsing import Asked, refuse_unasked
from flinkops.autoscale.configmap import decode_configmap
from flinkops.autoscale.decide import Decision
from flinkops.autoscale.explain import why_not_evaluated
from flinkops.autoscale.window import graph_of
from flinkops.clock import Clock
from flinkops.config.settings import Settings
from flinkops.errors import Denied, OperationFailed, Unreachable, UsageError
from flinkops.model.detail import KubeEvent
from flinkops.model.facts import JobFacts, ResourceFacts
from flinkops.model.json_reading import section
from flinkops.model.option_names import AUTOSCALER
from flinkops.model.plan import Plan, Target
from flinkops.model.rehearsal import Rehearsal
from flinkops.model.request import ActionRequest
from flinkops.outside.shell import shell_command
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.autoscaler_options import named_for
from flinkops.plan.operator.blue_green import BLUE_GREEN
from flinkops.plan.operator.spec import configuration
from flinkops.plan.operator.step_inputs import BeginRollback, CreateResource, PatchResource
from flinkops.plan.savepoint import plan_savepoint
from flinkops.sources.kubernetes.access import HasKubernetesAccess, KubeAccess
from flinkops.sources.kubernetes.autoscaler_state import read_autoscaler_state
from flinkops.sources.kubernetes.clusters import kubernetes_access, open_kubernetes
from flinkops.sources.kubernetes.operator_version import operator_of
from flinkops.sources.kubernetes.plan_inputs import Read, read_for_plan
from flinkops.sources.kubernetes.source import KubernetesSource
from flinkops.sources.kubernetes.verbs import ResourceRef
from flinkops.sources.storage.stores import Stores

_AUTOSCALER_SECONDS = 10.0
C = TypeVar("C", bound=KubeControl)


@dataclass(frozen=True)
class OperatorJob:
    """One custom resource and its job, as the fleet shows it."""

    access: KubeAccess
    control: KubeControl
    job: JobFacts
    stores: Stores

    def measured(self) -> JobFacts:
        """As its REST API has it; a job that showed no vertices does not answer there."""
        return (self.control.job(self.job.id) if self.job.vertices else None) or self.job

    def plan(self, request: ActionRequest, journal: Journal, stamp: Stamp) -> Prepared:
        """Through the resource; a savepoint is taken by Flink itself, the operator is not asked."""
        refuse_impossible(request)
        if request.verb == "savepoint-create":
            terms = request.terms
            plan = plan_savepoint(
                self.measured(),
                stamp,
                target_directory=terms.target_directory,
                savepoint_format=terms.savepoint_format,
            )
            return Prepared(plan, changes=True)
        made = prepare_for_resource(self.control, journal, self.job, self._read(), request, stamp, self.stores)
        made = with_rehearsal(made, self.job, request.terms, stamp)
        return with_steps_before_stop(made, self.job, request.terms, stamp)

    def rehearse(
        self, request: ActionRequest, journal: Journal, *, against: str | None, note: Callable[[str], None]
    ) -> Rehearsal:
        """In a pod of the image that the changed spec names."""
        refuse_impossible(request)
        before, wanted = wanted_spec(journal, self.control, request)
        asked = Asked(note, against, request.terms.flink_home, request.terms.sample)
        return rehearse_spec(self.control, self.measured(), wanted, before, asked)

    def plan_decision(
        self, decision: Decision, _observed: JobFacts, journal: Journal, stamp: Stamp, terms: RescaleTerms
    ) -> Plan:
        """As parallelism overrides in the resource's spec; with `take_over` the operator's autoscaler goes off."""
        read = self._read()
        acts = operator_acts(configuration(section(read.resource, "spec")))
        if acts and not terms.take_over:
            raise beside_operator(self.job.name)
        request = request_for(decision, switch_off=acts, checkpoints=terms.checkpoints)
        made = prepare_for_resource(self.control, journal, self.job, read, request, stamp, self.stores)
        return plan_autoscale_on_resource(
            made.plan, decision, self.control.job(self.job.id) or self.job, throughput=terms.throughput
        )

    def _read(self) -> Read:
        return read_for_plan(self.access, *self.control.ref, deadline_seconds=READ_SECONDS)


def refuse_impossible(request: ActionRequest) -> None:
    """What the operator decides itself. Raises UsageError."""
    if request.verb == "savepoint-create":
        return
    refuse_unasked(request.terms)
    if request.terms.target_directory is not None:
        raise UsageError(
            "--target: the operator writes its savepoint where the job's spec says",
            next_step="--set execution.checkpointing.savepoint-dir=DIR changes that",
        )
    if request.terms.savepoint_format != "canonical":
        raise UsageError(
            "--format: the operator's savepoint has the format that the job's spec says",
            next_step="--set kubernetes.operator.savepoint.format.type=NATIVE changes that",
        )


class OperatorBackend:
    """One cluster. `access` and `open_source` are asked when they are needed; they raise UsageError or Unreachable."""

    def __init__(
        self,
        access: Callable[[], KubeAccess],
        open_source: Callable[[], KubernetesSource],
        clock: Clock,
        where: tuple[str, ...],
        stores: Stores | None = None,
    ) -> None:
        self._open_access = access
        self._open_source = open_source
        self._clock = clock
        self._where = where
        self._stores = stores or Stores()
        self._known_access: KubeAccess | None = None

    @property
    def where(self) -> tuple[str, ...]:
        """--context NAME."""
        return self._where

    @property
    def autoscaler(self) -> PlatformAutoscaler | None:
        """The operator's."""
        return _OperatorAutoscaler(self)

    @property
    def access(self) -> KubeAccess:
        """The way into the cluster."""
        if self._known_access is None:
            self._known_access = self._open_access()
        return self._known_access

    def prerequisites(self, request: ActionRequest) -> None:
        """Where its savepoint goes and of which format it is, the operator decides by the spec."""
        refuse_impossible(request)

    @contextmanager
    def reach(self, wanted: str) -> Iterator["OperatorJob | BlueGreenJob"]:
        """One of the jobs that the cluster shows, with a custom resource of its own; or a blue/green deployment."""
        jobs = self._jobs()
        if (pair := named_blue_green(jobs, wanted)) is not None:
            ref, children = pair
            with self._blue_green_control(ref) as control:
                yield BlueGreenJob(self.access, control, children)
            return
        job = pick_job(jobs, wanted)
        if job.resource is None or not self.takes(job):
            raise UsageError(f'"{wanted}" has no custom resource: it was submitted to a session cluster by hand')
        with self.reach_job(job) as handle:
            yield handle

    @contextmanager
    def reach_job(self, job: JobFacts) -> Iterator["OperatorJob"]:
        """By its custom resource."""
        if job.resource is None:
            raise OperationFailed(f"job {job.name} has no custom resource")
        with self.control_of(_ref(job.resource)) as control:
            yield OperatorJob(self.access, control, job, self._stores)

    def takes(self, job: JobFacts) -> bool:
        """A job that was submitted to a session cluster by hand has no resource of its own."""
        return job.resource is not None and job.kind in JOB_KINDS

    def labelled(self) -> tuple[JobFacts, ...]:
        """Jobs that somebody declared: not those submitted by hand, nor a session cluster that cannot be read."""
        return tuple(
            job
            for job in self._jobs()
            if self.takes(job) and job.resource is not None and job.resource.desired_state is not None
        )

    @contextmanager
    def control_of_plan(self, plan: Plan) -> Iterator[KubeControl]:
        """The resource that the plan is about, also while it is deleted to be created again."""
        target, context = plan.target, self.access.context
        if context != target.source:
            raise UsageError(f"the plan is for {target.source}, named is {context}", next_step="give its --context")
        ref = ResourceRef(target.kind, target.namespace or "default", target.job_name)
        if ref.kind == BLUE_GREEN:
            with self._blue_green_control(ref) as pair:
                yield pair
            return
        with self.control_of(ref, _kept_resource(plan)) as control:
            yield control

    def control_without_job(self) -> AbstractContextManager[KubeControl]:
        """Each job has a Flink cluster of its own: raises UsageError."""
        raise UsageError("which job's Flink cluster shall remove it?", next_step="give --job JOB")

    def declared(self, job: JobFacts) -> JobFacts:
        """With the autoscaler's settings of its resource: Flink itself knows those of the last deployment only."""
        if job.resource is None:
            return job
        with self.control_of(_ref(job.resource)) as control:
            spec = configuration(section(control.resource(), "spec"))
        own = {key: value for key, value in spec.items() if key.startswith(AUTOSCALER)}
        others = {key: value for key, value in job.configuration.items() if not key.startswith(AUTOSCALER)}
        return msgspec.structs.replace(job, configuration=others | own)

    def ask_beside(
        self, wanted: str, command: StorageCommand, note: Callable[[str], None]
    ) -> tuple[int, dict[str, Any]]:
        """In a short-lived pod after the job's JobManager."""
        with self.reach(wanted) as handle:
            return ask_there(self.access, storage_task(flink_deployment(handle.control), command), note)

    @contextmanager
    def lead(self, wanted: str, stamp: Stamp, *, take_over: bool) -> Iterator[Callable[[], None]]:
        """A Lease of the loop's own, beside that of each action: one loop a job in the whole cluster."""
        with self.reach(wanted) as handle:
            control = handle.control
            if operator_acts(configuration(section(control.resource(), "spec"))) and not take_over:
                raise beside_operator(wanted)
            ref = control.ref
            target = Target(
                source=control.name, job_name=ref.name, job_id=handle.job.id, namespace=ref.namespace, kind=ref.kind
            )
            lease = Lease(control.verbs, ref.namespace, "autoscale", ref.name, self._clock)
            with lease.held(Plan(id=stamp.plan_id, verb="autoscale-apply", target=target, created_ms=stamp.now_ms)):
                yield lease.require

    def control_of(
        self, ref: ResourceRef, fallback: dict[str, Any] | None = None
    ) -> AbstractContextManager[KubeControl]:
        """Of one custom resource; `fallback` is what it was, where it may be gone. Raises UsageError when it is."""
        return closing(self._existing(open_control(self.access, ref, self._clock, fallback), ref))

    def _blue_green_control(self, ref: ResourceRef) -> AbstractContextManager[BlueGreenControl]:
        return closing(self._existing(open_blue_green(self.access, ref, self._clock), ref))

    def _existing(self, control: C | None, ref: ResourceRef) -> C:
        if control is None:
            raise UsageError(f"{ref.kind} {ref.namespace}/{ref.name} does not exist in {self.access.context}")
        return control

    def events_of(self, job: JobFacts) -> tuple[KubeEvent, ...]:
        """Those of its resource and pods, newest first; none where they cannot be read."""
        with closing(self._open_source()) as source:
            return source.events(job, deadline_seconds=_AUTOSCALER_SECONDS).events

    def _jobs(self) -> tuple[JobFacts, ...]:
        source = self._open_source()
        try:
            found = source.poll(READ_SECONDS)
        finally:
            source.close()
        if found.status.state in ("ok", "stale"):
            return found.jobs
        problem = found.status.error or f"{source.name} is unreachable"
        raise (Denied if found.status.state == "denied" else Unreachable)(problem)


class _OperatorAutoscaler:
    """The operator's autoscaler: its ConfigMap, and the settings in the resource's spec."""

    def __init__(self, backend: OperatorBackend) -> None:
        self._backend = backend

    def named(self, given: Mapping[str, str]) -> NamedOptions:
        """By the version that the operator's Deployment tells; without one the names that all versions read."""
        operator = operator_of(self._backend.access, deadline_seconds=_AUTOSCALER_SECONDS)
        found = named_for(given, operator.version)
        why = () if operator.version is not None or not found.doubts else (operator.unknown or "it has no version",)
        return NamedOptions(found.settings, (*found.doubts, *why))

    def state(self, wanted: str) -> Autoscaled:
        """From its ConfigMap."""
        with self._backend.reach(wanted) as handle:
            spec = section(handle.control.resource(), "spec")
            ref = handle.control.ref
        data = read_autoscaler_state(
            self._backend.access, ref.namespace, ref.name, deadline_seconds=_AUTOSCALER_SECONDS
        )
        if data is None:
            why, switch_on = why_not_evaluated(configuration(spec), self._backend.events_of(handle.job))
            enable = shell_command("flinkops", "autoscale", "enable", wanted)
            next_step = enable if switch_on else "read the operator's log, or ask again in a minute"
            raise OperationFailed(f"no ConfigMap autoscaler-{ref.name} in {ref.namespace}: {why}", next_step=next_step)
        return Autoscaled(graph_of(handle.job), configuration(spec), decode_configmap(data))

    def overrides(self, wanted: str) -> dict[str, str]:
        """The operator keeps them in what it deployed last, not in the spec."""
        with self._backend.reach(wanted) as handle:
            return overrides_in_force(handle.control.resource())


JOB_KINDS = frozenset({"FlinkDeployment", "FlinkSessionJob"})


def _ref(resource: ResourceFacts) -> ResourceRef:
    return ResourceRef(resource.kind, resource.namespace, resource.name)


def _kept_resource(plan: Plan) -> dict[str, Any] | None:
    """The resource as the plan keeps it: a rollback may just have deleted it."""
    for step in (*plan.steps, *plan.rollback_steps):
        if isinstance(step.do, (PatchResource, BeginRollback, CreateResource)):
            return step.do.before
    return None


class _OperatorKind:
    """A Kubernetes cluster that a context names, or that is at hand."""

    @property
    def job_kinds(self) -> frozenset[str]:
        """The operator's custom resources."""
        return JOB_KINDS | {BLUE_GREEN}

    def open(self, settings: Settings, clock: Clock) -> OperatorBackend:
        """The one cluster of the settings."""
        return OperatorBackend(
            lambda: kubernetes_access(settings),
            lambda: open_kubernetes(settings),
            clock,
            named_in(settings),
            Stores(settings.storage),
        )

    def of_source(self, source: object, clock: Clock) -> OperatorBackend:
        """The cluster that the source reads. Raises OperationFailed for a source of another kind."""
        if not isinstance(source, HasKubernetesAccess):
            raise OperationFailed("its source has no Kubernetes API")
        access = source.access
        return OperatorBackend(lambda: access, lambda: KubernetesSource(access), clock, ("--context", access.context))


BACKEND: BackendKind = _OperatorKind()
