"""An action on the screen: the plan, the question, the progress, what came of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from flinkops.model.plan import Plan
from flinkops.render.text import human_seconds
from flinkops.tui.actions import Running
from flinkops.tui.context import Context
from flinkops.tui.lines import Line, Role, flow, line
from flinkops.tui.lineview import Pane
from flinkops.tui.words import tidy

if TYPE_CHECKING:
    from flinkops.tui.app import FlinkopsApp

OUTCOME_ROLE: dict[str, Role] = {
    "verified": "ok",
    "running": "accent",
    "rolled-back": "warning",
    "timed-out": "warning",
}


class ConfirmSheet(ModalScreen[bool]):
    """Shows the plan and asks. A severe plan asks for the job's name; a refused one can only be left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n,q", "answer(False)", show=False),
        Binding("y", "answer(True)", show=False),
    ]

    def __init__(self, context: Context, plan: Plan) -> None:
        super().__init__()
        self._ctx = context
        self._plan = plan

    def compose(self) -> ComposeResult:
        """The plan, and where needed a line to type the name."""
        with Vertical(classes="sheet"):
            yield Pane(self._ctx, grow=True, id="plan")
            if self._plan.severe and not self._plan.refused:
                entry = Input(placeholder=tidy(self._plan.target.job_name), id="line")
                entry.cursor_blink = False
                yield entry
            yield Pane(self._ctx, grow=True, id="question")

    def on_mount(self) -> None:
        """Fill."""
        cells = min(self.app.size.width * 9 // 10, 120) - 4
        self.query_one("#plan", Pane).show(plan_lines(self._plan, cells))
        if self._plan.refused:
            question = line("refused; esc: back", "critical")
        elif self._plan.severe:
            question = line("type the job's name and enter to go on; esc: nothing happens", "strong")
            self.query_one(Input).focus()
        else:
            question = (("y", "accent"), (" go on   ", "text"), ("n", "accent"), (" nothing happens", "text"))
        self.query_one("#question", Pane).show([(), question])

    def action_answer(self, agreed: bool) -> None:
        """Yes only where a plain yes is enough."""
        if not agreed:
            self.dismiss(False)
        elif not self._plan.refused and not self._plan.severe:
            self.dismiss(True)

    @on(Input.Submitted)
    def _on_typed(self, event: Input.Submitted) -> None:
        if event.value == self._plan.target.job_name:
            self.dismiss(True)


def plan_lines(plan: Plan, cells: int) -> list[Line]:
    """What would happen, why, what speaks against it, and the command that does the same."""
    title: Line = ((plan.verb, "strong"), ("  ", "text"), (tidy(plan.target.job_name), "strong"))
    lines: list[Line] = [(*title, (f"  on {tidy(plan.target.source)}", "dim")), ()]
    lines += [line(f"  {tidy(text)}") for text in plan.diff]
    groups: tuple[tuple[str, Role, Sequence[str]], ...] = (
        ("why", "text", plan.why), ("needs", "dim", plan.preconditions), ("risk", "warning", plan.risks),
        ("undo", "text", plan.rollback), ("refused", "critical", plan.refused),
    )  # fmt: skip
    for name, role, texts in groups:
        for text in texts:
            words = [line(word, role) for word in tidy(text).split(" ")]
            rows = flow(words, cells - 10, gap=" ")
            lines += [((f"{name if n == 0 else '':<9} ", "dim"), *row) for n, row in enumerate(rows)]
    steps = ", ".join(tidy(step.name) for step in plan.steps)
    lines.append((("steps     ", "dim"), (steps or "none", "text")))
    if plan.command:
        lines.append((("same as   ", "dim"), (tidy(plan.command), "accent")))
    return lines


class ProgressSheet(ModalScreen[None]):
    """Follows one action. Leaving it does not stop it: A opens it again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,h,left", "leave", show=False),
        Binding("y", "copy", show=False),
    ]

    def __init__(self, context: Context, running: Running) -> None:
        super().__init__()
        self._ctx = context
        self.running = running

    def compose(self) -> ComposeResult:
        """One pane that grows with the steps."""
        with Vertical(classes="sheet"):
            yield Pane(self._ctx, grow=True, id="progress")

    def on_mount(self) -> None:
        """As far as it is."""
        self.redraw()

    def redraw(self) -> None:
        """One more step, or the end."""
        if self.is_mounted:
            self.query_one("#progress", Pane).show(progress_lines(self.running, self._ctx))

    def action_leave(self) -> None:
        """It goes on."""
        self.dismiss(None)

    def action_copy(self) -> None:
        """The savepoint's path, when there is one, else the command to go on with."""
        result = self.running.result
        path = (result.seen.get("savepoint") or result.go_on) if result else None
        if path:
            self.app.copy_to_clipboard(path)
            cast("FlinkopsApp", self.app).say("copied")


def progress_lines(running: Running, context: Context) -> list[Line]:
    """Steps with their outcomes, then what was seen."""
    plan, glyphs = running.plan, context.glyphs
    title: Line = ((plan.verb, "strong"), ("  ", "text"), (tidy(plan.target.job_name), "strong"))
    role = OUTCOME_ROLE.get(running.outcome, "critical")
    lines: list[Line] = [(*title, (f"  {running.outcome}", role)), ()]
    ended = {step.step: step for step in running.steps if step.kind == "outcome"}
    begun = {step.step for step in running.steps if step.kind == "intent"}
    notes = {step.step: step.text for step in running.steps if step.kind == "note"}
    for step in plan.steps:
        if (done := ended.get(step.name)) is not None:
            sign, colour = (glyphs.ok, "ok") if done.outcome == "ok" else (glyphs.critical, "critical")
            detail = f"{done.outcome} {human_seconds(done.seconds)}  {tidy(done.text)}"
        elif step.name in begun:
            sign, colour, detail = glyphs.arrow, "accent", tidy(notes.get(step.name, "")) or "under way"
        else:
            sign, colour, detail = glyphs.dot, "dim", ""
        lines.append(((f"{sign} ", cast(Role, colour)), (f"{tidy(step.name):<20} ", "text"), (detail, "dim")))
    lines.append(())
    if running.error is not None:
        lines.append(line(tidy(running.error), "critical"))
    if (result := running.result) is not None:
        lines += [((f"{tidy(name):<22} ", "dim"), (tidy(seen), "strong")) for name, seen in result.seen.items()]
        if result.error:
            lines.append(line(tidy(result.error), "critical"))
        if result.go_on:
            lines.append((("go on with  ", "dim"), (tidy(result.go_on), "accent")))
    hint = "y copies the path; esc: back" if running.ended else "esc: back; it goes on, A shows it again"
    lines.append(line(hint, "dim"))
    return lines
