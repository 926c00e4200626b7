"""The control loop of one job: poll, decide, rescale, again and again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flinkops.cli.autoscale.observed import declared, detail_of, settings_for, slots_free
from flinkops.cli.options import Common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import document_format, executor, new_stamp
from flinkops.errors import OperationFailed, Refused, Unreachable, UsageError

if TYPE_CHECKING:
    from flinkops.act.backend import RescaleTerms
    from flinkops.act.journal import Journal
    from flinkops.autoscale.controller import Controller
    from flinkops.autoscale.decide import Decision
    from flinkops.cli.autoscale.metrics import DecisionMetrics
    from flinkops.collect import Collector
    from flinkops.model.facts import FleetSnapshot, JobFacts

_DETAIL_EVERY_SECONDS = 30.0


@dataclass(frozen=True)
class LoopTerms:
    """How each rescale is done, settings given beside the job's own (KEY=VALUE), and whether it only decides."""

    rescale: "RescaleTerms"
    settings: tuple[str, ...] = ()
    dry_run: bool = False


class Loop:
    """One job's loop."""

    def __init__(
        self, common: Common, wanted: str, terms: LoopTerms, journal: "Journal", metrics: "DecisionMetrics | None"
    ) -> None:
        self._common = common
        self._wanted = wanted
        self._terms = terms
        self._journal = journal
        self._metrics = metrics
        self._controller: Controller | None = None
        self._said = ""
        self._detail_again_at = 0.0  # monotonic
        self._leads: Callable[[], None] = lambda: None

    def run(self, collector: "Collector", seconds: float | None, leads: Callable[[], None]) -> None:
        """Until `seconds` have passed, or without end. `leads` raises when another loop has taken over."""
        from flinkops.cli.repeat import repeated

        self._leads = leads

        for snapshot in repeated(collector.collect, self._common.settings.interval_seconds, seconds=seconds):
            job = self._job(snapshot)
            if job is not None:
                self._step(collector, snapshot, job)

    def _job(self, snapshot: "FleetSnapshot") -> "JobFacts | None":
        """The job, unless it cannot be seen now; a name that several bear is a mistake that ends the loop."""
        from flinkops.act.job_choice import pick_job

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

        controller = self._controller
        if controller is None:
            allowed = self._terms.rescale.take_over or self._terms.dry_run
            led = job.resource is not None  # who has the lead there has asked the resource's spec already
            if operator_acts(job.configuration) and not (allowed or led):
                raise beside_operator(job.name)
            settings = settings_for(self._common, declared(self._common, job), list(self._terms.settings))
            controller = self._controller = Controller(settings)
        detail = None
        if time.monotonic() >= self._detail_again_at:
            self._detail_again_at = time.monotonic() + _DETAIL_EVERY_SECONDS
            detail = detail_of(collector.sources, job)
        decision = controller.observe_facts(job, slots_free=slots_free(snapshot, job), detail=detail)
        self._tell(decision)
        if decision.verdict == "scale" and not self._terms.dry_run:
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
        from flinkops.act.backends import backend_of_job
        from flinkops.clock import SystemClock

        with backend_of_job(job, self._common.settings, SystemClock()).reach_job(job) as handle:
            stamp = new_stamp("autoscale-apply")
            plan = handle.plan_decision(decision, job, self._journal, stamp, self._terms.rescale)
            result = executor(self._common, handle.control, self._journal).run(plan)
        return result.outcome, result.error

    def _tell(self, decision: "Decision") -> None:
        from flinkops.autoscale.document import advice_document, headline

        if self._metrics is not None:
            self._metrics.decided(decision)
        if document_format(self._common):
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
        if document_format(self._common):
            self._common.say(text)
        else:
            emit([f"{iso_utc(SystemClock().now_ms())} {text}"])
