"""The app's part in actions: what is offered, asked, planned on a thread, confirmed, carried out and followed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flinkops.errors import UsageError
from flinkops.model.assessment import JobAssessment
from flinkops.render.cells import tidy
from flinkops.sources.protocol import TakesActions
from flinkops.tui import background
from flinkops.tui.actions.catalog import KINDS, Kind, Planning, Running, request_of
from flinkops.tui.actions.execute import carry_out, make_plan, takes_actions
from flinkops.tui.actions.sheets import ConfirmSheet, ProgressSheet
from flinkops.tui.dialogs import Choice, Chooser, Prompt
from flinkops.tui.polling import LookingApp
from flinkops.tui.protocols import HasName

if TYPE_CHECKING:
    from flinkops.act.executor import Progress

NO_ACTIONS = "its source takes no actions from here"


class ActingApp(LookingApp):
    """Actions are planned and carried out on threads; the sheets show how far they are."""

    def __init__(
        self, *arguments: Any, sources: Sequence[HasName], journal_folder: Path | None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.sources = {source.name: source for source in sources}
        self.link.sources = tuple(self.sources)
        self._journal_folder = journal_folder
        self._acted: list[Running] = []

    @property
    def may_act(self) -> bool:
        """Whether actions are offered anywhere; the executor refuses them in any case where it is read-only."""
        return any(
            isinstance(source, TakesActions) and not self.link.read_only_at(name)
            for name, source in self.sources.items()
        )

    def may_act_on(self, jobs: Sequence[JobAssessment]) -> bool:
        """Whether they are offered for all of these jobs."""
        return self.may_act and not any(self.link.read_only_at(job.cluster) for job in jobs)

    # ---- what is wanted

    def choose_action(self, jobs: Sequence[JobAssessment]) -> None:
        """Offer everything that can be done to these jobs."""
        if not jobs:
            return
        kinds = {kind.title: kind for kind in KINDS}

        def chosen(choice: Choice | None) -> None:
            if choice is not None:
                self.ask_action(kinds[choice.label], jobs)

        what = tidy(jobs[0].name) if len(jobs) == 1 else f"{len(jobs)} jobs, one after another"
        choices = [Choice(kind.title, kind.says) for kind in KINDS]
        self.push_screen(Chooser(self.context, f"act on {what}", choices), chosen)

    def ask_action(self, kind: Kind, jobs: Sequence[JobAssessment], text: str = "") -> None:
        """Ask what has to be said for it, then plan."""
        if not jobs:
            return
        if not kind.hint or text:
            self.plan_action(kind, jobs, text)
            return

        def typed(said: str | None) -> None:
            if said is None:
                return
            try:
                request_of(kind, jobs[0], said)
            except UsageError as problem:
                self.say(problem.line())
                return
            self.plan_action(kind, jobs, said)

        title = f"{kind.title} {tidy(jobs[0].name)}{f' and {len(jobs) - 1} more' if len(jobs) > 1 else ''}"
        now = str(jobs[0].parallelism or "") if kind.verb == "rescale" else ""
        self.push_screen(Prompt(self.context, title, value=now, hint=kind.hint), typed)

    def plan_action(self, kind: Kind, jobs: Sequence[JobAssessment], text: str = "") -> None:
        """Plan it for the first of the jobs and ask; several are asked for one after another."""
        job, *others = jobs
        source = self.sources.get(job.cluster)
        if not isinstance(source, TakesActions) or not takes_actions(source, job, self.clock):
            self.say(NO_ACTIONS)
            return
        if self.link.read_only_at(job.cluster):
            self.say(f"read-only: nothing is changed at {tidy(job.cluster)}")
            return
        planning = Planning(kind, job, source, text, tuple(others))
        clock, folder = self.clock, self._journal_folder
        background.start(self, planning, lambda: make_plan(planning, clock=clock, journal_folder=folder))

        def answered(agreed: bool | None) -> None:
            if agreed and sheet.plan is not None:
                self._carry_out(Running(sheet.plan, planning))
            if planning.others:
                self.plan_action(kind, planning.others, text)

        sheet = ConfirmSheet(self.context, planning)
        self.push_screen(sheet, answered)

    # ---- what is done

    def _carry_out(self, running: Running) -> None:
        self._acted.append(running)
        clock, folder = self.clock, self._journal_folder
        read_only = self.link.read_only_at(running.planning.job.cluster)

        def tell(progress: "Progress") -> None:
            self.call_later(self._action_moved, running, progress)

        background.start(
            self,
            running,
            lambda: carry_out(running, clock=clock, read_only=read_only, journal_folder=folder, progress=tell),
        )
        self.push_screen(ProgressSheet(self.context, running, self.clock))

    def on_done(self, message: background.Done) -> None:
        """A plan is made, or an action ended."""
        if isinstance(message.token, Planning):
            sheet = next((s for s in self.screen_stack if getattr(s, "planning", None) is message.token), None)
            if isinstance(sheet, ConfirmSheet):  # else it was left before there was a plan
                sheet.planned(message.result, message.error)
        elif isinstance(message.token, Running):
            self._action_ended(message.token, message)

    def _action_moved(self, running: Running, progress: "Progress") -> None:
        running.steps.append(progress)
        self._redraw_progress(running)

    def _action_ended(self, running: Running, message: background.Done) -> None:
        running.result, running.error = message.result, message.error
        self._redraw_progress(running)
        self.say(f"{running.plan.verb} of {tidy(running.plan.target.job_name)}: {running.outcome} (A shows it)")

    def _redraw_progress(self, running: Running) -> None:
        if isinstance(self.screen, ProgressSheet) and self.screen.running is running:
            self.screen.redraw()

    def action_last_action(self) -> None:
        """The progress or the outcome of the last action."""
        if self._acted:
            self.push_screen(ProgressSheet(self.context, self._acted[-1], self.clock))
        else:
            self.say("no action yet")
