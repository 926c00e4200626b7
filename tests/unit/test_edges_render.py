"""The edges of how answers are shown."""

import msgspec
import pytest

from flinkops.model.findings import Diagnosis, Finding, Remedy
from flinkops.model.timeline import Entry, Timeline
from flinkops.render.doctor import doctor_text
from flinkops.render.timeline import timeline_lines
from tests.unit.builders import NOW_MS


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
