"""Each limit of the doctor and of the signals at itself, and just before it: what is said there is told apart.

A row: the limit by name and value (as documented), what is read at a value, and what that is just below and at it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from flinkops.assess.backpressure import BUSY, HIGH, LOW, level
from flinkops.diagnose.case import BUSY_RATIO, START_UP_SECONDS, Case
from flinkops.diagnose.changes import LEAST_LOAD_PER_SECOND, LOAD_FACTOR, LOAD_POLLS, Load
from flinkops.diagnose.rules import checkpoint_storage, checkpoint_timeout, serialization
from flinkops.diagnose.rules.backpressure import CRITICAL_RATIO
from flinkops.diagnose.rules.key_skew import FEWEST_RECORDS_PER_SECOND, share_of_fullest
from flinkops.diagnose.rules.operator_waits import DELETION, DELETION_GRAVE_SECONDS, NO_JOBMANAGER, NOT_TAKEN_UP
from flinkops.diagnose.rules.restart_loop import (
    DOWN_SECONDS,
    FROM_THE_START_MS,
    LOOP_FAILURES,
    RECENT_MS,
    STABLE_MS,
    since_stable,
)
from flinkops.diagnose.stacks import MIN_SAMPLES, shares
from flinkops.model.detail import FlameGraphNode, StorageSign
from flinkops.model.facts import JobFacts, RescaleFacts, ResourceFacts
from flinkops.model.findings import Finding
from flinkops.model.operator_resource import PATIENCE_SECONDS
from tests.unit.builders import NOW_MS, failing, snapshot, spread, with_vertex
from tests.unit.doctor_cases import evidence, flames, found, held_up, job, sample, thrown
from tests.unit.test_doctor_rules_of_state import FLAT_INPUT, STEADY, growing


def ago_ms(seconds: float) -> int:
    return NOW_MS - round(seconds * 1000)


def named(code: str, facts: JobFacts, past: Any = (), **parts: Any) -> Finding:
    finding = found(code, evidence(facts, past, **parts))
    assert finding is not None
    return finding


def severity(code: str, facts: JobFacts, past: Any = (), **parts: Any) -> str:
    finding = found(code, evidence(facts, past, **parts))
    return "-" if finding is None else finding.severity


def settled(**facts: Any) -> bool:
    return Case(evidence(job(**facts))).unsettled is None


def failures(count: float) -> JobFacts:
    return job(restarts=int(count), exceptions=tuple(thrown(10 - place) for place in range(int(count))))


def resource(**fields: Any) -> ResourceFacts:
    return ResourceFacts("kind", "shop", "orders", "1", **{"desired_state": "running", **fields})


def deleting(seconds: float) -> JobFacts:
    return job(resource=resource(deleting=True, deleting_since_ms=ago_ms(seconds)))


def without_jobmanager(seconds: float) -> JobFacts:
    return job(resource=resource(jobmanager_status="MISSING", status_changed_ms=ago_ms(seconds)))


def edited(seconds: float) -> JobFacts:
    return job(resource=resource(generation=2, observed_generation=1, spec_changed_ms=ago_ms(seconds)))


def pressed(ratio: float) -> str:
    facts = with_vertex(held_up(), "src", backpressured_ratio=spread(ratio), pending_records=spread(1_000.0))
    past = [sample(20, pending_records=10.0, backpressured_ratio=0.95), sample(10, backpressured_ratio=0.95)]
    return severity("backpressure", facts, past)


def serialized(share: float, busy: float = 0.9) -> str:
    facts = with_vertex(held_up(), "sink", busy_ratio=spread(busy))
    stacks = flames("sink", KryoSerializer=round(share * 1000), work=1000 - round(share * 1000))
    return severity("serialization", facts, flame_graphs=[stacks])


def loads(rate: float, usual: float, polls: int = LOAD_POLLS) -> int:
    told, load = 0, Load()
    for each in (usual, *(rate,) * polls):
        facts = with_vertex(job(), "src", records_in_per_second=spread(each))
        told += len(list(load.at(snapshot(facts))))
    return told


def left_seconds(seconds: float) -> str:
    """Of a state that grows by 100,000 bytes a second."""
    ill = evidence(growing(*STEADY), FLAT_INPUT)
    assert ill.assessment.outlook is not None
    outlook = msgspec.structs.replace(ill.assessment.outlook, limit_bytes=STEADY[-1] + round(seconds * 100_000))
    limited = msgspec.structs.replace(ill, assessment=msgspec.structs.replace(ill.assessment, outlook=outlook))
    finding = found("state-bloat", limited)
    return "-" if finding is None else finding.severity


def stored(count: float) -> str:
    facts = job(checkpoints=failing(int(count), "Asynchronous task checkpoint failed."))
    assert facts.checkpoints is not None
    sign = StorageSign("denied", "x", "y", checkpoint_id=facts.checkpoints.history[0].id)
    finding = found("checkpoint-storage", msgspec.structs.replace(evidence(facts), storage=(sign,)))
    return "-" if finding is None else finding.severity


class Limit(NamedTuple):
    value: float
    documented: float
    read: Callable[[float], Any]
    below: Any
    at: Any
    step: float = 0.001
    above: Any = ...


LIMITS = {
    "started": Limit(
        START_UP_SECONDS, 45.0, lambda s: settled(running_since_ms=ago_ms(s)), False, True
    ),
    "rescaled": Limit(
        START_UP_SECONDS, 45.0, lambda s: settled(rescales=(RescaleFacts(0, ended_ms=ago_ms(s)),)), False, True
    ),
    "a loop of failures": Limit(
        LOOP_FAILURES, 3, lambda n: severity("restart-loop", failures(n)), "warning", "critical", 1
    ),
    "failures that are over": Limit(
        RECENT_MS, 900_000, lambda ms: severity("restart-loop", job(exceptions=(thrown(ms / 1000),), restarts=1)),
        "info", "info", 1, "-",
    ),
    "down after one failure": Limit(
        DOWN_SECONDS, DOWN_SECONDS,
        lambda s: severity("restart-loop", job(state="RESTARTING", exceptions=(thrown(s),), restarts=1)),
        "info", "warning",
    ),
    "stable in between": Limit(
        STABLE_MS, STABLE_MS, lambda ms: len(since_stable([thrown(1), thrown(1 + ms / 1000)])), 2, 2, 1, 1
    ),
    "failed from the start": Limit(
        FROM_THE_START_MS, 300_000,
        lambda ms: named("restart-loop", job(started_ms=ago_ms(5) - round(ms), exceptions=(thrown(5),))).next,
        "flinkops rollback orders --plan", "flinkops status orders", 1,
    ),
    "a deletion": Limit(PATIENCE_SECONDS, 60.0, lambda s: severity(DELETION.code, deleting(s)), "info", "warning"),
    "a long deletion": Limit(
        DELETION_GRAVE_SECONDS, 300.0, lambda s: severity(DELETION.code, deleting(s)), "warning", "critical"
    ),
    "no JobManager": Limit(
        PATIENCE_SECONDS, 60.0, lambda s: severity(NO_JOBMANAGER.code, without_jobmanager(s)), "info", "critical"
    ),
    "an edit": Limit(PATIENCE_SECONDS, 60.0, lambda s: severity(NOT_TAKEN_UP.code, edited(s)), "-", "warning"),
    "nearly all is held up": Limit(CRITICAL_RATIO, 0.9, pressed, "warning", "critical"),
    "low backpressure": Limit(LOW, 0.1, level, "none", "none", 0.001, "low"),
    "high backpressure": Limit(HIGH, 0.5, level, "low", "low", 0.001, "high"),
    "serialization is said": Limit(
        serialization.WORTH_SAYING_RATIO, serialization.WORTH_SAYING_RATIO, serialized, "-", "info"
    ),
    "serialization is much": Limit(serialization.SHARE_RATIO, serialization.SHARE_RATIO, serialized, "info", "warning"),
    "busy with serialization": Limit(
        BUSY_RATIO, BUSY, lambda busy: serialized(serialization.SHARE_RATIO, busy), "info", "warning"
    ),
    "samples of a flame graph": Limit(
        MIN_SAMPLES, 20, lambda n: bool(shares(FlameGraphNode("root", int(n)), lambda _: None)), False, True, 1
    ),
    "records of a vertex": Limit(
        FEWEST_RECORDS_PER_SECOND, FEWEST_RECORDS_PER_SECOND,
        lambda rate: share_of_fullest(with_vertex(job(), "work", records_in_per_second=spread(rate)).vertices[1]),
        None, 1.0,
    ),
    "another load, by what it was": Limit(LOAD_FACTOR, LOAD_FACTOR, lambda by: loads(100.0 * by, 100.0), 0, 1),
    "another load, in records": Limit(
        LEAST_LOAD_PER_SECOND, LEAST_LOAD_PER_SECOND, lambda rate: loads(rate + 0.5, 0.5), 0, 1
    ),
    "polls of another load": Limit(LOAD_POLLS, LOAD_POLLS, lambda n: loads(1_000.0, 1.0, int(n)), 0, 1, 1),
    "expired checkpoints": Limit(
        checkpoint_timeout.CRITICAL_FAILURES, checkpoint_timeout.CRITICAL_FAILURES,
        lambda n: severity("checkpoint-timeout", job(checkpoints=failing(int(n)))), "warning", "critical", 1,
    ),
    "refused checkpoints": Limit(
        checkpoint_storage.CRITICAL_FAILURES, checkpoint_storage.CRITICAL_FAILURES, stored, "warning", "critical", 1
    ),
    "an hour to the limit of the state": Limit(3600.0, 3600.0, left_seconds, "critical", "warning", 1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_below_at_and_above(name: str) -> None:
    limit = LIMITS[name]
    assert limit.value == limit.documented
    assert limit.read(limit.value - limit.step) == limit.below
    assert limit.read(limit.value) == limit.at
    assert limit.read(limit.value + limit.step) == (limit.at if limit.above is ... else limit.above)
