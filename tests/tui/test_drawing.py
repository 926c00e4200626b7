"""Lines, bars, graphs, themes and the filter, by themselves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from flinkops.render.cells import tidy
from flinkops.render.glyphs import ASCII, UNICODE, lanes, sparkline, usage_bar
from flinkops.render.lines import fit, line, plain
from flinkops.tui.grid import Column, choose
from flinkops.tui.query import matches, parse
from flinkops.tui.themes import THEMES, Palette
from tests.tui.fleet import fleet

JOBS = fleet(40, hostile=True).assessment.jobs


@given(st.text(max_size=80), st.integers(0, 60), st.sampled_from(["left", "right"]))
def test_a_cell_is_exactly_as_wide_as_its_column(text: str, cells: int, align: str) -> None:
    fitted = plain(fit(line(tidy(text)), cells, align="right" if align == "right" else "left"))
    assert cell_len(fitted) == cells


@given(
    st.lists(st.tuples(st.text("abc日", max_size=5), st.sampled_from(["text", "dim"])), max_size=5), st.integers(0, 20)
)
def test_several_pieces_too(pieces: list[tuple[str, str]], cells: int) -> None:
    fitted = fit(tuple((text, "text" if role == "text" else "dim") for text, role in pieces), cells)
    assert cell_len(plain(fitted)) == cells


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=40), st.integers(1, 30))
def test_sparklines_take_any_numbers(values: list[float | None], cells: int) -> None:
    for glyphs in (UNICODE, ASCII):
        drawn = sparkline(values, cells, glyphs)
        assert len(drawn) == cells
        unknown = [value is None or not math.isfinite(value) for value in values[-cells:]]
        assert all(drawn[cells - len(unknown) + i] == glyphs.gap for i, gap in enumerate(unknown) if gap)


@given(st.one_of(st.none(), st.floats()), st.one_of(st.none(), st.floats()), st.integers(1, 40))
def test_bars_are_as_long_as_asked(busy: float | None, pressed: float | None, cells: int) -> None:
    assert len(plain(usage_bar(busy, pressed, cells, UNICODE))) == cells


def test_an_unmeasured_vertex_is_not_drawn_idle() -> None:
    assert plain(usage_bar(None, None, 10, UNICODE)).strip() == ""
    assert plain(usage_bar(0.0, 0.0, 10, UNICODE)) == UNICODE.idle * 10


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[str, list[str]]]:
    size = draw(st.integers(1, 12))
    made = []
    for index in range(size):
        inputs = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        made.append((str(index), [str(i) for i in sorted(inputs)]))
    return made


@given(graphs())
def test_graphs_have_one_node_a_row_and_equal_widths(graph: list[tuple[str, list[str]]]) -> None:
    for glyphs in (UNICODE, ASCII):
        drawn = lanes(graph, glyphs)
        assert len(drawn) == len(graph)
        assert len({len(row) for row in drawn}) == 1
        assert all(row.count(glyphs.node) == 1 for row in drawn)


def test_a_diamond_is_drawn_as_one() -> None:
    diamond = [("s", []), ("x", ["s"]), ("y", ["s"]), ("z", ["x", "y"])]
    assert lanes(diamond, UNICODE) == ["●  ", "├─●", "● │", "●─┘"]


COLUMNS = [
    Column[int]("a", "A", lambda n: line(str(n)), 10),
    Column[int]("b", "B", lambda n: line(str(n)), 10, priority=1, grow_to=20),
    Column[int]("c", "C", lambda n: line(str(n)), 10, priority=9),
]


@pytest.mark.parametrize(("cells", "expected"), [(10, [10]), (21, [10, 10]), (32, [10, 10, 10]), (60, [10, 20, 10])])
def test_columns_give_way_by_rank_and_grow_to_their_limit(cells: int, expected: list[int]) -> None:
    assert [width for _, width in choose(COLUMNS, cells)] == expected


@given(st.text(max_size=30))
def test_any_filter_can_be_typed_and_its_negation_is_the_rest(text: str) -> None:
    terms = parse(text)
    kept = {job.key for job in JOBS if matches(job, terms)}
    if len(terms) == 1 and not terms[0].negated and terms[0].field is None and not terms[0].word.startswith("!"):
        rest = {job.key for job in JOBS if matches(job, parse("!" + text.strip()))}
        assert kept | rest == {job.key for job in JOBS}
        assert not kept & rest


def test_fields_of_the_filter() -> None:
    critical = [job for job in JOBS if matches(job, parse("health:critical"))]
    assert critical
    assert all(job.health.level == "critical" for job in critical)
    assert all(job.namespace == "ads" for job in JOBS if matches(job, parse("ns:ads")))
    assert not [job for job in JOBS if matches(job, parse("health:critical !health:critical"))]


@pytest.mark.parametrize("theme", [*THEMES, *BUILTIN_THEMES.values()], ids=lambda theme: theme.name)
def test_every_theme_makes_a_palette_that_tells_levels_apart(theme: object) -> None:
    from textual.theme import Theme

    assert isinstance(theme, Theme)
    palette = Palette(theme.to_color_system().generate(), ansi=theme.ansi)
    styles = [palette.styles[role] for role in ("critical", "warning", "unknown", "text")]
    if not theme.ansi:
        assert len({style.color for style in styles}) >= 3


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_our_themes_are_readable(theme: object) -> None:
    from textual.theme import Theme

    assert isinstance(theme, Theme)
    least = 7.0 if "contrast" in theme.name else 4.5
    back = Color.parse(theme.background or "")
    for name in ("error", "warning", "success", "secondary", "accent", "primary", "foreground"):
        colour = Color.parse(getattr(theme, name))
        assert _contrast(colour, back) >= least, name


def _contrast(one: Color, other: Color) -> float:
    """WCAG 2: (L1 + 0.05) / (L2 + 0.05)."""

    def luminance(colour: Color) -> float:
        parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
