"""The edges of how answers are shown."""

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.model.assessment import Checkpoints
from flinkops.model.findings import Answer, Condition, Diagnosis, Finding, Remedy
from flinkops.model.plan import Plan, Result, Target
from flinkops.model.rehearsal import Rehearsal, RehearsedOperator
from flinkops.model.timeline import Entry, Timeline
from flinkops.plan.preconditions import JobInState, VertexParallelism
from flinkops.render.delivery_card import card_lines
from flinkops.render.doctor import CHANGES_SHOWN, FORMATS, answers_document, answers_text, doctor_text
from flinkops.render.glyphs import ASCII, UNICODE, Glyphs, lanes, usage_bar
from flinkops.render.lines import Line, fit, line, plain
from flinkops.render.plan import plan_parts, result_lines
from flinkops.render.rehearsal import rehearsal_lines
from flinkops.render.timeline import timeline_document, timeline_lines
from tests.unit.builders import NOW_MS, job, snapshot

PLAN = Plan("p", "rescale", Target("c", "orders", "1"), 0, preconditions=(JobInState("RUNNING"),))


def diagnosed(name: str, *findings: Finding) -> Diagnosis:
    return Diagnosis(name, 100, findings)


ILL = Finding("key-skew", "warning", 0.5, "One key has most of the records")
NOTED = Finding("known-bug", "info", 0.5, "A bug of this version")


@pytest.mark.parametrize("wide", [True, False])
def test_one_job_is_shown_in_full(wide: bool) -> None:
    assert "asks for more" not in doctor_text([diagnosed("a")], wide=wide)
    assert "a bug of this version" in doctor_text([diagnosed("a", NOTED)], wide=wide).lower()


def test_of_two_jobs_only_the_ill_one_unless_wide() -> None:
    two = [diagnosed("a", ILL), diagnosed("b", NOTED)]
    short = doctor_text(two)
    assert "1 others: nothing above info" in short
    assert NOTED.title not in short
    assert NOTED.title in doctor_text(two, wide=True)
    assert "2 jobs: nothing above info" in doctor_text([diagnosed("a"), diagnosed("b")])


def test_a_line_of_the_timeline_has_the_time_of_day_to_the_second() -> None:
    entries = (
        Entry(
            at_ms=NOW_MS, cluster="c", namespace=None, job="orders", kind="restart", source="recording", text="it was"
        ),
        Entry(
            at_ms=NOW_MS + 86_400_000, cluster="c", namespace="shop", job="b", kind="end", source="journal", text="end"
        ),
    )
    lines = list(timeline_lines(Timeline(since_ms=0, until_ms=NOW_MS, entries=entries, not_covered=())))
    assert lines == [
        "2027-01-15",
        "  08:00:00Z  orders  restart  recording  it was",
        "2027-01-16",
        "  08:00:00Z  shop/b  end      journal    end",
    ]


def test_a_key_is_never_broken() -> None:
    key = "pipeline.jobvertex-parallelism-overrides=" + "ab" * 30
    wide = msgspec.structs.replace(ILL, remedy=(Remedy(f"set {key} and wait"),))
    assert key in doctor_text([diagnosed("a", wide)], cells=41)
    lines = doctor_text([diagnosed("a", msgspec.structs.replace(ILL, remedy=(Remedy("word " * 40),)))], cells=10)
    assert max(map(len, lines.splitlines())) >= 40


def test_the_newest_few_changes_are_shown_and_how_many_there_are() -> None:
    def changes(count: int) -> str:
        entry = Entry(at_ms=NOW_MS, cluster="c", namespace=None, job="a", kind="restart", source="recording", text="it")
        changed = msgspec.structs.replace(diagnosed("a", ILL), changes=(entry,) * count)
        return doctor_text([changed])

    assert "(the newest" not in changes(CHANGES_SHOWN)
    assert f"(the newest {CHANGES_SHOWN} of {2 * CHANGES_SHOWN})" in changes(2 * CHANGES_SHOWN)


def test_a_plan_needs_its_vertices_by_number_and_nothing_where_it_has_none() -> None:
    needs = {part.title: part.texts for part in plan_parts(PLAN)}["needs"]
    assert needs == ("state:RUNNING",)
    fixed = msgspec.structs.replace(PLAN, preconditions=(VertexParallelism("v", 1), VertexParallelism("w", 2)))
    assert {part.title: part.texts for part in plan_parts(fixed)}["needs"] == (
        "the parallelism of 2 vertices as it is now",
    )


def test_a_result_says_why_only_where_there_is_a_reason() -> None:
    assert result_lines(PLAN, Result("p", "verified")) == ["rescale orders: verified"]
    assert result_lines(PLAN, Result("p", "failed", error="no slots"))[1:] == ["  why: no slots"]


def test_a_rehearsal_leaves_out_what_has_no_state_and_is_new() -> None:
    operators = (
        RehearsedOperator("a", "map", "".join(("n", "ew"))),  # type: ignore[arg-type] # equal, not the same text
        RehearsedOperator("b", "dedup", "restored"),
        RehearsedOperator("c", "sum", "new", state_bytes=1),
    )
    lines = rehearsal_lines(Rehearsal("orders", "restores", operators=operators))
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["dedup", "sum"]


