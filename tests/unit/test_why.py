"""WHY: the root cause first, what differs first, at most 80 characters in a table."""

import pytest

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.model.assessment import BRIEF_CHARACTERS, JobAssessment, brief
from flinkops.model.facts import ExceptionFacts, JobFacts
from flinkops.model.root_cause import root_cause, root_in
from flinkops.render.columns import COLUMNS, RowContext
from flinkops.render.lines import plain
from flinkops.tui.job_view import chain_lines
from tests.unit.builders import NOW_MS, failing, job, snapshot, spread, with_vertex
from tests.unit.doctor_cases import evidence, found

CHAIN = (
    "java.lang.RuntimeException: Exception while processing\n"
    "Caused by: org.apache.flink.streaming.runtime.tasks.ExceptionInChainedOperatorException: Could not forward\n"
    "Caused by: com.acme.PriceException: price of A1 is -3"
)


def thrown(message: str, ago_ms: int = 1_000) -> ExceptionFacts:
    return ExceptionFacts(NOW_MS - ago_ms, message.partition(":")[0], message, "work", "tm-1")


def why(facts: JobFacts) -> str:
    column = next(each for each in COLUMNS if each.id == "why")
    return plain(column.cell(assessed(facts), RowContext())).partition("  +")[0]


def assessed(facts: JobFacts) -> JobAssessment:
    return assess(snapshot(facts), {}, Policy()).jobs[0]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (CHAIN, "com.acme.PriceException", "price of A1 is -3"),
        ("java.lang.ArithmeticException", "java.lang.ArithmeticException", ""),
        ("a.CompletionException: java.io.IOException: No space left", "java.io.IOException", "No space left"),
        ("a.SerializedThrowable: a.b.OutOfMemoryError: Java heap space", "a.b.OutOfMemoryError", "Java heap space"),
        ("java.io.IOException: cannot read a.b.Object: bad", "java.io.IOException", "cannot read a.b.Object: bad"),
        ("Checkpoint expired before completing.", "", "Checkpoint expired before completing."),
        ("", "", ""),
        ("Caused by: a.b.C$InnerException: x", "a.b.C$InnerException", "x"),
    ],
)
def test_the_deepest_exception_with_its_own_message(text: str, kind: str, message: str) -> None:
    assert root_in(text) == (kind, message)


def test_an_exception_without_text_is_its_class() -> None:
    assert root_cause(ExceptionFacts(1, "a.b.CException", " ")).short == "CException"


def test_a_restart_loop_begins_with_what_failed_then_how_often() -> None:
    facts = job(state="RUNNING", restarts=5, exceptions=tuple(thrown(CHAIN, 1_000 * n) for n in range(1, 6)))
    assert why(facts) == "PriceException: price of A1 is -3, 5 restarts in 10m"
    text = assessed(facts).health.reasons[0].text
    assert "com.acme.PriceException: price of A1 is -3" in text
    assert "RuntimeException" not in text
    assert "\n" not in text


@pytest.mark.parametrize("state", ["FAILED", "RESTARTING", "FAILING"])
def test_a_failed_job_too(state: str) -> None:
    assert why(job(state=state, exceptions=(thrown(CHAIN),))).startswith("PriceException: price of A1 is -3, ")


def test_failing_checkpoints_begin_with_their_cause_not_with_how_many() -> None:
    expired, full = failing(4), failing(4, "java.io.IOException: No space left on device")
    assert why(job(checkpoints=expired)) == "Checkpoint expired before completing, 4 checkpoints in a row"
    assert why(job(checkpoints=full)) == "IOException: No space left on device, 4 checkpoints in a row"


def test_a_limit_begins_with_the_number() -> None:
    facts = with_vertex(job(), "work", consume_buffers_seconds=spread(30.0))
    assert why(facts).startswith("30 s p99 latency, limit 1.0 s")


@pytest.mark.parametrize("length", [1, 79, 80, 81, 500])
def test_no_cell_is_longer_than_80(length: int) -> None:
    facts = job(state="FAILED", exceptions=(thrown("a.b.CException: " + "x" * length),))
    cell = why(facts)
    assert len(cell) <= BRIEF_CHARACTERS
    assert cell.endswith(", FAILED")
    assert len(brief("y" * length, ", 3 times")) <= BRIEF_CHARACTERS


def test_the_doctor_names_the_root_cause_as_well() -> None:
    finding = found("restart-loop", evidence(job(restarts=5, exceptions=(thrown(CHAIN), thrown(CHAIN, 2_000)))))
    assert finding is not None
    assert finding.title.endswith("com.acme.PriceException: price of A1 is -3")


def test_the_chain_is_on_the_job_s_own_screen() -> None:
    shown = [
        plain(each).strip() for each in chain_lines(assessed(job(state="FAILED", exceptions=(thrown(CHAIN),))), limit=4)
    ]
    assert shown == CHAIN.splitlines()
    long = "\n".join(["a.AException: 0", *(f"Caused by: a.BException: {number}" for number in range(1, 9))])
    cut = [
        plain(each).strip() for each in chain_lines(assessed(job(state="FAILED", exceptions=(thrown(long),))), limit=4)
    ]
    assert cut == ["a.AException: 0", "…", "Caused by: a.BException: 7", "Caused by: a.BException: 8"]
    assert chain_lines(assessed(job(exceptions=(thrown(CHAIN, 3_000_000),))), limit=4) == []
