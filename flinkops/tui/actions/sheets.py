"""An action on the screen: the plan, the question, the progress, its outcome."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from flinkops.clock import Clock
from flinkops.model.plan import Plan, Step
from flinkops.render.cells import moment_text, tidy
from flinkops.render.lines import Line, Role, flow, line
from flinkops.render.plan import plan_parts
from flinkops.render.text import human_bytes, human_seconds
from flinkops.tui.actions.catalog import Planning, Running
from flinkops.tui.background import Outcome
from flinkops.tui.context import Context
from flinkops.tui.entry import Entry
from flinkops.tui.lineview import Pane
from flinkops.tui.messages import Say
from flinkops.tui.window import Window

_PART_ROLE: dict[str, Role] = {"refused": "critical", "risk": "warning", "needs": "dim"}
OUTCOME_ROLE: dict[str, Role] = {
    "verified": "ok",
    "running": "accent",
    "rolled-back": "warning",
    "timed-out": "warning",
}


SEEN_UNITS: dict[str, Callable[[float], str]] = {
    "_seconds": human_seconds,
    "_bytes": human_bytes,
    "_ms": lambda at_ms: moment_text(round(at_ms)),
}


class ConfirmSheet(Window[bool]):
    """Shows the plan and asks. A severe plan asks for the job's name; a refused one can only be left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n,q", "answer(False)", show=False),
        Binding("y", "answer(True)", show=False),
    ]

    def __init__(self, context: Context, planning: Planning) -> None:
        super().__init__()
        self._ctx = context
        self.planning = planning
        self.plan: Plan | None = None

    def compose(self) -> ComposeResult:
        """The plan, when there is one, and a line to type the name, when it is needed."""
        with Vertical(classes="sheet"):
            yield Pane(self._ctx, id="plan")
            yield Entry(tidy(self.planning.job.name), "line", hidden=True)
            yield Pane(self._ctx, grow=True, id="question")

    def on_mount(self) -> None:
        """Being planned: the cluster is asked first."""
        what = f"planning the {self.planning.kind.title} of {tidy(self.planning.job.name)}"
        self._show([line(f"{what}{self._ctx.glyphs.ellipsis}", "accent")], line("esc: nothing happens", "dim"))

    def planned(self, outcome: Outcome[Plan]) -> None:
        """The plan, or why there is none."""
        plan = self.plan = outcome.result
        if plan is None:
            self._show([line(tidy(outcome.error or "no plan"), "critical")], line("esc: back", "dim"))
            return
        if plan.refused:
            question = line("refused; esc: back", "critical")
        elif plan.severe:
            question = line("type the job's name and enter to proceed; esc: nothing happens", "strong")
            self.query_one(Entry).open()
        else:
            question = (("y", "accent"), (" proceed   ", "text"), ("n", "accent"), (" nothing happens", "text"))
        cells = min(self.app.size.width * 9 // 10, 120) - 4
        self._show(plan_lines(plan, cells), question)

    def _show(self, lines: Sequence[Line], question: Line) -> None:
        """The question stays in sight; a plan that is longer than the screen scrolls above it."""
        pane = self.query_one("#plan", Pane)
        pane.styles.height = len(lines)
        pane.styles.max_height = max(3, self.app.size.height * 9 // 10 - 5)
        pane.show(list(lines))
        if not self.query_one(Entry).display:
            pane.focus()
        self.query_one("#question", Pane).show([(), question])

    def action_answer(self, agreed: bool) -> None:
        """Yes only where a plain yes is enough."""
        if not agreed:
            self.dismiss(False)
        elif self.plan is not None and not self.plan.refused and not self.plan.severe:
            self.dismiss(True)

    @on(Input.Submitted)
    def _on_typed(self, event: Input.Submitted) -> None:
        if self.plan is not None and event.value == self.plan.target.job_name:
            self.dismiss(True)


def plan_lines(plan: Plan, cells: int) -> list[Line]:
    """What would happen, why, what speaks against it, and the command that does the same."""
    title: Line = ((plan.verb, "strong"), ("  ", "text"), (tidy(plan.target.job_name), "strong"))
    lines: list[Line] = [(*title, (f"  on {tidy(plan.target.source)}", "dim")), ()]
    lines += [line(f"  {tidy(text)}") for text in plan.diff]
    for name, texts in plan_parts(plan):
        role = _PART_ROLE.get(name, "text")
        for text in texts:
            words = [line(word, role) for word in tidy(text).split(" ")]
            rows = flow(words, cells - 10, gap=" ")
            lines += [((f"{name if n == 0 else '':<9} ", "dim"), *row) for n, row in enumerate(rows)]
    steps = ", ".join(tidy(step.name) for step in plan.steps)
    lines.append((("steps     ", "dim"), (steps or "none", "text")))
    if plan.command:
        lines.append((("same as   ", "dim"), (tidy(plan.command), "accent")))
    return lines


class ProgressSheet(Window[None]):
    """Follows one action. Leaving it does not stop it: A opens it again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,h,left", "leave", show=False),
        Binding("y", "copy", show=False),
    ]

    def __init__(self, context: Context, running: Running, clock: Clock) -> None:
        super().__init__()
        self._ctx = context
        self._clock = clock
        self.running = running

    def compose(self) -> ComposeResult:
        """One pane that grows with the steps."""
        with Vertical(classes="sheet"):
            yield Pane(self._ctx, grow=True, id="progress")

    def on_mount(self) -> None:
        """As far as it is; the time runs beside the step under way."""
        self.redraw()
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        if not self.running.ended:
            self.redraw()

    def redraw(self) -> None:
        """One more step, or the end."""
        if self.is_mounted:
            self.query_one("#progress", Pane).show(progress_lines(self.running, self._ctx, self._clock.now_ms()))

    def action_leave(self) -> None:
        """The action continues."""
        self.dismiss(None)

    def action_copy(self) -> None:
        """The command that resumes it, where there is one, else the savepoint's path."""
        result = self.running.result
        path = (result.next_command or result.found.savepoint) if result else None
        if path:
            self.app.copy_to_clipboard(path)
            self.post_message(Say("copied"))


def progress_lines(running: Running, context: Context, now_ms: int) -> list[Line]:
    """Steps with their outcomes and times, then what was seen."""
    plan, glyphs = running.plan, context.glyphs
    title: Line = ((plan.verb, "strong"), ("  ", "text"), (tidy(plan.target.job_name), "strong"))
    role = OUTCOME_ROLE.get(running.outcome, "critical")
    lines: list[Line] = [(*title, (f"  {running.outcome}", role)), ()]
    ended = {step.step: step for step in running.steps if step.kind == "outcome"}
    begun = {step.step: step.at_ms for step in running.steps if step.kind == "intent"}
    notes = {step.step: step.text for step in running.steps if step.kind == "note"}
    for step in _steps_so_far(plan, begun):
        if (done := ended.get(step.name)) is not None:
            sign, colour = (glyphs.ok, "ok") if done.outcome == "ok" else (glyphs.critical, "critical")
            detail = f"{done.outcome} {human_seconds(done.seconds)}  {tidy(done.text)}"
        elif step.name in begun:
            spent = human_seconds(round(max(0, now_ms - begun[step.name]) / 1000)) if not running.ended else ""
            sign, colour = glyphs.arrow, "accent"
            detail = f"{spent}  {tidy(notes.get(step.name, '')) or 'under way'}".lstrip()
        else:
            sign, colour, detail = glyphs.dot, "dim", ""
        lines.append(((f"{sign} ", cast(Role, colour)), (f"{tidy(step.name):<20} ", "text"), (detail, "dim")))
    lines.append(())
    if running.error is not None:
        lines.append(line(tidy(running.error), "critical"))
    if (result := running.result) is not None:
        lines += [_seen_line(name, seen) for name, seen in result.seen.items()]
        if result.error:
            lines.append(line(tidy(result.error), "critical"))
        if result.next_command:
            lines.append((("resume with  ", "dim"), (tidy(result.next_command), "accent")))
    copied = "y copies the path; " if result and result.found.savepoint else ""
    copied = "y copies the command that resumes it; " if result and result.next_command else copied
    hint = f"{copied}esc: back" if running.ended else "esc: back; it continues, A shows it again"
    lines.append(line(hint, "dim"))
    return lines


def _seen_line(name: str, seen: str) -> Line:
    """What was seen at the end, with times and sizes as people read them."""
    label, shown = name.replace("_", " "), tidy(seen)
    for unit, form in SEEN_UNITS.items():
        if name.endswith(unit) and seen.replace(".", "", 1).isdecimal():
            label, shown = label.removesuffix(unit.replace("_", " ")), form(float(seen))
    return ((f"{tidy(label):<22} ", "dim"), (shown, "strong"))


def _steps_so_far(plan: Plan, begun: Mapping[str, int]) -> list[Step]:
    """The plan's steps, and those of the rollback once it began."""
    return [*plan.steps, *(step for step in plan.rollback_steps if step.name in begun)]