def test_the_card_dates_a_checkpoint_whose_age_is_known() -> None:
    orders = assess(snapshot(job()), {}, Policy()).jobs[0]

    def shown(age_seconds: float | None) -> str | None:
        found = msgspec.structs.replace(orders, checkpoints=Checkpoints("COMPLETED", age_seconds=age_seconds))
        return next(line.value for line in card_lines(found) if line.label == "checkpoint status")

    assert (shown(None), shown(7.0)) == ("COMPLETED", "COMPLETED 7.0 s ago")


@pytest.mark.parametrize("cells", [10, 40])
def test_no_line_is_cut_shorter_than_forty(cells: int) -> None:
    words = msgspec.structs.replace(ILL, title="a " * 60)
    lines = doctor_text([diagnosed("a", words)], cells=cells).splitlines()
    assert max(map(len, lines[2:])) == 39  # with an even number of cells before words of one letter


def test_how_many_changes_there_are_is_said_beyond_those_shown() -> None:
    entry = Entry(at_ms=NOW_MS, cluster="c", namespace=None, job="a", kind="restart", source="recording", text="it")
    for count in range(1, 3 * CHANGES_SHOWN):
        told = doctor_text([msgspec.structs.replace(diagnosed("a", ILL), changes=(entry,) * count)])
        assert (f"of {count})" in told) is (count > CHANGES_SHOWN), count


def test_the_documents_of_a_timeline_are_of_version_1() -> None:
    found = timeline_document(Timeline(since_ms=0, until_ms=NOW_MS, entries=(), not_covered=()))
    assert found == {
        "schema_version": 1,
        "since": "1970-01-01T00:00:00.000Z",
        "until": "2027-01-15T08:00:00.000Z",
        "entries": [],
        "not_covered": [],
    }


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_the_space_between_two_lanes_is_drawn_where_an_edge_runs(glyphs: Glyphs) -> None:
    drawn = lanes([("a", []), ("b", []), ("c", []), ("d", ["a", "c"]), ("e", ["b", "d"])], glyphs)
    expected = {
        UNICODE.node: ["●    ", "│ ●  ", "│ │ ●", "●─│─┘", "●─┘  "],
        ASCII.node: ["o    ", "| o  ", "| | o", "o-|-+", "o-+  "],
    }
    assert drawn == expected[glyphs.node]


def test_wide_shows_all_that_was_found_in_each_form() -> None:
    two = [diagnosed("a", ILL), diagnosed("b", NOTED)]
    assert FORMATS["wide"](two) == doctor_text(two, wide=True) != FORMATS["table"](two)


@pytest.mark.parametrize("verdict", ["named", "not-named", "not-assessed"])
def test_an_answer_says_whether_it_is_named(verdict: str) -> None:
    told = answers_text([("orders", Answer("key-skew", "".join(list(verdict)), "so it is", (), (ILL,), 1))])  # type: ignore[arg-type]
    words = {
        "named": "is named, in place 1: warning, 50% sure",
        "not-named": "is not named",
        "not-assessed": "is not assessed",
    }
    assert told.startswith(f"orders: key-skew {words[verdict]}: so it is")


def test_of_a_bar_only_what_is_known_is_drawn() -> None:
    glyphs = ASCII
    assert usage_bar(None, None, 4, glyphs) == (("    ", "idle"),)
    assert usage_bar(None, 0.5, 4, glyphs) == ((glyphs.pressed * 2, "pressed"), (glyphs.idle * 2, "idle"))
    assert usage_bar(0.5, None, 4, glyphs) == ((glyphs.busy * 2, "busy"), (glyphs.idle * 2, "idle"))


@pytest.mark.parametrize(("ellipsis", "cells"), [("…", 0), ("...", 2), ("...", 0)])
def test_where_no_ellipsis_fits_it_is_blank(ellipsis: str, cells: int) -> None:
    assert plain(fit(line("abcdef"), cells, ellipsis=ellipsis)) == " " * cells


@pytest.mark.parametrize(
    ("value", "shown"), [(1.23456749, 1.234567), (1.2345675, 1.234568), (5e-7, 0.0), (6e-7, 1e-6), (None, None)]
)
def test_a_question_is_answered_with_six_decimals(value: float | None, shown: float | None) -> None:
    answer = Answer("key-skew", "not-named", conditions=(Condition("so much", False, value, "≥", value),))
    (condition,) = answers_document([("orders", answer)])["jobs"][0]["conditions"]
    assert (condition["value"], condition["limit"]) == (shown, shown)


def test_text_takes_a_hundred_cells_and_no_more() -> None:
    titles = ("x" * length + " y" * 100 for length in (1, 2))  # one of them ends a line at each cell
    told = [doctor_text([diagnosed("a", msgspec.structs.replace(ILL, title=title))]).splitlines() for title in titles]
    assert max(len(text) for lines in told for text in lines) == 100


@pytest.mark.parametrize("parts", [line("日本"), (*line("日", "critical"), *line("本"))])
def test_wide_letters_stand_where_they_are_told_to(parts: Line) -> None:
    assert plain(fit(parts, 6)) == "日本  "
    assert plain(fit(parts, 6, align="right")) == "  日本"
