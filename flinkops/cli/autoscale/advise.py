"""`flinkops autoscale advise` and `apply`: what parallelism a job needs, why, and changing it once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import (
    Consent,
    JobArgument,
    JournalOption,
    OutOption,
    PlanOption,
    YesOption,
    act,
    emit,
    emit_document,
    job_on_cluster,
    new_stamp,
    open_journal,
)
from flinkops.errors import ExitCode, OperationFailed, Unreachable, UsageError

if TYPE_CHECKING:
    from flinkops.autoscale.decide import Decision
    from flinkops.autoscale.settings import Settings
    from flinkops.model.detail import JobDetail
    from flinkops.model.facts import FleetSnapshot, JobFacts

LOOK_SECONDS = 60.0
LOOK_EVERY_SECONDS = 5.0
"""Flink refreshes its metrics every 10 s; looks in between tell when."""

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of job.autoscaler, without that prefix; repeatable."),
]
SecondsOption = Annotated[
    float, typer.Option("--seconds", min=0, help="How long to look before deciding.", show_default=True)
]
ReplayOption = Annotated[
    str | None, typer.Option("--replay", metavar="FILE", help="Decide at the end of a recording instead.")
]
TakeOverOption = Annotated[
    bool, typer.Option("--take-over", help="Act although the operator's autoscaler is on for the job.")
]


@dataclass(frozen=True)
class Looked:
    """What was seen of a job, oldest first, and of its cluster."""

    looks: "list[JobFacts]"
    slots_free: int | None
    detail: "JobDetail | None"

    @property
    def job(self) -> "JobFacts":
        """As it was seen last."""
        return self.looks[-1]


def overrides(given: list[str] | None) -> dict[str, str]:
    """`--set KEY=VALUE`. Raises UsageError for anything else."""
    found = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {text}: KEY=VALUE is expected")
        found[key] = value
    return found


def settings_for(common: Common, job: "JobFacts", given: list[str] | None) -> "Settings":
    """The settings of a job's decision; says on stderr which of the job's own could not be read."""
    from flinkops.autoscale.settings import settings_of

    settings, unread = settings_of(job.configuration, overrides(given))
    for problem in unread:
        common.say(f"flinkops: not read: {problem}")
    return settings


def look(common: Common, wanted: str, seconds: float) -> Looked:
    """Look at a job for a while. Raises OperationFailed when there is no such job or it goes meanwhile."""
    from flinkops.cli.autoscale.resource import as_its_spec_says
    from flinkops.cli.repeat import repeated
    from flinkops.cli.targets import open_collector, pick_job
    from flinkops.model.identity import selector

    collector = open_collector(common.settings)
    try:
        common.say(f"flinkops: looking for {seconds:g} s")
        looks: list[JobFacts] = []
        snapshot: FleetSnapshot | None = None
        for snapshot in repeated(collector.collect, min(LOOK_EVERY_SECONDS, seconds or 1.0), seconds=seconds):
            if not any(source.state in ("ok", "stale") for source in snapshot.sources):
                raise Unreachable("; ".join(f"{each.name}: {each.error or each.state}" for each in snapshot.sources))
            job = pick_job(snapshot.jobs, selector(looks[-1]) if looks else wanted)
            if not looks or job.seen_ms > looks[-1].seen_ms:
                looks.append(job)
        if snapshot is None or not looks:
            raise OperationFailed(f'nothing was seen of "{wanted}"')
        looks[-1] = as_its_spec_says(common, looks[-1])
        return Looked(looks, slots_free(snapshot, looks[-1]), detail_of(collector.sources, looks[-1]))
    finally:
        collector.close()


def recorded(path: str, wanted: str) -> Looked:
    """The job of a recording, as it was seen from beginning to end."""
    from flinkops.cli.targets import pick_job
    from flinkops.model.identity import matching
    from flinkops.recording import Replay

    replay = Replay(path)
    try:
        looks: list[JobFacts] = []
        snapshot: FleetSnapshot | None = None
        while not replay.at_end:
            snapshot = replay.collect()
            if matching(snapshot.jobs, wanted):
                job = pick_job(snapshot.jobs, wanted)
                if not looks or job.seen_ms > looks[-1].seen_ms:
                    looks.append(job)
    finally:
        replay.close()
    if not looks or snapshot is None:
        raise OperationFailed(f'no job "{wanted}" in {path}')
    return Looked(looks, slots_free(snapshot, looks[-1]), None)


def slots_free(snapshot: "FleetSnapshot", job: "JobFacts") -> int | None:
    """Slots that the job could take beside its own; None under the operator, which starts TaskManagers as needed."""
    if job.resource is not None:
        return None
    return next((each.slots_available for each in snapshot.clusters if each.name == job.cluster), None)


def detail_of(sources: "tuple[object, ...]", job: "JobFacts") -> "JobDetail | None":
    """The TaskManagers' memory, where the job's source tells it."""
    from flinkops.sources.flink.source import FlinkRestSource
    from flinkops.sources.protocol import details_of

    for source in sources:
        if getattr(source, "name", None) != job.cluster:
            continue
        asked = details_of(source, job)
        if isinstance(asked, FlinkRestSource):
            try:
                return asked.detail(job.id)
            except Unreachable:
                return None
    return None


@with_common
def advise(
    common: Common,
    job: JobArgument,
    seconds: SecondsOption = LOOK_SECONDS,
    replay: ReplayOption = None,
    settings: SetOption = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="10 unless nothing is to be changed.")] = False,
) -> None:
    r"""The parallelism that each vertex should have, with the arithmetic. Changes nothing.

    \b
    flinkops autoscale advise price-aggregation
    flinkops autoscale advise price-aggregation --set utilization.target=0.8 -o json
    flinkops autoscale advise price-aggregation --replay incident.rec
    """
    from flinkops.autoscale.controller import advise as decided

    seen = recorded(replay, job) if replay else look(common, job, seconds)
    decision = decided(
        seen.looks, settings_for(common, seen.job, settings), slots_free=seen.slots_free, detail=seen.detail
    )
    show(common, decision)
    if exit_code and decision.verdict != "hold":
        raise typer.Exit(ExitCode.NOT_HEALTHY)


@with_common
def apply(
    common: Common,
    job: JobArgument,
    seconds: SecondsOption = LOOK_SECONDS,
    settings: SetOption = None,
    take_over: TakeOverOption = False,
    checkpoints: Annotated[
        int, typer.Option("--checkpoints", metavar="N", help="So many have to complete afterwards.")
    ] = 1,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    r"""Look, decide, and change the parallelism in place; seen to hold and to take in what arrives, else undone.

    \b
    flinkops autoscale apply price-aggregation --plan
    flinkops autoscale apply price-aggregation --yes
    """
    from flinkops.act.autoscale_plan import plan_autoscale
    from flinkops.autoscale.controller import advise as decided
    from flinkops.cli.operator_targets import targets_kubernetes

    seen = look(common, job, seconds)
    decision = decided(
        seen.looks, settings_for(common, seen.job, settings), slots_free=seen.slots_free, detail=seen.detail
    )
    if targets_kubernetes(common):
        from flinkops.cli.autoscale.resource import apply_to_resource

        consent = Consent(plan, out, yes)
        return apply_to_resource(
            common, job, decision, consent, open_journal(journal), take_over=take_over, checkpoints=checkpoints
        )
    with job_on_cluster(common, job) as (control, facts):
        made = plan_autoscale(
            decision,
            _with_settings(facts, seen.job),
            control.requirements(facts.id) if decision.changes else (),
            control.cluster(),
            new_stamp("autoscale-apply"),
            checkpoints=checkpoints,
            take_over=take_over,
        )
        return act(common, control, made, Consent(plan, out, yes), open_journal(journal))


def _with_settings(facts: "JobFacts", seen: "JobFacts") -> "JobFacts":
    """The close look tells the cluster's settings; the job's own were seen before."""
    import msgspec

    return msgspec.structs.replace(facts, configuration={**facts.configuration, **seen.configuration})


def show(common: Common, decision: "Decision") -> None:
    """The decision on stdout, in the format asked for."""
    from flinkops.autoscale.document import RIGHT, TITLES, advice_document, advice_rows, headline
    from flinkops.render.table import layout

    form = common.settings.output
    if form in ("json", "jsonl", "yaml"):
        emit_document(advice_document(decision), form)
        return
    if form == "name":
        emit([f"{vertex}={parallelism}" for vertex, parallelism in decision.changes.items()])
        return
    emit([headline(decision)])
    emit(layout(TITLES, advice_rows(decision), RIGHT))
