"""Small windows over a screen: a choice, a line to type, a text to read."""

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from flinkops.render.cells import tidy
from flinkops.render.glyphs import Glyphs
from flinkops.render.lines import Line, line, width
from flinkops.tui.choice import Choice
from flinkops.tui.context import Context
from flinkops.tui.entry import Entry
from flinkops.tui.grid import Column, Grid
from flinkops.tui.keys import KEYS, Where
from flinkops.tui.lineview import Pane
from flinkops.tui.window import Window

PLACE_TITLES: dict[Where, str] = {
    "everywhere": "Everywhere", "rows": "In a table", "lines": "In a text", "fleet": "Fleet", "job": "Job",
    "vertex": "Vertex", "flame": "Flame graph", "logs": "Logs", "replay": "While a recording plays",
}  # fmt: skip


VALUE_CELLS = 120


class Chooser(Window[Choice | None]):
    """A list; enter takes one, escape none. Below it, in full, the value under the cursor when some do not fit."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,h,left", "leave", show=False)]

    def __init__(self, context: Context, title: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._ctx = context
        self._title = title
        self._choices = choices
        self._room = 0  # cells of a value in the table

    def compose(self) -> ComposeResult:
        """A box with a table under its title."""
        widest = max((width(line(tidy(choice.label))) for choice in self._choices), default=0)
        columns: list[Column[Choice]] = [
            Column("what", "", lambda c: line(tidy(c.label)), max(12, min(32, widest))),
            Column("value", "", lambda c: line(tidy(c.value), "dim"), 30, grow_to=VALUE_CELLS),
        ]
        self._room = min(self.app.size.width * 9 // 10, VALUE_CELLS) - 8 - columns[0].width
        with Vertical(classes="sheet"):
            yield Pane(self._ctx, grow=True, id="title")
            grid: Grid[Choice] = Grid(self._ctx, columns, key=lambda c: c.label)
            grid.styles.height = len(self._choices) + 1
            yield grid
            yield Pane(self._ctx, grow=True, id="value")

    def on_mount(self) -> None:
        """Fill and focus."""
        self.query_one("#title", Pane).show([line(tidy(self._title), "strong")])
        grid = self.query_one(Grid)
        grid.show(self._choices)
        grid.focus()
        self._show_value()

    @on(Grid.Moved)
    def _show_value(self) -> None:
        """In full, over as many lines as the longest one takes: the sheet keeps its height."""
        if all(width(line(tidy(choice.value))) <= self._room for choice in self._choices):
            return
        cells = max(20, min(self.app.size.width * 9 // 10, VALUE_CELLS) - 6)
        shown = {choice: textwrap.wrap(tidy(choice.value), cells) for choice in self._choices}
        lines = shown.get(self.query_one(Grid).cursor_row or self._choices[0], [])
        padding = max(len(each) for each in shown.values()) - len(lines)
        self.query_one("#value", Pane).show([line(f"  {part}", "accent") for part in [*lines, *[""] * padding]])

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        """Taken."""
        self.dismiss(next((c for c in self._choices if c.label == event.key), None))

    def action_leave(self) -> None:
        """Leave it."""
        self.dismiss(None)


class Finder(Window[Choice | None]):
    """Type some words, take one of what has them all: every command, job and theme."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("down", "move('1')", show=False),
        Binding("up", "move('-1')", show=False),
        Binding("pagedown", "move('page')", show=False),
        Binding("pageup", "move('-page')", show=False),
    ]

    def __init__(self, context: Context, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._ctx = context
        self._choices = choices

    def compose(self) -> ComposeResult:
        """A line to type over a table."""
        columns: list[Column[Choice]] = [
            Column("what", "COMMAND", lambda c: line(tidy(c.label)), 30, grow_to=80),
            Column("value", "", lambda c: line(tidy(c.value), "dim"), 14),
        ]
        with Vertical(classes="sheet"):
            yield Entry("words of a command, a job, a theme", "line")
            grid: Grid[Choice] = Grid(self._ctx, columns, key=lambda c: c.label, empty="nothing has these words")
            grid.styles.height = min(len(self._choices), 16) + 1
            grid.can_focus = False
            yield grid

    def on_mount(self) -> None:
        """All of it."""
        self.query_one(Entry).focus()
        self.query_one(Grid).show(self._choices)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Fewer with each word."""
        words = event.value.casefold().split()
        grid = self.query_one(Grid)
        grid.show([c for c in self._choices if all(word in c.label.casefold() for word in words)])
        grid.move_to(0)

    def on_input_submitted(self) -> None:
        """Taken."""
        self.dismiss(self.query_one(Grid).cursor_row)

    def action_move(self, by: str) -> None:
        """Up and down while typing."""
        self.query_one(Grid).action_move(by)

    def action_leave(self) -> None:
        """None."""
        self.dismiss(None)


class Prompt(Window[str | None]):
    """One line to type; enter gives it, escape gives None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(self, context: Context, title: str, *, value: str = "", hint: str = "") -> None:
        super().__init__()
        self._ctx = context
        self._title = title
        self._value = value
        self._hint = hint

    def compose(self) -> ComposeResult:
        """A box with a title and an input."""
        with Vertical(classes="sheet"):
            yield Pane(self._ctx, grow=True, id="title")
            yield Entry(self._hint, "line", value=self._value)

    def on_mount(self) -> None:
        """Title and hint; the line has the keys."""
        hint = [line(self._hint, "dim")] if self._hint and self._value else []  # else it stands in the empty line
        self.query_one("#title", Pane).show([line(tidy(self._title), "strong"), *hint])
        self.query_one(Entry).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """Escape."""
        self.dismiss(None)


def sheet_cells(screen_cells: int) -> int:
    """How wide the text of a window is on a screen of that width (``.sheet`` of the style sheet)."""
    return min(screen_cells * 9 // 10, 120) - 4


class Reader(Window[None]):
    """A text to read and scroll."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,h,left,enter", "leave", show=False)]

    def __init__(self, context: Context, lines: Sequence[Line]) -> None:
        super().__init__()
        self._ctx = context
        self._lines = list(lines)

    def compose(self) -> ComposeResult:
        """A box with a pane, as high as the text where there is room."""
        with Vertical(classes="sheet"):
            pane = Pane(self._ctx, id="text")
            pane.styles.height = len(self._lines)
            pane.styles.max_height = "80vh"
            yield pane

    def on_mount(self) -> None:
        """Fill and focus."""
        pane = self.query_one("#text", Pane)
        pane.show(self._lines)
        pane.focus()

    def action_leave(self) -> None:
        """Back."""
        self.dismiss(None)


def help_lines(places: Sequence[Where], glyphs: Glyphs) -> list[Line]:
    """The keys of these places, from the one table."""
    lines: list[Line] = []
    for place in places:
        keys = [key for key in KEYS if key.where == place]
        if not keys:
            continue
        lines += [line(PLACE_TITLES[place], "heading")]
        for key in keys:
            lines.append(((f"  {key.shown:<12}", "accent"), (key.help, "text")))
        lines.append(())
    signs = (
        f"Signs: ? is unknown, never zero; {glyphs.dash} does not apply; ~ before a latency: not measured by the job"
    )
    lines.append(line(signs, "dim"))
    return lines
