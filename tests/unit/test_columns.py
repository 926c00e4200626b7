"""The one list of columns: what every form has of it, how a signal colours its cell, and what scripts may rely on."""

import csv
import io
from dataclasses import fields
from typing import Any

import msgspec
import pytest

from flinkops.model.assessment import Health, JobAssessment, Level, Reason
from flinkops.model.facts import JobKey
from flinkops.model.reasons import ReasonCode, Subject
from flinkops.render.columns import (
    COLUMNS,
    CSV_COLUMNS,
    TEXT_COLUMNS,
    FleetColumn,
    RowContext,
    row_text,
    titles_text,
)
from flinkops.render.glyphs import UNICODE
from flinkops.render.lines import Line, plain
from flinkops.render.table import status_csv, status_table
from flinkops.tui.fleet_view import grid_columns
from tests.unit.assessments import HEALTHY, NOW_MS, UNKNOWN, fleet

BY_ID = {column.id: column for column in COLUMNS}
STABLE_CSV = (
    "health", "name", "namespace", "cluster", "state", "uptime_seconds", "parallelism", "restarts",
    "records_in_per_second", "records_out_per_second", "records_dropped_per_second", "late_ratio",
    "processing_latency_p99_seconds", "event_time_skew_seconds", "state_bytes", "state_growth_bytes_per_hour",
    "backpressure_ratio", "bottleneck", "checkpoint_age_seconds", "flink_version", "id", "why",
)  # fmt: skip


def cell(column_id: str, job: JobAssessment, row: RowContext | None = None) -> Line:
    return BY_ID[column_id].cell(job, row or RowContext(NOW_MS, UNICODE))


def with_reason(code: ReasonCode, level: Level) -> JobAssessment:
    return msgspec.structs.replace(HEALTHY, health=Health(level, (Reason(code, "text", level=level),), NOW_MS))


def test_every_form_has_every_column() -> None:
    assert [column.id for column in grid_columns(RowContext())] == [column.id for column in COLUMNS]
    wide = status_table(fleet(HEALTHY), wide=True).splitlines()[0]
    assert all(column.title in wide for column in TEXT_COLUMNS)
    assert titles_text().split("\t") == [column.title for column in TEXT_COLUMNS]
    assert len(row_text(HEALTHY, NOW_MS).split("\t")) == len(TEXT_COLUMNS)
    assert {"out", "late", "bottleneck", "id"} <= {column.id for column in TEXT_COLUMNS} & {c.id for c in CSV_COLUMNS}


def test_columns_of_csv_keep_their_places() -> None:
    assert [column.csv_place for column in CSV_COLUMNS] == list(range(1, len(CSV_COLUMNS) + 1)), (
        "take the next free one"
    )
    assert tuple(column.csv for column in CSV_COLUMNS)[: len(STABLE_CSV)] == STABLE_CSV


def test_identity_of_columns() -> None:
    assert len(BY_ID) == len(COLUMNS)
    assert len({column.csv for column in CSV_COLUMNS}) == len(CSV_COLUMNS)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.id)
def test_what_is_not_known_is_a_question_mark_and_never_zero(column: FleetColumn) -> None:
    text = plain(column.cell(UNKNOWN, RowContext(NOW_MS)))
    assert "0" not in text or column.id in ("id",), text
    known = ("health", "since", "job", "namespace", "cluster", "state", "id", "why", "trend", "parallelism", "flink")
    assert column.id in known or text == "?"
    if column.id not in known and column.csv:
        assert column.plain_value(UNKNOWN) in (None, "")


