"""A job that works off a backlog shows what an overloaded one shows, for a while: told, and not called ill."""

import msgspec
import pytest

from flinkops.diagnose.diagnosis import diagnose
from flinkops.model.facts import JobFacts, Spread
from flinkops.model.history import JobSample
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, spread, with_vertex
from tests.unit.doctor_cases import above_info, evidence, found, job, sample, why_not


def held_up(waiting: float) -> JobFacts:
    facts = with_vertex(job(), "src", backpressured_ratio=spread(0.9), busy_ratio=spread(0.1))
    facts = with_vertex(facts, "src", pending_records=Spread(min=waiting, max=waiting, avg=waiting, sum=waiting))
    return with_vertex(facts, "work", busy_ratio=spread(0.98))


def before(*waiting: float, step: float = 5.0) -> list[JobSample]:
    """Polls every few seconds before now, the oldest first."""
    count = len(waiting)
    return [
        sample(step * (count - index), pending_records=records, backpressured_ratio=0.9)
        for index, records in enumerate(waiting)
    ]


def test_backpressure_while_a_backlog_is_worked_off_is_info_and_says_so() -> None:
    ill = evidence(held_up(40_000), before(90_000, 75_000, 60_000))
    assert above_info(diagnose(ill)) == []
    finding = found("backpressure", ill)
    assert finding is not None
    assert finding.severity == "info"
    assert any("works off a backlog: 40,000 records wait" in each.text for each in finding.evidence)


@pytest.mark.parametrize(
    ("now", "waiting"),
    [
        pytest.param(90_000, (60_000, 75_000), id="it grows"),
        pytest.param(60_000, (60_000, 60_000), id="it stays"),
        pytest.param(58_000, (60_000, 59_000), id="it hardly falls"),
        pytest.param(40_000, (60_000, 80_000), id="it rose in between"),
        pytest.param(40_000, (), id="nothing was polled before"),
    ],
)
def test_it_is_ill_where_the_backlog_does_not_shrink(now: float, waiting: tuple[float, ...]) -> None:
    assert "backpressure" in above_info(diagnose(evidence(held_up(now), before(*waiting))))


def growing(facts: JobFacts) -> JobFacts:
    history = tuple(
        checkpoint(20 - index, NOW_MS - 1_000 - 10_000 * index, state_size_bytes=5_000_000 - 200_000 * index)
        for index in range(12)
    )
    return msgspec.structs.replace(facts, checkpoints=checkpoints(history=history, latest_completed=history[0]))


def test_state_that_grows_with_a_backlog_is_not_assessed() -> None:
    steady = [sample(60.0, pending_records=0.0)]
    calm = with_vertex(growing(job()), "src", pending_records=spread(0.0), records_in=100 * 3_590)
    assert found("state-bloat", evidence(calm, steady)) is not None
    busy = with_vertex(calm, "src", pending_records=spread(1_000.0))
    assert "works off a backlog" in (why_not("state-bloat", evidence(busy, before(3_000, 2_000))) or "")


def test_of_vertices_that_trail_alike_the_first_in_the_flow_is_named() -> None:
    facts = job()
    for name, behind_ms in (("src", 0), ("work", 395_000), ("sink", 400_000)):
        mark = NOW_MS - behind_ms - 1_000.0
        facts = with_vertex(facts, name, watermark_ms=Spread(min=mark, max=mark))
    finding = found("watermark-delay", evidence(facts))
    assert finding is not None
    assert finding.vertex == "vertex work"
