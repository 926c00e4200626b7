"""Lines of text with roles: what the views compose and the widgets paint.

A role says what a piece of text means, not how it looks; the palette gives it a colour under the theme in use. Text in
a line is already clean (flinkops.render.text) and measured in terminal cells, so that wide characters keep columns
aligned.
"""

from collections.abc import Iterable
from typing import Literal

from flinkops.render.text import width as cell_len

Role = Literal[
    "text", "dim", "strong", "heading", "accent", "ok", "warning", "critical", "unknown", "busy", "pressed", "idle",
    "banner", "spark",
]  # fmt: skip
Span = tuple[str, Role]
Line = tuple[Span, ...]
Align = Literal["left", "right"]

EMPTY: Line = ()


def line(text: str, role: Role = "text") -> Line:
    """A line of one piece."""
    return ((text, role),)


def width(of: Line) -> int:
    """Terminal cells.

    >>> width((("日本", "text"), ("x", "dim")))
    5
    """
    return sum(cell_len(text) for text, _ in of)


def plain(of: Line) -> str:
    """The text alone."""
    return "".join(text for text, _ in of)


def fit(of: Line, cells: int, *, align: Align = "left", ellipsis: str = "…") -> Line:
    """Exactly `cells` wide: padded, or cut with an ellipsis, never splitting a wide character.

    >>> plain(fit(line("abcdef"), 4))
    'abc…'
    >>> plain(fit(line("日本語"), 4))
    '日… '
    >>> plain(fit(line("7"), 3, align="right"))
    '  7'
    """
    if len(of) == 1:  # most cells are one short ASCII word
        text, role = of[0]
        if text.isascii() and len(text) <= cells:
            return ((text.rjust(cells) if align == "right" else text.ljust(cells), role),)
    need = width(of)
    if need <= cells:
        pad: Span = (" " * (cells - need), "text")
        if need == cells:
            return of
        return (pad, *of) if align == "right" else (*of, pad)
    return _cut(of, cells, ellipsis)


def _cut(of: Line, cells: int, ellipsis: str) -> Line:
    room = cells - cell_len(ellipsis)
    if room < 0:
        return ((" " * cells, "text"),)
    kept: list[Span] = []
    for text, role in of:
        size = cell_len(text)
        if size > room:
            from rich.cells import set_cell_size  # 16 ms, which a machine-readable form does not need

            head = set_cell_size(text, room).rstrip(" ")
            kept.append((head + ellipsis + " " * (room - cell_len(head)), role))
            break
        kept.append((text, role))
        room -= size
    return tuple(kept)


def join(parts: Iterable[Line], gap: str = "  ") -> Line:
    """The non-empty parts, one after another.

    >>> plain(join([line("a"), EMPTY, line("b")]))
    'a  b'
    """
    out: list[Span] = []
    for part in parts:
        if part:
            if out:
                out.append((gap, "dim"))
            out.extend(part)
    return tuple(out)


def ends(left: Line, right: Line, cells: int, *, ellipsis: str = "…") -> Line:
    """`left` at the left edge and `right` at the right one; the left is cut first.

    >>> plain(ends(line("abcdef"), line("xy"), 7))
    'abc… xy'
    """
    room = cells - width(right) - 1
    if room < 1:
        return fit(left, cells, ellipsis=ellipsis)
    return (*fit(left, room, ellipsis=ellipsis), (" ", "text"), *right)


def flow(parts: Iterable[Line], cells: int, gap: str = "   ", *, indent: int = 0) -> list[Line]:
    """Parts set one after another into as many lines of `cells` as needed; no part is broken over two lines."""
    rows: list[Line] = []
    current: Line = ()
    for part in parts:
        if current and width(current) + len(gap) + width(part) > cells - indent:
            rows.append(current)
            current = ()
        current = (*current, (gap, "dim"), *part) if current else part
    if current:
        rows.append(current)
    return [(((" " * indent, "text")), *row) if indent else row for row in rows]
