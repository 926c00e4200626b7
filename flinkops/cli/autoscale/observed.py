"""What the autoscale commands share: polling a job, its settings, and what else a decision needs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.options import Common, finite
from flinkops.errors import OperationFailed, Unreachable

if TYPE_CHECKING:
    from flinkops.autoscale.decide import Decision
    from flinkops.autoscale.settings import Settings
    from flinkops.model.detail import JobDetail
    from flinkops.model.facts import FleetSnapshot, JobFacts

OBSERVE_SECONDS = 60.0
POLL_EVERY_SECONDS = 5.0
"""Flink refreshes its metrics every 10 s; polls in between tell when."""

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of job.autoscaler, without that prefix; repeatable."),
]
SecondsOption = Annotated[
    float, typer.Option("--seconds", callback=finite, help="How long to poll before deciding.", show_default=True)
]
ReplayOption = Annotated[
    str | None, typer.Option("--replay", metavar="FILE", help="Decide at the end of a recording instead.")
]
TakeOverOption = Annotated[
    bool, typer.Option("--take-over", help="Act although the operator's autoscaler is on for the job.")
]


@dataclass(frozen=True)
class Observed:
    """A job as it was polled, oldest first, and what its cluster has beside it."""

    polls: "list[JobFacts]"
    slots_free: int | None
    detail: "JobDetail | None"

    @property
    def job(self) -> "JobFacts":
        """As it was polled last."""
        return self.polls[-1]


def settings_for(common: Common, job: "JobFacts", given: list[str] | None) -> "Settings":
    """The settings of a job's decision; says on stderr which of the job's own could not be read."""
    from flinkops.act.request_reading import pairs
    from flinkops.autoscale.settings import settings_of

    settings, unread = settings_of(job.configuration, pairs(given))
    for problem in unread:
        common.say(f"flinkops: not read: {problem}")
    return settings


def observe(common: Common, wanted: str, seconds: float) -> Observed:
    """Poll a job for a while. Raises OperationFailed when there is no such job or it goes meanwhile."""
    from flinkops.act.job_choice import pick_job
    from flinkops.cli.repeat import repeated
    from flinkops.cli.targets import open_collector
    from flinkops.model.identity import selector

    collector = open_collector(common.settings)
    try:
        common.say(f"flinkops: polling for {seconds:g} s")
        polls: list[JobFacts] = []
        snapshot: FleetSnapshot | None = None
        for snapshot in repeated(collector.collect, min(POLL_EVERY_SECONDS, seconds or 1.0), seconds=seconds):
            if not any(source.state in ("ok", "stale") for source in snapshot.sources):
                raise Unreachable("; ".join(f"{each.name}: {each.error or each.state}" for each in snapshot.sources))
            job = pick_job(snapshot.jobs, selector(polls[-1]) if polls else wanted)
            _add(polls, job)
        if snapshot is None or not polls:
            raise OperationFailed(f'nothing was seen of "{wanted}"')
        polls[-1] = declared(common, polls[-1])
        return Observed(polls, slots_free(snapshot, polls[-1]), detail_of(collector.sources, polls[-1]))
    finally:
        collector.close()


def _add(polls: "list[JobFacts]", job: "JobFacts") -> None:
    """One more, unless it is the last one again; those before a clock was set back do not compare."""
    if polls and job.seen_ms < polls[-1].seen_ms:
        polls.clear()
    if not polls or job.seen_ms > polls[-1].seen_ms:
        polls.append(job)


def recorded(path: str, wanted: str) -> Observed:
    """The job of a recording, as it was seen from beginning to end."""
    from flinkops.act.job_choice import pick_job
    from flinkops.model.identity import matching
    from flinkops.recording import Replay

    replay = Replay(path)
    try:
        polls: list[JobFacts] = []
        snapshot: FleetSnapshot | None = None
        while not replay.at_end:
            snapshot = replay.collect()
            if matching(snapshot.jobs, wanted):
                job = pick_job(snapshot.jobs, wanted)
                _add(polls, job)
    finally:
        replay.close()
    if not polls or snapshot is None:
        raise OperationFailed(f'no job "{wanted}" in {path}')
    return Observed(polls, slots_free(snapshot, polls[-1]), None)


def declared(common: Common, job: "JobFacts") -> "JobFacts":
    """The job with the autoscaler's settings as they are declared, where Flink itself has only those deployed last."""
    from flinkops.act.backends import backend_of_job
    from flinkops.clock import SystemClock

    return backend_of_job(job, common.settings, SystemClock()).declared(job)


def slots_free(snapshot: "FleetSnapshot", job: "JobFacts") -> int | None:
    """Slots that the job could take beside its own; None under the operator, which starts TaskManagers as needed."""
    if job.resource is not None:
        return None
    return next((each.slots_available for each in snapshot.clusters if each.name == job.cluster), None)


def detail_of(sources: "tuple[object, ...]", job: "JobFacts") -> "JobDetail | None":
    """The TaskManagers' memory, where the job's source tells it."""
    from flinkops.sources.protocol import details_of

    for source in sources:
        if getattr(source, "name", None) == job.cluster and (asked := details_of(source, job)) is not None:
            try:
                return asked.detail(job.id)
            except Unreachable:
                return None
    return None


def decided(common: Common, seen: Observed, given: list[str] | None) -> "Decision":
    """What should be changed, by the job's settings and those given."""
    from flinkops.autoscale.controller import advise

    settings = settings_for(common, seen.job, given)
    return advise(seen.polls, settings, slots_free=seen.slots_free, detail=seen.detail)
