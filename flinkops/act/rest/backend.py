"""Plain Flink clusters, each reached by its REST API: the job is submitted again from how it was submitted."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from flinkops.act.autoscale_plan import plan_autoscale
from flinkops.act.backend import (
    BackendKind,
    JobHandle,
    PlatformAutoscaler,
    Prepared,
    RescaleTerms,
    StorageCommand,
    named_in,
)
from flinkops.act.control import JobControl
from flinkops.act.job_choice import pick_job
from flinkops.act.journal import Journal
from flinkops.act.rest.control import RestControl
from flinkops.act.rest.embedded import embedded_endpoint
from flinkops.act.rest.prepare import prepare, refuse_impossible, rehearse_request
from flinkops.autoscale.decide import Decision
from flinkops.clock import Clock
from flinkops.config.settings import Settings
from flinkops.errors import OperationFailed, Refused, Unreachable, UsageError
from flinkops.model.endpoint import RestEndpoint
from flinkops.model.facts import JobFacts
from flinkops.model.identity import matching
from flinkops.model.plan import Plan
from flinkops.model.rehearsal import Rehearsal
from flinkops.model.request import ActionRequest
from flinkops.plan.identity import Stamp
from flinkops.sources.flink.endpoints import rest_endpoints
from flinkops.sources.protocol import HasRestEndpoint

KIND = "rest"


@dataclass(frozen=True)
class RestJob:
    """One job of a cluster, as its REST API shows it."""

    control: JobControl
    job: JobFacts

    def measured(self) -> JobFacts:
        """As the REST API has it now."""
        return self.control.job(self.job.id) or self.job

    def plan(self, request: ActionRequest, journal: Journal, stamp: Stamp) -> Prepared:
        """The plan over Flink's own REST API."""
        refuse_impossible(request)
        plan = prepare(self.control, journal, self.job, request, stamp)
        return Prepared(plan, changes=plan.change != "none")

    def rehearse(
        self, request: ActionRequest, journal: Journal, *, against: str | None, note: Callable[[str], None]
    ) -> Rehearsal:
        """In a client on this machine."""
        refuse_impossible(request)
        return rehearse_request(self.control, journal, self.job, request, against, note)

    def plan_decision(
        self, decision: Decision, observed: JobFacts, _journal: Journal, stamp: Stamp, terms: RescaleTerms
    ) -> Plan:
        """In place; the job's own settings are those that were observed, the REST API has only the cluster's."""
        settings = {**self.job.configuration, **observed.configuration}
        return plan_autoscale(
            decision,
            msgspec.structs.replace(self.job, configuration=settings),
            self.control.requirements(self.job.id) if decision.changes else (),
            self.control.cluster(),
            stamp,
            checkpoints=terms.checkpoints,
            take_over=terms.take_over,
            throughput=terms.throughput,
        )


