"""A recorded incident for tests: times and causes are known, names are hostile."""

from pathlib import Path

import msgspec

from flinkops.act.journal import Journal
from flinkops.clock import FixedClock
from flinkops.model.facts import ExceptionFacts, FleetSnapshot, JobFacts, Spread, VertexFacts
from flinkops.model.plan import Plan, Target
from flinkops.recording import Recorder
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, job, snapshot, spread, with_vertex

MINUTE_MS = 60_000
START_MS = NOW_MS - NOW_MS % (10 * MINUTE_MS)
SLOW_FROM_MS = START_MS + 20 * MINUTE_MS
FAILED_MS = START_MS + 32 * MINUTE_MS
UPGRADED_MS = START_MS + 40 * MINUTE_MS
END_MS = START_MS + 60 * MINUTE_MS
HOSTILE = 'x"><script>alert(1)</script> | **b** \x1b[31mred'
PASSWORD = "Sup3rSecretPassw0rd"


def orders(at_ms: int) -> JobFacts:
    """Slow from SLOW_FROM_MS on, restarted at FAILED_MS, another program and well again from UPGRADED_MS on."""
    slow = SLOW_FROM_MS <= at_ms < UPGRADED_MS
    behind_ms = min(at_ms - SLOW_FROM_MS, 12 * MINUTE_MS) if slow else 5_000
    upgraded = at_ms >= UPGRADED_MS
    failed = FAILED_MS <= at_ms < UPGRADED_MS
    facts = job(
        id=("b" if upgraded else "a") * 32,
        name="orders",
        seen_ms=at_ms,
        started_ms=UPGRADED_MS if upgraded else START_MS - 60 * MINUTE_MS,
        running_since_ms=UPGRADED_MS + 4_000 if upgraded else FAILED_MS if failed else START_MS - 59 * MINUTE_MS,
        restarts=1 if failed else 0,
        exceptions=(_failure(),) if failed else (),
        checkpoints=_checkpoints(at_ms, slow=slow),
    )
    for vertex in facts.vertices:
        facts = with_vertex(facts, vertex.id, watermark_ms=Spread(min=at_ms - behind_ms, max=at_ms - behind_ms))
    if slow:
        facts = with_vertex(facts, "src", backpressured_ratio=spread(0.93), busy_ratio=spread(0.05))
        facts = with_vertex(facts, "work", backpressured_ratio=spread(0.88), busy_ratio=spread(0.1))
        facts = with_vertex(facts, "sink", busy_ratio=spread(0.99), idle_ratio=spread(0.0))
    return facts


def _failure() -> ExceptionFacts:
    text = f"java.lang.RuntimeException: write failed\nCaused by: com.acme.SinkException: {HOSTILE} password={PASSWORD}"
    return ExceptionFacts(FAILED_MS - 2_000, "java.lang.RuntimeException", text, "sink", "tm-1")


def _checkpoints(at_ms: int, *, slow: bool) -> object:
    newest = at_ms - at_ms % 10_000 - (120_000 if slow else 10_000)
    size = 1_000_000 + (at_ms - START_MS) // 10
    history = tuple(checkpoint(900 - index, newest - 10_000 * index, state_size_bytes=size) for index in range(3))
    return checkpoints(history=history, latest_completed=history[0])


def other(at_ms: int, number: int) -> JobFacts:
    """Well all the time; the first one's name is hostile."""
    name = HOSTILE if number == 0 else f"job-{number}"
    facts = job(id=f"{number:032x}", name=name, seen_ms=at_ms, checkpoints=_checkpoints(at_ms, slow=False))
    vertices = tuple(_fresh(vertex, at_ms) for vertex in facts.vertices)
    return msgspec.structs.replace(facts, vertices=vertices)


def _fresh(vertex: VertexFacts, at_ms: int) -> VertexFacts:
    return msgspec.structs.replace(vertex, watermark_ms=Spread(min=at_ms - 5_000, max=at_ms - 5_000))


def frame(at_ms: int, *, others: int = 3) -> FleetSnapshot:
    """The fleet at one time."""
    return snapshot(orders(at_ms), *(other(at_ms, number) for number in range(others)), taken_ms=at_ms)


def recorded(path: Path, *, every_seconds: int = 30, others: int = 3) -> Path:
    """An hour of it."""
    with Recorder(path) as recorder:
        for at_ms in range(START_MS, END_MS + 1, every_seconds * 1000):
            recorder.write(frame(at_ms, others=others))
    return path


def journal(folder: Path) -> Journal:
    """With the upgrade that ended it."""
    diff = ("parallelism: 2 -> 4", f"program argument: --password {PASSWORD}")
    plan = Plan("upgrade-x1", "upgrade", Target("prod", "orders", "a" * 32), UPGRADED_MS - 9_000, diff=diff)
    Journal(folder, FixedClock(UPGRADED_MS - 9_000)).append("planned", plan, "hash")
    Journal(folder, FixedClock(UPGRADED_MS + 5_000)).append("finished", plan, "hash", outcome="verified")
    return Journal(folder, FixedClock(END_MS))
