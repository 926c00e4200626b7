"""Three hours of a fleet in which everything happens that the dashboards have a panel for: from a formula, no chance.

`orders` meets a slow sink (backpressure, latency, skew), fails once, and is upgraded; `prices` is rescaled; the
checkpoints of `clicks` fail for a while; `catalog` has neither checkpoints nor windows; the cluster `edge` does not
answer for a quarter of an hour.
"""

from collections.abc import Iterator
from math import pi, sin

import msgspec

from flinkops.model.facts import (
    CheckpointFacts,
    CheckpointsFacts,
    ClusterFacts,
    ExceptionFacts,
    FleetSnapshot,
    JobFacts,
    RescaleFacts,
    RestoredFacts,
    SourceStatus,
    Spread,
)
from flinkops.model.measures import MEASURES
from tests.unit.builders import checkpoint, job, spread, vertex

MINUTE_MS = 60_000
BEGIN_MS = 1_795_440_000_000
END_MS = BEGIN_MS + 180 * MINUTE_MS
SLOW = (60, 100)
FAILED, UPGRADED, RESCALED = 85, 100, 130
FAILING = (140, 152)
SILENT = (40, 55)
"""Minutes from the beginning."""


def snapshots(every_seconds: int = 30, begin_ms: int = BEGIN_MS) -> Iterator[FleetSnapshot]:
    """The fleet every so many seconds, moved to another beginning if need be."""
    for second in range(0, (END_MS - BEGIN_MS) // 1000 + 1, every_seconds):
        yield _at(second / 60, begin_ms)


def _at(minute: float, begin_ms: int) -> FleetSnapshot:
    now_ms = begin_ms + round(minute * MINUTE_MS)
    silent = SILENT[0] <= minute < SILENT[1]
    # The collector keeps showing what a source last said.
    edge_minute = min(minute, SILENT[0]) if silent else minute
    age_seconds = (minute - edge_minute) * 60
    edge = _inventory(edge_minute, begin_ms)
    return FleetSnapshot(
        taken_ms=now_ms,
        poll_seconds=0.2,
        sources=(
            SourceStatus("prod", "rest", "ok", 0.0, seconds=0.18 + 0.05 * sin(minute / 7)),
            SourceStatus("edge", "rest", "unreachable" if silent else "ok", age_seconds,
                         "connection refused" if silent else None, seconds=8.0 if silent else 0.4),
        ),
        clusters=(
            ClusterFacts(
                "prod", "2.3.0", taskmanagers=5, slots_total=20, slots_available=8 if minute < UPGRADED else 4
            ),
            *(() if silent else (ClusterFacts("edge", "2.3.0", taskmanagers=1, slots_total=4, slots_available=2),)),
        ),
        jobs=(_orders(minute, begin_ms), _prices(minute, begin_ms), _clicks(minute, begin_ms),
              _catalog(minute, begin_ms), edge),
    )  # fmt: skip


def _orders(minute: float, begin_ms: int) -> JobFacts:
    slow = SLOW[0] <= minute < SLOW[1]
    upgraded, failed = minute >= UPGRADED, FAILED <= minute < UPGRADED
    behind = min(minute - SLOW[0], 30.0) * 30 if slow else 4.0
    start_minute = UPGRADED if upgraded else FAILED if failed else -600
    return _job(
        "orders", minute, begin_ms, rate=600, behind_seconds=behind, state_bytes=2.0e9, grows=4e6,
        held=0.85 if slow else 0.02, busy=0.97 if slow else 0.45, parallelism=4 if upgraded else 2,
        latency=(1.1 + behind / 300) if slow else 0.12, pending=behind * 500 if slow else 900,
        id=("b" if upgraded else "a") * 32, restarts=1 if failed else 0,
        started_ms=_ms(UPGRADED if upgraded else -600, begin_ms), running_since_ms=_ms(start_minute, begin_ms) + 9_000,
        exceptions=(ExceptionFacts(_ms(FAILED, begin_ms), "java.net.SocketTimeoutException", "Read timed out"),)
        if failed else (),
        restored_ms=_ms(start_minute, begin_ms) if failed or upgraded else None,
    )  # fmt: skip


def _prices(minute: float, begin_ms: int) -> JobFacts:
    rescaled = minute >= RESCALED
    made = _job(
        "prices", minute, begin_ms, rate=2400, behind_seconds=9, state_bytes=6.5e9, grows=1e6, held=0.01,
        busy=0.5 if rescaled else 0.78, latency=0.35, pending=4000, parallelism=6 if rescaled else 4, id="c" * 32,
        rescales=(RescaleFacts(_ms(RESCALED, begin_ms), _ms(RESCALED, begin_ms) + 8_000, "COMPLETED"),)
        if rescaled else (),
    )  # fmt: skip
    seconds = minute * 60
    work, sink = made.vertices[1:]
    work = msgspec.structs.replace(
        work, late_records=spread(0, sum=seconds * 2), accepted=spread(0, sum=10_000 + seconds * 2400),
        unchanged_dropped=spread(0, sum=seconds * 1500), unchanged_dropped_per_second=spread(250, sum=1500.0),
    )  # fmt: skip
    sink = msgspec.structs.replace(
        sink, commit_age_seconds=(seconds * 7) % 50 + 2, commit_failed=0, commits=int(minute)
    )
    return msgspec.structs.replace(made, vertices=(made.vertices[0], work, sink))


def _clicks(minute: float, begin_ms: int) -> JobFacts:
    failing = FAILING[0] <= minute < FAILING[1]
    made = _job(
        "clicks", minute, begin_ms, namespace="ads", rate=9000, behind_seconds=2, state_bytes=4e8, grows=2e4,
        held=0.03, busy=0.3, latency=0.04, pending=200, id="d" * 32,
    )  # fmt: skip
    assert made.checkpoints
    count = max(0, int(min(minute, FAILING[1]) - FAILING[0]) + 1) if minute >= FAILING[0] else 0
    if not failing:
        return msgspec.structs.replace(made, checkpoints=msgspec.structs.replace(made.checkpoints, failed=count))
    newest = _ms(int(minute), begin_ms)
    failed = tuple(
        checkpoint(5000 + int(minute) - place, newest - place * MINUTE_MS, status="FAILED", state_size_bytes=None,
                   failure="Checkpoint expired before completing.")
        for place in range(min(count, 8))
    )  # fmt: skip
    done = _done(FAILING[0] - 1, begin_ms, 4e8)
    facts = msgspec.structs.replace(
        made.checkpoints, failed=count, history=(*failed, done), latest_completed=done,
        completed=int(FAILING[0]) + 900, latest_failed=failed[0] if failed else None,
    )  # fmt: skip
    return msgspec.structs.replace(made, checkpoints=facts)


def _catalog(minute: float, begin_ms: int) -> JobFacts:
    made = _job(
        "catalog", minute, begin_ms, rate=3, behind_seconds=1, state_bytes=0, grows=0, held=0.0, busy=0.01,
        latency=0.02, pending=0, parallelism=1, id="e" * 32,
    )  # fmt: skip
    vertices = tuple(msgspec.structs.replace(each, watermark_ms=None, state_keys=None) for each in made.vertices)
    return msgspec.structs.replace(made, vertices=vertices, checkpoints=CheckpointsFacts(enabled=False))


def _inventory(minute: float, begin_ms: int) -> JobFacts:
    return _job(
        "inventory", minute, begin_ms, namespace="stock", cluster="edge", rate=45, behind_seconds=30, state_bytes=9e7,
        grows=0, held=0.0, busy=0.08, latency=0.5, pending=3, parallelism=1, id="f" * 32,
    )  # fmt: skip


def _job(
    name: str, minute: float, begin_ms: int, *, rate: float, behind_seconds: float, state_bytes: float, grows: float,
    held: float, busy: float, latency: float, pending: float, parallelism: int = 2, namespace: str = "shop",
    cluster: str = "prod", restored_ms: int | None = None, **fields: object,
) -> JobFacts:  # fmt: skip
    """source -> work -> sink under a load that has its waves."""
    now_ms = _ms(minute, begin_ms)
    rate *= 1 + 0.25 * sin(2 * pi * minute / 55 + len(name))
    rate *= 1 - held * 0.6
    size = state_bytes + grows * minute
    watermark = now_ms - round(behind_seconds * 1000)
    common = {
        "parallelism": parallelism,
        "watermark_ms": Spread(min=watermark, max=watermark),
        "measured": {each.name: spread(0.01) for each in MEASURES},
    }
    flow, third = spread(rate / parallelism, sum=rate), spread(rate / 3 / parallelism, sum=rate / 3)
    source = vertex(
        "source", busy_ratio=spread(0.05), backpressured_ratio=spread(held), records_in_per_second=flow,
        records_out_per_second=flow, pending_records=spread(0, sum=pending), source_idle_seconds=spread(0.2),
        records_in=round(rate * minute * 60) + 1, **common,
    )  # fmt: skip
    work = vertex(
        "work", "source", busy_ratio=spread(busy * 0.6), backpressured_ratio=spread(held * 0.9),
        records_in_per_second=flow, records_out_per_second=third, state_keys=spread(0, sum=size / 120), **common,
    )  # fmt: skip
    sink = vertex(
        "sink", "work", busy_ratio=spread(busy), records_in_per_second=third, latency_p50_seconds=spread(latency / 5),
        latency_p99_seconds=spread(latency * (1 + 0.1 * sin(minute))), **common,
    )  # fmt: skip
    done = tuple(_done(int(minute) - place, begin_ms, size) for place in range(4))
    facts = CheckpointsFacts(
        enabled=True, interval_seconds=60.0, timeout_seconds=600.0, completed=int(minute) + 900, failed=0,
        in_progress=0, latest_completed=done[0], history=done,
        restored=RestoredFacts(800, restored_ms, False) if restored_ms else None,
    )  # fmt: skip
    return job(**{
        "name": name, "cluster": cluster, "namespace": namespace, "seen_ms": now_ms,
        "started_ms": _ms(-600, begin_ms), "running_since_ms": _ms(-599, begin_ms),
        "vertices": (source, work, sink), "checkpoints": facts, **fields,
    })  # fmt: skip


def _done(minute: int, begin_ms: int, size: float) -> CheckpointFacts:
    seconds = 2 + 3 * (1 + sin(minute / 9))
    at_ms = _ms(minute, begin_ms) - 20_000
    return checkpoint(
        900 + minute, at_ms, duration_seconds=seconds, acknowledged_ms=at_ms + round(seconds * 1000),
        state_size_bytes=round(size), checkpointed_size_bytes=round(size / 40),
    )  # fmt: skip


def _ms(minute: float, begin_ms: int) -> int:
    return begin_ms + round(minute * MINUTE_MS)
