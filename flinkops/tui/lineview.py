"""The one widget that paints: lines on demand, only those on the screen, and only those that changed.

Nothing scrolls by moving terminal regions and nothing is animated: on a slow line a refresh costs the changed lines
once, and a thousand rows cost what the visible ones cost.
"""

from typing import ClassVar

from rich.segment import Segment
from textual.binding import BindingType
from textual.events import MouseScrollDown, MouseScrollUp, Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from flinkops.render.lines import Line, fit
from flinkops.tui.context import Context
from flinkops.tui.keys import bindings


class LineView(Widget):
    """Base of what is drawn line by line. Subclasses give `line_at`; `top` is the first line shown."""

    ALLOW_SELECT = False  # the terminal's own selection (shift and mouse) knows the text, Textual's does not

    def __init__(self, context: Context, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.context = context
        self.top = 0
        self._painted: dict[int, Strip] = {}

    def line_at(self, y: int) -> tuple[Line, bool, bool]:
        """The line at screen row `y`, whether the cursor is on it, and whether it is stale (drawn dim)."""
        raise NotImplementedError

    def line_count(self) -> int:
        """How many lines there are in all, for scrolling."""
        raise NotImplementedError

    def page_size(self) -> int:
        """How many of them fit."""
        return max(1, self.size.height)

    def repaint(self, *, full: bool = False) -> None:
        """Draw again what changed since the last time; everything when `full`."""
        if not self.is_attached or self.size.width == 0:
            return
        if full:
            self._painted.clear()
            self.refresh()
            return
        dirty: list[Region] = []
        for y in range(self.size.height):
            strip = self._strip(y)
            if self._painted.get(y) != strip:
                self._painted[y] = strip
                dirty.append(Region(0, y, self.size.width, 1))
        if dirty:
            self.refresh(*dirty)

    def render_line(self, y: int) -> Strip:
        """Textual asks for one line."""
        strip = self._painted.get(y)
        if strip is None or strip.cell_length != self.size.width:
            strip = self._painted[y] = self._strip(y)
        return strip

    def _strip(self, y: int) -> Strip:
        cells = self.size.width
        line, on_cursor, stale = self.line_at(y)
        palette = self.context.palette
        styles = palette.stale if stale else palette.styles
        fitted = fit(line, cells, ellipsis=self.context.glyphs.ellipsis)
        if on_cursor:
            return Strip([Segment(text, styles[role] + palette.cursor) for text, role in fitted], cells)
        return Strip([Segment(text, styles[role]) for text, role in fitted], cells)

    def scroll_lines(self, by: int) -> None:
        """Move the first line shown, within bounds."""
        top = max(0, min(self.top + by, self.line_count() - self.page_size()))
        if top != self.top:
            self.top = top
            self.repaint()

    def on_resize(self, event: Resize) -> None:
        """Start again at the new size."""
        self._painted.clear()
        self.scroll_lines(0)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Three lines, as terminals do."""
        event.stop()
        self.scroll_lines(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Three lines, as terminals do."""
        event.stop()
        self.scroll_lines(-3)


class Pane(LineView):
    """Some lines of text. With `grow`, as high as its lines; else it scrolls when it has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("lines")

    def __init__(
        self, context: Context, *, grow: bool = False, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(context, id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()
        self._grow = grow
        self._height = -1
        self._stale = False
        self.can_focus = not grow

    @property
    def lines(self) -> tuple[Line, ...]:
        """What it shows."""
        return self._lines

    def show(self, lines: list[Line] | tuple[Line, ...], *, stale: bool = False) -> None:
        """Show these lines instead."""
        self._lines = tuple(lines)
        self._stale = stale
        if self._grow and len(self._lines) != self._height:
            self._height = len(self._lines)
            self.styles.height = self._height
        self.scroll_lines(0)
        self.repaint()

    def line_count(self) -> int:
        """As shown."""
        return len(self._lines)

    def line_at(self, y: int) -> tuple[Line, bool, bool]:
        """Blank below the last."""
        index = y + self.top
        return (self._lines[index] if index < len(self._lines) else (), False, self._stale)

    def action_move(self, by: str) -> None:
        """Scroll: a number of lines, or page, -page, home, end."""
        page = self.page_size()
        steps = {"page": page, "-page": -page, "home": -self.line_count(), "end": self.line_count()}
        self.scroll_lines(steps[by] if by in steps else int(by))
