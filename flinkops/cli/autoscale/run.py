"""`flinkops autoscale run`: the control loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.autoscale.advise import SetOption, TakeOverOption, detail_of, settings_for, slots_free
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import JobArgument, JournalOption, YesOption, emit, emit_document, open_journal
from flinkops.errors import Interrupted, OperationFailed, Refused, Unreachable, UsageError

if TYPE_CHECKING:
    from flinkops.act.journal import Journal
    from flinkops.autoscale.controller import Controller
    from flinkops.autoscale.decide import Decision
    from flinkops.cli.autoscale.metrics import DecisionMetrics
    from flinkops.collect import Collector
    from flinkops.model.facts import FleetSnapshot, JobFacts

_DETAIL_EVERY_SECONDS = 30.0


@with_common
def run(
    common: Common,
    job: JobArgument,
    settings: SetOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and say so; change nothing.")] = False,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, help="Stop after so long.")] = None,
    take_over: TakeOverOption = False,
    throughput: Annotated[
        bool, typer.Option("--throughput/--no-throughput", help="Watch half a minute of throughput after each rescale.")
    ] = True,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="ADDRESS:PORT", help="Publish its decisions for Prometheus there.")
    ] = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    r"""Look, decide, rescale in place, again and again, until Ctrl-C. One loop a job.

    \b
    flinkops autoscale run price-aggregation --dry-run
    flinkops autoscale run price-aggregation --yes --set metrics.window=2m --set stabilization.interval=30s
    """
    book = open_journal(journal)
    if not dry_run:
        if common.settings.read_only:
            raise Refused("read-only: no loop that rescales is started", next_step="--dry-run only decides")
        _agree(job, yes=yes)
    from flinkops.cli.targets import open_collector

    loop = _Loop(common, job, settings, book, _metrics(listen), dry_run, take_over, throughput)
    with nullcontext(_no_matter) if dry_run else _leading(common, job, book, take_over=take_over) as leads:
        collector = open_collector(common.settings)
        try:
            loop.go(collector, seconds, leads)
        except KeyboardInterrupt:
            raise Interrupted("interrupted; the job stays as it is") from None
        finally:
            collector.close()


def _no_matter() -> None:
    """Nobody else can have the lead."""


@contextmanager
def _leading(common: Common, job: str, journal: "Journal", *, take_over: bool) -> "Iterator[Callable[[], None]]":
    """One loop a job: on this machine by a file; in a cluster by a Lease too. What is given raises once it is lost."""
    from flinkops.act.lock import loop_lock
    from flinkops.cli.operator_targets import targets_kubernetes

    with loop_lock(journal.folder, job):
        if not targets_kubernetes(common):
            yield _no_matter
            return
        from flinkops.cli.autoscale.resource import loop_lease

        with loop_lease(common, job, take_over=take_over) as leads:
            yield leads


def _agree(job: str, *, yes: bool) -> None:
    import sys

    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("nobody is here to confirm it", next_step="give --yes, or look at it first with --dry-run")
    if not typer.confirm(f"Rescale {job} from now on, without asking again?", default=False, err=True):
        raise Refused("declined; nothing was changed")


def _metrics(listen: str | None) -> "DecisionMetrics | None":
    if listen is None:
        return None
    from flinkops.cli.autoscale.metrics import DecisionMetrics

    return DecisionMetrics(listen)


class _Loop:
    """One job's loop."""

    def __init__(
        self,
        common: Common,
        wanted: str,
        given: list[str] | None,
        journal: "Journal",
        metrics: "DecisionMetrics | None",
        dry_run: bool,
        take_over: bool,
        throughput: bool,
    ) -> None:
        self._common = common
        self._wanted = wanted
        self._given = given
        self._journal = journal
        self._metrics = metrics
        self._dry_run = dry_run
        self._take_over = take_over
        self._throughput = throughput
        self._controller: Controller | None = None
        self._said = ""
        self._detail_ms = 0
        self._leads: Callable[[], None] = _no_matter

    def go(self, collector: "Collector", seconds: float | None, leads: Callable[[], None]) -> None:
        """Until `seconds` have passed, or without end. `leads` raises when another loop has taken over."""
        from flinkops.cli.repeat import repeated

        self._leads = leads

        for snapshot in repeated(collector.collect, self._common.settings.interval_seconds, seconds=seconds):
            job = self._job(snapshot)
            if job is not None:
                self._step(collector, snapshot, job)

    def _job(self, snapshot: "FleetSnapshot") -> "JobFacts | None":
        """The job, unless it cannot be seen now; a name that several bear is a mistake that ends the loop."""
        from flinkops.cli.targets import pick_job

        if not any(source.state in ("ok", "stale") for source in snapshot.sources):
            self._say("hold: " + "; ".join(f"{each.name}: {each.error or each.state}" for each in snapshot.sources))
            return None
        living = [each for each in snapshot.jobs if each.ended_ms is None]
        try:
            return pick_job(living, self._wanted)
        except UsageError:
            raise
        except OperationFailed as problem:
            self._say(f"hold: {problem.what}")
            return None

    def _step(self, collector: "Collector", snapshot: "FleetSnapshot", job: "JobFacts") -> None:
        from flinkops.act.autoscale_plan import beside_operator, operator_acts
        from flinkops.autoscale.controller import Controller
        from flinkops.cli.autoscale.resource import as_its_spec_says

        controller = self._controller
        if controller is None:
            alone = self._take_over or self._dry_run or job.resource is not None  # its Lease asked the spec already
            if operator_acts(job.configuration) and not alone:
                raise beside_operator(job.name)
            settings = settings_for(self._common, as_its_spec_says(self._common, job), self._given)
            controller = self._controller = Controller(settings)
        detail = None
        if job.seen_ms - self._detail_ms >= _DETAIL_EVERY_SECONDS * 1000:
            detail, self._detail_ms = detail_of(collector.sources, job), job.seen_ms
        decision = controller.look(job, slots_free=slots_free(snapshot, job), detail=detail)
        self._tell(decision)
        if decision.verdict == "scale" and not self._dry_run:
            self._rescale(controller, decision, job)

    def _rescale(self, controller: "Controller", decision: "Decision", job: "JobFacts") -> None:
        from flinkops.clock import SystemClock

        self._leads()  # else the loop ends here: another one has the job
        try:
            outcome, error = self._carried_out(decision, job)
        except (OperationFailed, Refused, Unreachable) as problem:
            outcome, error = "refused", problem.line()
        now_ms = SystemClock().now_ms()
        if outcome == "verified":
            controller.rescaled(decision, now_ms)
        else:
            controller.tried(now_ms)
        if self._metrics is not None:
            self._metrics.rescaled(outcome)
        self._say(f"rescale {outcome}" + (f": {error}" if error else ""))

    def _carried_out(self, decision: "Decision", job: "JobFacts") -> tuple[str, str | None]:
        import msgspec

        from flinkops.act.autoscale_plan import plan_autoscale
        from flinkops.cli.run_action import executor, job_on_cluster, new_stamp

        if job.resource is not None:
            from flinkops.cli.autoscale.resource import carry_out_on_resource

            return carry_out_on_resource(
                self._common,
                self._wanted,
                decision,
                self._journal,
                take_over=self._take_over,
                throughput=self._throughput,
            )

        with job_on_cluster(self._common, job.id) as (control, facts):
            seen = msgspec.structs.replace(facts, configuration={**facts.configuration, **job.configuration})
            plan = plan_autoscale(
                decision,
                seen,
                control.requirements(facts.id),
                control.cluster(),
                new_stamp("autoscale-apply"),
                take_over=self._take_over,
                throughput=self._throughput,
            )
            result = executor(self._common, control, self._journal).run(plan)
        return result.outcome, result.error

    def _tell(self, decision: "Decision") -> None:
        from flinkops.autoscale.document import advice_document, headline

        if self._metrics is not None:
            self._metrics.decided(decision)
        if self._common.settings.output in ("json", "jsonl", "yaml"):
            emit_document({"at_ms": decision.at_ms, **advice_document(decision)}, "json")
            return
        self._say(headline(decision))

    def _say(self, text: str) -> None:
        """On stdout, with the time, when it is news; numbers that count down are none."""
        news = "".join(each for each in text if not each.isdigit())
        if news == self._said:
            return
        from flinkops.clock import SystemClock, iso_utc

        self._said = news
        if self._common.settings.output in ("json", "jsonl", "yaml"):
            self._common.say(text)
        else:
            emit([f"{iso_utc(SystemClock().now_ms())} {text}"])
