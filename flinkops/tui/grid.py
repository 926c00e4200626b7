"""A table that draws only what is on the screen and keeps its place while its rows change under it."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from textual.binding import BindingType
from textual.events import Click
from textual.message import Message

from flinkops.render.lines import EMPTY, Align, Line, Span, fit, line
from flinkops.tui.context import Context
from flinkops.tui.keys import bindings
from flinkops.tui.lineview import LineView

R = TypeVar("R")
LUXURY_PRIORITY = 7


@dataclass(frozen=True)
class Column(Generic[R]):
    """One column: how to read a row, how to sort by it, and when there is room for it.

    `priority` 0 is always there; the highest give way first when the terminal is narrow. Columns with a `grow_to` share
    what is left over, up to so many cells, first up to their `comfortable` width; columns of LUXURY_PRIORITY and above
    give way until each other one has that. `sort` gives None where the value is unknown: unknown rows come last in both
    directions.
    """

    id: str
    title: str
    cell: Callable[[R], Line]
    width: int
    align: Align = "left"
    sort: Callable[[R], Any] | None = None
    priority: int = 0
    comfortable: int = 0
    grow_to: int = 0
    descending: bool = False


def choose(columns: Sequence[Column[R]], cells: int) -> list[tuple[Column[R], int]]:
    """The columns that fit into `cells`, each with its width; one cell of space between two."""
    chosen = list(columns)
    while sum(max(c.width, c.comfortable) + 1 for c in chosen) - 1 > cells:
        worst = max(c.priority for c in chosen)
        if worst < LUXURY_PRIORITY:
            break
        chosen.remove(next(c for c in reversed(chosen) if c.priority == worst))
    while len(chosen) > 1 and sum(c.width + 1 for c in chosen) - 1 > cells:
        worst = max(c.priority for c in chosen)
        if worst == 0:
            break
        chosen.remove(next(c for c in reversed(chosen) if c.priority == worst))
    widths = {c.id: c.width for c in chosen}
    spare = cells - (sum(widths.values()) + len(chosen) - 1)
    for limits in ({c.id: min(c.comfortable, c.grow_to) for c in chosen}, {c.id: c.grow_to for c in chosen}):
        spare = _grow(widths, limits, spare)
    return [(c, widths[c.id]) for c in chosen]


def _grow(widths: dict[str, int], limits: Mapping[str, int], spare: int) -> int:
    """Share `spare` cells among the columns that are below their limits; returns what is left."""
    growing = [each for each in widths if widths[each] < limits[each]]
    while spare > 0 and growing:
        share = max(1, spare // len(growing))
        for each in list(growing):
            extra = min(share, limits[each] - widths[each], spare)
            widths[each] += extra
            spare -= extra
            if widths[each] >= limits[each]:
                growing.remove(each)
    return spare


def _known(value: Any) -> bool:
    """Neither None nor NaN, which compares with nothing."""
    return value is not None and value == value


class Grid(LineView, Generic[R], can_focus=True):
    """Rows by key. The cursor stays on its row, and the row on its line, as far as the rows allow."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("rows")

    class Chosen(Message):
        """Enter on a row."""

        def __init__(self, grid: "Grid[Any]", key: Hashable) -> None:
            super().__init__()
            self.grid = grid
            self.key = key

        @property
        def control(self) -> "Grid[Any]":
            """For @on selectors."""
            return self.grid

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, grid: "Grid[Any]") -> None:
            super().__init__()
            self.grid = grid

    def __init__(
        self,
        context: Context,
        columns: Sequence[Column[R]],
        key: Callable[[R], Hashable],
        *,
        stale: Callable[[R], bool] = lambda row: False,
        empty: str = "nothing to show",
        id: str | None = None,
    ) -> None:
        super().__init__(context, id=id)
        self.columns = list(columns)
        self.key_of = key
        self.sort_id: str | None = None
        self.sort_down = False
        self.marked: set[Hashable] = set()
        self.empty = empty
        self._stale = stale
        self._given: Sequence[R] = ()
        self._rows: list[R] = []
        self._keys: list[Hashable] = []
        self.cursor = 0
        self._followed = False  # until a person moves it, the cursor stays on the first row: the worst one
        self._layout: list[tuple[Column[R], int]] = []
        self._layout_for: tuple[int, int] = (0, 0)

    # ---- content

    def show(self, rows: Iterable[R]) -> None:
        """Show these rows instead: same columns, cursor on the same key."""
        self._given = tuple(rows)
        self._arrange()

    def _arrange(self) -> None:
        key, offset = self.cursor_key, self.cursor - self.top
        self._rows = self._sorted(self._given)
        self._keys = [self.key_of(row) for row in self._rows]
        if self._followed and key is not None:
            try:
                self.cursor = self._keys.index(key)
                self.top = self.cursor - offset
            except ValueError:
                pass  # its row is gone: the cursor keeps its line
        elif not self._followed:
            self.cursor = self.top = 0
        self.cursor = max(0, min(self.cursor, len(self._rows) - 1))
        self._keep_in_view()
        self.repaint()
        if self.cursor_key != key:
            self.post_message(self.Moved(self))

    def _sorted(self, rows: Sequence[R]) -> list[R]:
        by = next((c.sort for c in self.columns if c.id == self.sort_id), None)
        if by is None:
            return list(rows)
        valued = [(by(row), row) for row in rows]
        known = [pair for pair in valued if _known(pair[0])]
        known.sort(key=lambda pair: pair[0], reverse=self.sort_down)
        return [row for _, row in known] + [row for value, row in valued if not _known(value)]

    @property
    def rows(self) -> Sequence[R]:
        """As shown, in order."""
        return self._rows

    @property
    def cursor_key(self) -> Hashable | None:
        """Of the row under the cursor."""
        return self._keys[self.cursor] if self.cursor < len(self._keys) else None

    @property
    def cursor_row(self) -> R | None:
        """The row under the cursor."""
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    def chosen_rows(self) -> list[R]:
        """The marked rows, else the one under the cursor."""
        current = self.cursor_row
        if not self.marked:  # asked for at every key
            return [] if current is None else [current]
        marked = [row for row, key in zip(self._rows, self._keys, strict=True) if key in self.marked]
        return marked or ([] if current is None else [current])

    def set_columns(self, columns: Sequence[Column[R]]) -> None:
        """Other columns; the sorting stays when its column is still there."""
        self.columns = list(columns)
        self._layout_for = (0, 0)
        self._arrange()

    def sort_by(self, column_id: str | None, *, down: bool = False) -> None:
        """Sort by a column, None for the order given."""
        self.sort_id, self.sort_down = column_id, down
        self._arrange()

    def sort_next(self, step: int) -> None:
        """The next or previous sortable column on the screen, with the order given as one of them."""
        visible = [c for c, _ in self._columns_now() if c.sort is not None]
        ids: list[str | None] = [None, *(c.id for c in visible)]
        at = ids.index(self.sort_id) if self.sort_id in ids else 0
        chosen = ids[(at + step) % len(ids)]
        self.sort_by(chosen, down=next((c.descending for c in visible if c.id == chosen), False))

    # ---- drawing

    def line_count(self) -> int:
        """Rows without the header."""
        return len(self._rows)

    def page_size(self) -> int:
        """One line is the header's."""
        return max(1, self.size.height - 1)

    def _columns_now(self) -> list[tuple[Column[R], int]]:
        wanted = (self.size.width, len(self.columns))
        if self._layout_for != wanted:
            self._layout = choose(self.columns, self.size.width - 2)
            self._layout_for = wanted
        return self._layout

    def line_at(self, y: int) -> tuple[Line, bool, bool]:
        """The header stands still; rows scroll below it."""
        if y == 0:
            return self._header(), False, False
        index = self.top + y - 1
        if index >= len(self._rows):
            return (line("  " + self.empty, "dim") if not self._rows and y == 1 else EMPTY), False, False
        row = self._rows[index]
        on_cursor = index == self.cursor
        mark = self.context.glyphs.marked if self._keys[index] in self.marked else " "
        spans: list[Span] = [(self.context.glyphs.cursor if on_cursor else " ", "accent"), (mark, "accent")]
        ellipsis = self.context.glyphs.ellipsis
        for number, (column, cells) in enumerate(self._columns_now()):
            if number:
                spans.append((" ", "text"))
            spans.extend(fit(column.cell(row), cells, align=column.align, ellipsis=ellipsis))
        return tuple(spans), on_cursor and self.has_focus_within, self._stale(row)

    def _header(self) -> Line:
        glyphs = self.context.glyphs
        spans: list[Span] = [("  ", "heading")]
        for number, (column, cells) in enumerate(self._columns_now()):
            sorted_by = column.id == self.sort_id
            arrow = (glyphs.descending if self.sort_down else glyphs.ascending) if sorted_by else ""
            title = arrow + column.title if column.align == "right" else column.title + arrow
            if number:
                spans.append((" ", "heading"))
            spans.extend(fit(line(title, "accent" if sorted_by else "heading"), cells, align=column.align, ellipsis=""))
        return tuple(spans)

    def on_focus(self) -> None:
        """The cursor shows."""
        self.repaint()

    def on_blur(self) -> None:
        """The cursor's row is not lit, its mark stays."""
        self.repaint()

    # ---- moving

    def move_to(self, index: int) -> None:
        """Put the cursor on a row."""
        self._followed = True
        index = max(0, min(index, len(self._rows) - 1))
        if index == self.cursor:
            return
        self.cursor = index
        self._keep_in_view()
        self.repaint()
        self.post_message(self.Moved(self))

    def _keep_in_view(self) -> None:
        page = self.page_size()
        self.top = max(self.cursor - page + 1, min(self.top, self.cursor))
        self.top = max(0, min(self.top, len(self._rows) - page))

    def scroll_lines(self, by: int) -> None:
        """The wheel moves the page, and the cursor only when it would leave it."""
        self.top = max(0, min(self.top + by, len(self._rows) - self.page_size()))
        inside = max(self.top, min(self.cursor, self.top + self.page_size() - 1))
        if by and inside != self.cursor:
            self.move_to(inside)
        else:
            self._keep_in_view()
            self.repaint()

    def action_move(self, by: str) -> None:
        """Move the cursor: a number of rows, or page, -page, home, end."""
        page, last = self.page_size(), len(self._rows) - 1
        targets = {"page": self.cursor + page, "-page": self.cursor - page, "home": 0, "end": last}
        self.move_to(targets[by] if by in targets else self.cursor + int(by))

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if self.cursor_key is not None:
            self.post_message(self.Chosen(self, self.cursor_key))

    def action_mark(self) -> None:
        """Mark or unmark the row, and go one down."""
        if (key := self.cursor_key) is not None:
            self.marked ^= {key}
            self.repaint()
            self.move_to(self.cursor + 1)

    def on_click(self, event: Click) -> None:
        """A click moves the cursor, on the header it sorts; a second click opens."""
        if event.y == 0:
            self._sort_at(event.x)
            return
        index = self.top + event.y - 1
        if index < len(self._rows):
            self.move_to(index)
            if event.chain == 2:
                self.action_choose()

    def _sort_at(self, x: int) -> None:
        left = 2
        for column, cells in self._columns_now():
            if left <= x < left + cells and column.sort is not None:
                down = not self.sort_down if self.sort_id == column.id else column.descending
                self.sort_by(column.id, down=down)
                return
            left += cells + 1
