"""Actions from the screens: what is offered, asked, planned on a thread, confirmed, carried out and followed."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App

from flinkops.act.request_options import REHEARSE
from flinkops.clock import Clock
from flinkops.config.settings import RehearseRule
from flinkops.config.storage import StorageTable
from flinkops.errors import FlinkopsError, Interrupted, UsageError
from flinkops.model.assessment import JobAssessment
from flinkops.model.plan import Plan, Result
from flinkops.render.cells import tidy
from flinkops.sources.protocol import TakesActions
from flinkops.sources.storage.stores import Stores
from flinkops.tui import background
from flinkops.tui.actions.catalog import KINDS, Kind, Planning, Running, request_of
from flinkops.tui.actions.execute import carry_out, interrupted, make_plan, takes_actions
from flinkops.tui.actions.messages import ActionEnded, ActionProgressed, Planned
from flinkops.tui.actions.sheets import ConfirmSheet, ProgressSheet
from flinkops.tui.choice import Choice
from flinkops.tui.context import Context
from flinkops.tui.dialogs import Chooser, Prompt
from flinkops.tui.messages import Say
from flinkops.tui.status_view import PollState

if TYPE_CHECKING:
    from flinkops.act.executor import Progress

NO_ACTIONS = "its source takes no actions from here"
_PATIENCE_SECONDS = 15.0
"""For a request that is under way when the program ends: longer than one takes to fail."""


class ActionController:
    """Plans and carries out on threads; the sheets show how far it is. One for the life of the app."""

    def __init__(
        self,
        app: App[Any],
        context: Context,
        clock: Clock,
        sources: Mapping[str, object],
        state: PollState,
        journal_folder: Path | None,
        storage: StorageTable | None = None,
        rehearse: RehearseRule = "offered",
    ) -> None:
        self._app = app
        self._context = context
        self._clock = clock
        self._sources = sources
        self._state = state
        self._journal_folder = journal_folder
        self._stores = Stores(storage)
        self._rehearse = rehearse
        self._acted: list[Running] = []
        self._stopping = threading.Event()
        self._warned = False

    @property
    def may_act(self) -> bool:
        """Whether actions are offered anywhere; the executor refuses them in any case where it is read-only."""
        return any(
            isinstance(source, TakesActions) and not self._state.read_only_at(name)
            for name, source in self._sources.items()
        )

    def may_act_on(self, jobs: Sequence[JobAssessment]) -> bool:
        """Whether they are offered for all of these jobs."""
        return self.may_act and not any(self._state.read_only_at(job.cluster) for job in jobs)

    # ---- what is asked for

    def choose(self, jobs: Sequence[JobAssessment]) -> None:
        """Offer everything that can be done to these jobs."""
        if not jobs:
            return
        kinds = {kind.title: kind for kind in KINDS}

        def chosen(choice: Choice | None) -> None:
            if choice is not None:
                self.ask(kinds[choice.label], jobs)

        what = tidy(jobs[0].name) if len(jobs) == 1 else f"{len(jobs)} jobs, one after another"
        choices = [Choice(kind.title, kind.says) for kind in KINDS]
        self._app.push_screen(Chooser(self._context, f"act on {what}", choices), chosen)

    def ask(self, kind: Kind, jobs: Sequence[JobAssessment], text: str = "") -> None:
        """Ask what has to be said for it, then plan."""
        if not jobs:
            return
        if not kind.hint or text:
            self._plan(kind, jobs, text)
            return

        def typed(said: str | None) -> None:
            if said is None:
                return
            try:
                request_of(kind, jobs[0], said)
            except UsageError as problem:
                self._say(problem.line())
                return
            self._plan(kind, jobs, said)

        title = f"{kind.title} {tidy(jobs[0].name)}{f' and {len(jobs) - 1} more' if len(jobs) > 1 else ''}"
        now = str(jobs[0].parallelism or "") if kind.verb == "rescale" else ""
        self._app.push_screen(Prompt(self._context, title, value=now, hint=kind.hint), typed)

    def _plan(self, kind: Kind, jobs: Sequence[JobAssessment], text: str) -> None:
        """Plan it for the first of the jobs and ask; several are asked for one after another."""
        job, *others = jobs
        source = self._sources.get(job.cluster)
        if not isinstance(source, TakesActions) or not takes_actions(source, job, self._clock):
            self._say(NO_ACTIONS)
            return
        if self._state.read_only_at(job.cluster):
            self._say(f"read-only: nothing is changed at {tidy(job.cluster)}")
            return
        if kind.verb == "upgrade" and self._rehearse == "always":
            text = f"{text} {REHEARSE.flags[0]}"
        planning = Planning(kind, job, source, text, tuple(others))
        clock, folder = self._clock, self._journal_folder

        def work() -> Plan:
            return make_plan(planning, clock=clock, journal_folder=folder)

        background.start(self._app, "plan", work, lambda outcome: Planned(planning, outcome))

        def answered(agreed: bool | None) -> None:
            if agreed and sheet.plan is not None:
                self._carry_out(Running(sheet.plan, planning))
            if planning.others:
                self._plan(kind, planning.others, text)

        sheet = ConfirmSheet(self._context, planning)
        self._app.push_screen(sheet, answered)

    def planned(self, message: Planned) -> None:
        """A plan is made: onto its sheet, unless that was left before."""
        for sheet in self._app.screen_stack:
            if isinstance(sheet, ConfirmSheet) and sheet.planning is message.planning:
                sheet.planned(message.outcome)

    # ---- what is done

    def _carry_out(self, running: Running) -> None:
        self._acted.append(running)
        app, clock, folder, stores = self._app, self._clock, self._journal_folder, self._stores
        read_only = self._state.read_only_at(running.planning.job.cluster)

        def tell(progress: "Progress") -> None:
            background.post(app, ActionProgressed(running, progress))

        def work() -> Result:
            try:
                return carry_out(
                    running,
                    clock=clock,
                    read_only=read_only,
                    journal_folder=folder,
                    stores=stores,
                    progress=tell,
                    stopping=self._stopping,
                )
            except FlinkopsError as error:
                running.broken_off = error
                raise
            finally:
                running.over.set()

        background.start(app, "action", work, lambda outcome: ActionEnded(running, outcome))
        app.push_screen(ProgressSheet(self._context, running, clock))

    def progressed(self, message: ActionProgressed) -> None:
        """One more line of its progress."""
        message.running.steps.append(message.progress)
        self._redraw_progress(message.running)

    def ended(self, message: ActionEnded) -> None:
        """Its outcome, on its sheet and in the line of keys."""
        running = message.running
        running.result, running.error = message.outcome.result, message.outcome.error
        self._redraw_progress(running)
        self._say(f"{running.plan.verb} of {tidy(running.plan.target.job_name)}: {running.outcome} (A shows it)")

    def _redraw_progress(self, running: Running) -> None:
        screen = self._app.screen
        if isinstance(screen, ProgressSheet) and screen.running is running:
            screen.redraw()

    @property
    def under_way(self) -> list[Running]:
        """The actions that have not ended."""
        return [running for running in self._acted if not running.over.is_set()]

    def warning_before_leaving(self) -> str | None:
        """Once, while an action runs: leaving interrupts it."""
        if self._warned or not (under_way := self.under_way):
            return None
        self._warned = True
        plan = under_way[-1].plan
        return f"{plan.verb} of {tidy(plan.target.job_name)} is running: q again leaves and interrupts it"

    def interrupt(self) -> Interrupted | None:
        """At the program's end, the terminal restored: break off what still runs, as Ctrl-C does a command.

        What there is to say then: how each job is left, and how to resume.
        """
        under_way = self.under_way
        self._stopping.set()
        owed = [interrupted(running, self._clock, _PATIENCE_SECONDS) for running in under_way]
        said = [error for error in owed if error is not None]
        if not said:
            return None
        *others, last = said
        return Interrupted("; ".join([*(error.line() for error in others), last.what]), next_step=last.next_step)

    def show_last(self) -> None:
        """The progress or the outcome of the last action."""
        if self._acted:
            self._app.push_screen(ProgressSheet(self._context, self._acted[-1], self._clock))
        else:
            self._say("no action yet")

    def _say(self, text: str) -> None:
        self._app.post_message(Say(text))