class RestBackend:
    """Some clusters. `endpoints` is asked when they are needed; it raises UsageError or Refused when there are none."""

    def __init__(self, endpoints: Callable[[], Sequence[RestEndpoint]], clock: Clock, where: tuple[str, ...]) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._where = where

    @property
    def where(self) -> tuple[str, ...]:
        """--rest URL of each."""
        return self._where

    @property
    def autoscaler(self) -> PlatformAutoscaler | None:
        """Flink itself has none."""
        return None

    def prerequisites(self, request: ActionRequest) -> None:
        """No image, no manifest, no mode but a savepoint; a jar of this machine has to be there."""
        refuse_impossible(request)

    @contextmanager
    def reach(self, wanted: str) -> Iterator[JobHandle]:
        """A job that still lives, else the newest that has ended."""
        endpoint, job_id = self._find(wanted)
        with self._control(endpoint) as control:
            yield RestJob(control, _known(control, job_id, wanted))

    @contextmanager
    def reach_job(self, job: JobFacts) -> Iterator[JobHandle]:
        """By its cluster and its id."""
        with self._control(self._named(job.cluster, "the job is of")) as control:
            yield RestJob(control, _known(control, job.id, job.name))

    def takes(self, _job: JobFacts) -> bool:
        """Any job that is seen can be acted on."""
        return True

    def labelled(self) -> tuple[JobFacts, ...]:
        """Flink's jobs have no labels."""
        raise UsageError("-l chooses jobs of the Flink operator by their labels", next_step="name the job")

    @contextmanager
    def control_of_plan(self, plan: Plan) -> Iterator[RestControl]:
        """The cluster that the plan names."""
        with self._control(self._named(plan.target.source, "the plan is for")) as control:
            yield control

    @contextmanager
    def control_without_job(self) -> Iterator[RestControl]:
        """The only cluster."""
        endpoints = self._endpoints()
        if len(endpoints) != 1:
            raise UsageError("several clusters are named", next_step="give the one --rest URL that shall remove it")
        with self._control(endpoints[0]) as control:
            yield control

    def declared(self, job: JobFacts) -> JobFacts:
        """Flink has all there is."""
        return job

    def ask_beside(
        self, wanted: str, command: StorageCommand, note: Callable[[str], None]
    ) -> tuple[int, dict[str, Any]]:
        """Flink runs jobs, no commands."""
        raise UsageError(
            "--via cluster is for jobs of the operator", next_step="name their cluster with --context or -n"
        )

    @contextmanager
    def lead(self, wanted: str, stamp: Stamp, *, take_over: bool) -> Iterator[Callable[[], None]]:
        """Nothing beyond the lock on this machine: Flink has nothing to lock with."""
        yield _nobody_else

    @contextmanager
    def _control(self, endpoint: RestEndpoint) -> Iterator[RestControl]:
        control = RestControl(endpoint, self._clock)
        try:
            yield control
        finally:
            control.close()

    def _named(self, source: str, what: str) -> RestEndpoint:
        endpoints = self._endpoints()
        for endpoint in endpoints:
            if endpoint.name == source:
                return endpoint
        known = ", ".join(endpoint.name for endpoint in endpoints)
        raise UsageError(f"{what} {source}, named are: {known}", next_step="give its --rest URL")

    def _find(self, wanted: str) -> tuple[RestEndpoint, str]:
        endpoints = self._endpoints()
        jobs: list[JobFacts] = []
        problems: list[str] = []
        for endpoint in endpoints:
            with self._control(endpoint) as control:
                try:
                    jobs.extend(control.jobs())
                except Unreachable as problem:
                    problems.append(problem.what)
        if len(problems) == len(endpoints):
            raise Unreachable("; ".join(problems))
        picked = pick_job(_living_else_newest(jobs, wanted), wanted)
        return next(one for one in endpoints if one.name == picked.cluster), picked.id


def _living_else_newest(jobs: Sequence[JobFacts], wanted: str) -> Sequence[JobFacts]:
    living = [job for job in jobs if job.ended_ms is None]
    if matching(living, wanted):
        return living
    ended = matching([job for job in jobs if job.ended_ms is not None], wanted)
    newest = max(ended, key=lambda job: job.started_ms or 0, default=None)
    return jobs if newest is None else [newest]


def _known(control: RestControl, job_id: str, name: str) -> JobFacts:
    job = control.job(job_id)
    if job is None:
        raise Unreachable(f"job {name} disappeared from {control.name} just now", next_step="try again")
    return job


def _nobody_else() -> None:
    """Nobody else can have the lead."""


def _named_endpoints(settings: Settings) -> Sequence[RestEndpoint]:
    """Those that the settings name, else the running embedded fleet's.

    Raises Refused when a Kubernetes cluster is named: an action meant for it must not reach another Flink.
    """
    if endpoints := rest_endpoints(settings):
        return endpoints
    if settings.names_kubernetes:
        raise Refused("this command is for Flink's REST API, not for custom resources", next_step="give --rest URL")
    if (fleet := embedded_endpoint()) is not None:
        return [fleet]
    raise UsageError("no Flink cluster is named and no embedded fleet runs", next_step="give --rest URL")


class _RestKind:
    """Clusters that --rest names, that a file lists, or the embedded fleet."""

    @property
    def job_kinds(self) -> frozenset[str]:
        """Jobs without a custom resource."""
        return frozenset({KIND})

    def open(self, settings: Settings, clock: Clock) -> RestBackend:
        """The clusters of the settings."""
        return RestBackend(lambda: _named_endpoints(settings), clock, named_in(settings))

    def of_source(self, source: object, clock: Clock) -> RestBackend:
        """The cluster that the source reads. Raises OperationFailed for a source without an address."""
        if not isinstance(source, HasRestEndpoint):
            raise OperationFailed("its source has no REST address")
        endpoint = source.endpoint
        return RestBackend(lambda: [endpoint], clock, ("--rest", endpoint.url))


BACKEND: BackendKind = _RestKind()
