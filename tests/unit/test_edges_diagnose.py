"""The edges of what the doctor tells of changes and of savepoints."""

from typing import Any

import msgspec
import pytest

from flinkops.diagnose.case import SAVEPOINT_SECONDS, Case
from flinkops.diagnose.changes import MANY_CHECKPOINTS, between, gaps_of_facts
from flinkops.model.facts import CheckpointFacts, JobFacts, ResourceFacts
from tests.unit import doctor_cases
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, job, snapshot


def resource(image: str | None) -> ResourceFacts:
    return ResourceFacts(
        context="c", namespace="n", name="orders", kind="FlinkDeployment", resource_version="1", image=image
    )


def told(was: JobFacts, now: JobFacts) -> list[str]:
    return [each.text for each in between(snapshot(was), snapshot(now))]


def test_another_image_is_told_where_both_are_known() -> None:
    old, new = job(resource=resource("count:1")), job(resource=resource("count:2"))
    assert told(old, new) == ["image count:1 -> count:2"]
    assert told(old, old) == []
    assert told(job(), new) == []
    assert told(old, job()) == []


@pytest.mark.parametrize(
    ("kept", "since_ms", "gap"), [(10, 0, True), (9, 0, False), (10, NOW_MS, False), (0, 0, False)]
)
def test_a_full_list_of_checkpoints_may_have_lost_some(kept: int, since_ms: int, gap: bool) -> None:
    assert MANY_CHECKPOINTS == 10
    history = tuple(checkpoint(kept - number, NOW_MS - 1_000 * number) for number in range(kept))
    facts = job(checkpoints=checkpoints(history=history))
    assert bool(list(gaps_of_facts(facts, since_ms))) is gap


@pytest.mark.parametrize(
    ("fields", "near"),
    [
        ({"status": "IN_PROGRESS", "acknowledged_ms": None}, True),
        ({"status": "IN_PROGRESS", "acknowledged_ms": 0}, True),
        ({"status": "COMPLETED", "acknowledged_ms": None}, False),
        ({"acknowledged_ms": NOW_MS - round(SAVEPOINT_SECONDS * 1000)}, False),
        ({"acknowledged_ms": NOW_MS - round(SAVEPOINT_SECONDS * 1000) + 1}, True),
        ({"status": "FAILED", "acknowledged_ms": None, "failed_ms": NOW_MS - 1}, True),
    ],
)
def test_a_savepoint_is_near_while_it_is_taken_and_shortly_after(fields: dict[str, Any], near: bool) -> None:
    savepoint: CheckpointFacts = checkpoint(7, NOW_MS - 100_000, is_savepoint=True)
    history = (msgspec.structs.replace(savepoint, **fields), checkpoint(6, NOW_MS - 200_000))
    case = Case(doctor_cases.evidence(doctor_cases.job(checkpoints=checkpoints(history=history))))
    assert bool(case.savepoint_near) is near
