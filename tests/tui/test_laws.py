"""Whatever an assessment says, the screens can show it, on clean lines of the right width."""

import unicodedata
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from flinkops.model.assessment import FleetAssessment, JobAssessment
from flinkops.model.facts import FleetSnapshot, SourceStatus
from flinkops.model.history import JobSample
from flinkops.model.measures import MEASURES
from flinkops.model.observation import Observation
from flinkops.render.columns import RowContext, row_text
from flinkops.render.glyphs import UNICODE
from flinkops.render.lines import Line, fit, plain
from flinkops.tui.context import Context
from flinkops.tui.fleet_view import counts, grid_columns, headline, preview
from flinkops.tui.grid import choose
from flinkops.tui.job_tables import TABS, row_lines
from flinkops.tui.job_view import card, job_copies, job_links
from flinkops.tui.links import Links
from flinkops.tui.query import matches, parse
from flinkops.tui.status_view import PollState, status_line
from flinkops.tui.themes import DEFAULT, THEMES, Palette
from flinkops.tui.view import View
from tests.tui.fleet import T0_MS, fleet
from tests.unit.test_assess_laws import ROUGH, any_history, any_struct

CONTEXT = Context(UNICODE, Palette(THEMES[0].to_color_system().generate()))
assert THEMES[0].name == DEFAULT


def view_of(job: JobAssessment, history: list[JobSample], sources: tuple[SourceStatus, ...]) -> View:
    assessment = FleetAssessment(taken_ms=T0_MS, poll_seconds=None, sources=sources, jobs=(job,))
    return View.of(Observation(FleetSnapshot(T0_MS), assessment, {job.key: tuple(history)}), interval_seconds=5)


def everything_shown(job: JobAssessment, view: View, cells: int) -> Iterator[Line]:
    yield headline(view, CONTEXT, cells)
    yield counts(view, CONTEXT)
    yield status_line(PollState(), view, CONTEXT, T0_MS, cells)
    yield from preview(job, view, CONTEXT, cells=cells, rows=60, note="a note")
    yield from card(job, CONTEXT, cells=cells)
    for column in grid_columns(RowContext(view.taken_ms, CONTEXT.glyphs, history=view.observation.history)):
        yield column.cell(job)
        if column.sort is not None and (by := column.sort(job)) is not None:
            hash(by)
    for tab in TABS:
        yield from tab.intro(job)
        for row in tab.rows(job, CONTEXT):
            hash(tab.key(row))
            for column, _ in choose(tab.columns(CONTEXT), cells):
                yield column.cell(row)
            if isinstance(row, (msgspec.Struct, tuple)):
                yield from row_lines(row, cells)


@ROUGH
@given(
    any_struct(JobAssessment), any_history(), st.lists(any_struct(SourceStatus), max_size=2), st.sampled_from([80, 200])
)
def test_anything_can_be_shown(
    job: JobAssessment, history: list[JobSample], sources: list[SourceStatus], cells: int
) -> None:
    view = view_of(job, history, tuple(sources))
    for shown in everything_shown(job, view, cells):
        text = plain(shown)
        assert not [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs")], text
        assert cell_len(plain(fit(shown, cells))) == cells
    assert "\n" not in row_text(job, view.taken_ms)
    assert matches(job, parse(""))
    job_links(job, view, Links())
    assert job_copies(job, view)


@pytest.mark.parametrize("cells", [20, 80, 120, 200, 400])
def test_columns_never_overflow(cells: int) -> None:
    chosen = choose(grid_columns(RowContext()), cells)
    needed = sum(width for _, width in chosen) + len(chosen) - 1
    assert needed <= cells or all(column.priority == 0 for column, _ in chosen)


def test_sorting_takes_all_columns() -> None:
    jobs = fleet(60).assessment.jobs
    for column in grid_columns(RowContext()):
        if column.sort is not None:
            known = [by for job in jobs if (by := column.sort(job)) is not None]
            assert sorted(known) or column.id in {measure.name for measure in MEASURES}, "known of no job here"