@pytest.mark.parametrize(
    ("column_id", "code"),
    [
        ("p99", ReasonCode.LATENCY_HIGH), ("skew", ReasonCode.SKEW_HIGH), ("state_size", ReasonCode.STATE_LIMIT),
        ("growth", ReasonCode.STATE_LIMIT), ("bp", ReasonCode.BACKPRESSURE_HIGH),
        ("bottleneck", ReasonCode.BACKPRESSURE_HIGH), ("checkpoint", ReasonCode.CHECKPOINT_FAILING),
        ("late", ReasonCode.LATE_RECORDS),
    ],
)  # fmt: skip
@pytest.mark.parametrize("level", ["warning", "critical", "unknown"])
def test_a_cell_is_as_bad_as_the_reason_about_its_signal(column_id: str, code: ReasonCode, level: Level) -> None:
    assert {role for _, role in cell(column_id, with_reason(code, level))} == {level}


@pytest.mark.parametrize("column_id", ["p99", "skew", "state_size", "growth", "bp", "bottleneck", "checkpoint", "late"])
def test_a_reason_about_something_else_does_not_colour_a_cell(column_id: str) -> None:
    own = {
        "p99": Subject.LATENCY, "skew": Subject.EVENT_TIME, "state_size": Subject.STATE, "growth": Subject.STATE,
        "bp": Subject.BACKPRESSURE, "bottleneck": Subject.BACKPRESSURE, "checkpoint": Subject.CHECKPOINTS,
        "late": Subject.LATE_RECORDS,
    }[column_id]  # fmt: skip
    for code in ReasonCode:
        if code.subject is not own:
            assert {role for _, role in cell(column_id, with_reason(code, "critical"))} == {"text"}, code


def test_restarts_stand_out_and_a_critical_name_does() -> None:
    assert cell("restarts", HEALTHY)[0][1] == "warning"
    assert cell("restarts", msgspec.structs.replace(HEALTHY, restarts=0))[0][1] == "dim"
    assert cell("job", HEALTHY)[0][1] == "text"
    assert cell("job", with_reason(ReasonCode.JOB_FAILED, "critical"))[0][1] == "strong"


def test_a_note_is_marked_on_a_screen_only() -> None:
    noted = frozenset({JobKey("blue", "shop", "orders")})
    assert plain(cell("job", HEALTHY, RowContext(NOW_MS, UNICODE, noted))) == "¶ orders"
    assert plain(cell("job", HEALTHY, RowContext(NOW_MS, None, noted))) == "orders"


def test_growth_has_its_sign() -> None:
    assert plain(cell("growth", HEALTHY)) == "+3.6 kB"
    shrinking = msgspec.structs.replace(HEALTHY, state_growth_bytes_per_hour=-3600.0)
    assert plain(cell("growth", shrinking)) == "-3.6 kB"


def test_a_bottleneck_that_is_not_there_differs_from_one_that_is_not_known() -> None:
    assert HEALTHY.backpressure is not None
    none = msgspec.structs.replace(HEALTHY, backpressure=msgspec.structs.replace(HEALTHY.backpressure, bottleneck=None))
    assert plain(cell("bottleneck", HEALTHY)) == "Sink"
    assert plain(cell("bottleneck", none)) == "-"
    assert plain(cell("bottleneck", msgspec.structs.replace(HEALTHY, backpressure=None))) == "?"


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_a_spreadsheet_takes_no_name_for_a_formula(start: str) -> None:
    row = parsed(msgspec.structs.replace(HEALTHY, name=f"{start}1+1", namespace=None))
    assert row["name"] == f"'{start}1+1"
    assert row["namespace"] == "-"


def test_numbers_of_csv_stay_numbers() -> None:
    row = parsed(msgspec.structs.replace(HEALTHY, event_time_skew_seconds=-5.0))
    assert row["event_time_skew_seconds"] == "-5.0"


def parsed(job: JobAssessment) -> dict[str, Any]:
    return next(csv.DictReader(io.StringIO(status_csv(fleet(job)))))


def test_the_context_of_a_row_has_defaults_for_text() -> None:
    assert {each.name for each in fields(RowContext)} == {"now_ms", "glyphs", "noted", "history"}
    assert plain(BY_ID["health"].cell(HEALTHY, RowContext())) == "ok"
