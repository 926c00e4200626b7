"""A generator of fleets in all kinds of state: deterministic, from a seed, at any size."""

import functools
import random

from flinkops.clock import iso_utc
from flinkops.model.assessment import (
    LEVEL_ORDER,
    Backpressure,
    Bottleneck,
    Checkpoints,
    Commit,
    FleetAssessment,
    Health,
    JobAssessment,
    Latency,
    Level,
    Reason,
    VertexAssessment,
    brief,
)
from flinkops.model.facts import (
    CheckpointFacts,
    CheckpointPhases,
    CheckpointsFacts,
    ClusterFacts,
    ExceptionFacts,
    FleetSnapshot,
    JobFacts,
    RescaleFacts,
    RestoredFacts,
    SourceStatus,
    VertexFacts,
)
from flinkops.model.history import JobSample
from flinkops.model.measures import MEASURES
from flinkops.model.observation import Observation
from flinkops.model.reasons import ReasonCode

T0_MS = 1_795_442_551_000  # 2026-11-23T14:02:31Z
INTERVAL_SECONDS = 5.0
HOSTILE_NAMES = (
    "[bold red]not markup[/] [@click=app.quit]x[/]",
    "esc\x1b[31mred\x1b]0;title\x07\x1b[2J",
    "שלום-עולם-rtl",
    "over\u202eride\u2066x",
    "在庫集計ジョブ-価格",
    "x" * 200,
    "tab\tnew\nline\rreturn",
    "emoji-🚀-👩‍💻-job",
)
_WORDS = ("orders", "prices", "clicks", "stock", "payments", "sessions", "fraud", "search", "carts", "returns", "ads")
_VERBS = ("enrich", "aggregate", "join", "dedup", "score", "index", "alert", "archive", "route", "count")


@functools.cache
def fleet(jobs: int, *, poll: int = 0, seed: int = 7, hostile: bool = False, all_ok: bool = False) -> Observation:
    """`jobs` jobs at the poll number `poll`, five seconds apart; every value moves from poll to poll."""
    now_ms = T0_MS + round(poll * INTERVAL_SECONDS * 1000)
    clusters = [f"flink-{index:02d}" for index in range(max(1, min(12, jobs // 8)))]
    made = [
        _job(number, poll, now_ms, seed, clusters[number % len(clusters)], hostile=hostile, all_ok=all_ok)
        for number in range(jobs)
    ]
    ordered = tuple(sorted(made, key=lambda job: (LEVEL_ORDER[job.health.level], job.name)))
    sources = tuple(
        SourceStatus(name=name, kind="rest", state="ok", age_seconds=0.4, requests=24, seconds=0.21)
        if all_ok or index != 5
        else SourceStatus(name=name, kind="rest", state="unreachable", age_seconds=272.0, error="connection refused")
        for index, name in enumerate(clusters)
    )
    return Observation(
        snapshot=FleetSnapshot(
            taken_ms=now_ms,
            poll_seconds=0.43,
            sources=sources,
            clusters=tuple(
                ClusterFacts(name=name, flink_version="2.3.0", ui_url=f"http://{name}.example:8081")
                for name in clusters
            ),
            jobs=tuple(job.facts for job in ordered if job.facts),
        ),
        assessment=FleetAssessment(taken_ms=now_ms, poll_seconds=0.43, sources=sources, jobs=ordered),
        history={job.key: _samples(job, now_ms) for job in ordered},
    )


def _level(number: int, cluster: str, *, all_ok: bool) -> Level:
    if all_ok:
        return "ok"
    if cluster == "flink-05":
        return "unknown"
    return {1: "critical", 4: "warning", 9: "unknown"}.get(number % 17, "ok")  # type: ignore[return-value]


_CHECKPOINT_FAILURES = (
    "Checkpoint expired before completing",
    "IOException: 503 Slow Down by s3://state",
    "ConnectException: broker 3 refused",
    "OutOfMemoryError: Java heap space",
    "NoSuchFileException: shared/9f1c",
)


def _reasons(level: Level, number: int, now_ms: int, stale: bool) -> tuple[Reason, ...]:
    since = now_ms - 60_000 * (3 + number % 50)
    if stale:
        return (
            Reason(ReasonCode.SOURCE_UNREACHABLE, "no answer from its cluster: connection refused", level="unknown"),
        )
    cause = _CHECKPOINT_FAILURES[number % len(_CHECKPOINT_FAILURES)]
    choices: dict[str, tuple[Reason, ...]] = {
        "critical": (
            Reason(
                ReasonCode.CHECKPOINT_FAILING,
                f"the last 4 checkpoints failed: {cause}",
                4,
                3,
                "critical",
                since,
                brief(cause, ", 4 checkpoints in a row"),
            ),
            Reason(ReasonCode.LATENCY_HIGH, "p99 latency 4.2 s over its limit of 1 s", 4.2, 1.0, "critical", since),
            Reason(
                ReasonCode.BACKPRESSURE_HIGH,
                "backpressured 93% of the time, by sink: external call",
                0.93,
                0.5,
                "warning",
                since,
            ),
        ),
        "warning": (Reason(ReasonCode.SKEW_HIGH, "watermark 4m behind, limit 2m", 240, 120, "warning", since),),
        "unknown": (
            Reason(ReasonCode.LATENCY_UNKNOWN, "no metrics yet: started 12 s ago", level="unknown", since_ms=since),
        ),
        "ok": (),
    }
    return choices[level]


_LARGEST = {"pending_records": 9_000.0, "source_idle_seconds": 3.0, "busy_ratio": 1.0, "mailbox_latency_seconds": 0.02}


def _measures(luck: random.Random, *, known: bool) -> dict[str, float | None]:
    """Drawn from a copy, so that what is drawn after them stays what it was."""
    own = random.Random(repr(luck.getstate()[1][:3]))
    return {each.name: round(own.random() * _LARGEST.get(each.name, 1.0), 3) if known else None for each in MEASURES}


def _job(number: int, poll: int, now_ms: int, seed: int, cluster: str, *, hostile: bool, all_ok: bool) -> JobAssessment:
    luck = random.Random(f"{seed}/{number}/{poll}")
    level = _level(number, cluster, all_ok=all_ok)
    stale = cluster == "flink-05" and not all_ok
    blind = level == "unknown"
    name = f"{_WORDS[number % len(_WORDS)]}-{_VERBS[number // len(_WORDS) % len(_VERBS)]}-{number:03d}"
    if hostile and number < len(HOSTILE_NAMES):
        name = HOSTILE_NAMES[number]
    reasons = _reasons(level, number, now_ms, stale)
    facts = _facts(number, poll, now_ms, name, cluster, luck, failing=level == "critical")
    rate = None if blind else luck.uniform(200, 20_000)
    state = luck.uniform(1e6, 9e9)
    return JobAssessment(
        id=facts.id, name=name, namespace="shop" if number % 3 else "ads", cluster=cluster, flink_version="2.3.0",
        kind="rest", state="RESTARTING" if level == "critical" and number % 2 else "RUNNING", lifecycle_state=None,
        uptime_seconds=3600.0 * (1 + number % 90), parallelism=1 + number % 8,
        restarts=3 if level == "critical" else 0,
        health=Health(level, reasons, reasons[0].since_ms if reasons else now_ms - 3_600_000),
        records_in_per_second=rate, records_out_per_second=None if rate is None else rate / 9,
        records_dropped_per_second=None if rate is None else rate * 0.9, late_records=number % 5 * 12,
        late_ratio=0.0004, measures=_measures(luck, known=not blind),
        processing_latency_seconds=None if blind else Latency(
            luck.uniform(0.004, 0.04), 4.2 if level == "critical" else luck.uniform(0.04, 0.9),
            "measured" if number % 4 else "estimated"),
        event_time_skew_seconds=None if blind else 240.0 if level == "warning" else luck.uniform(2, 60),
        watermark=iso_utc(now_ms - 30_000), state_bytes=None if blind else round(state), state_keys=round(state / 90),
        state_bytes_per_key=90.0, state_growth_bytes_per_hour=luck.uniform(-1e6, 9e7),
        backpressure=None if blind else Backpressure(
            "high" if level == "critical" else "none", 0.93 if level == "critical" else luck.uniform(0, 0.1),
            Bottleneck("Sink: table", "external call: async 3 s", "external") if level == "critical" else None),
        checkpoints=None if blind else Checkpoints(
            "FAILED" if level == "critical" else "COMPLETED", luck.uniform(0.2, 9), luck.uniform(1, 60),
            round(state / 9), 60.0, 4 if level == "critical" else 0, 120 + poll, 4 if level == "critical" else 0,
            "Checkpoint expired before completing." if level == "critical" else None),
        commits={"iceberg": Commit("SUCCESS", luck.uniform(1, 60))} if number % 2 == 0 else None,
        vertices=_vertices(luck, blind=blind, pressed=level == "critical"),
        unknown={"records_in_per_second": "no metrics yet", "checkpoints": "no metrics yet"} if blind else {},
        data_age_seconds=272.0 if stale else 0.4, facts=facts,
    )  # fmt: skip


def _vertices(luck: random.Random, *, blind: bool, pressed: bool) -> tuple[VertexAssessment, ...]:
    names = ("Source: scrapes", "Source: products", "Dedup -> Calc", "Window(5 min)", "Sink: table")
    made = []
    for index, name in enumerate(names):
        busy = 0.97 if pressed and index == 4 else luck.uniform(0.05, 0.6)
        held = 0.0 if index == 4 else (0.93 if pressed and busy < 0.97 else 0.0)
        busy = min(busy, 1 - held)
        made.append(
            VertexAssessment(
                f"v{index}", name, 1 + index % 3, None if blind else busy, None if blind else held,
                None if blind else 1 - busy - held, None if blind else luck.uniform(90, 9e3),
                None if blind else luck.uniform(90, 9e3), None, "known", 0.8, luck.uniform(1, 60),
                round(luck.uniform(1, 9e6)),
            )
        )  # fmt: skip
    return tuple(made)


_UPSTREAM: tuple[tuple[str, ...], ...] = ((), (), ("v0", "v1"), ("v2",), ("v3",))


def _facts(
    number: int, poll: int, now_ms: int, name: str, cluster: str, luck: random.Random, *, failing: bool
) -> JobFacts:
    failure = "Checkpoint expired before completing." if failing else None
    history = tuple(
        CheckpointFacts(
            id=120 + poll - index, status="FAILED" if failure and index < 4 else "COMPLETED", is_savepoint=index == 6,
            triggered_ms=now_ms - 60_000 * (index + 1), duration_seconds=luck.uniform(0.2, 9),
            state_size_bytes=round(luck.uniform(1e6, 9e9)), checkpointed_size_bytes=round(luck.uniform(1e5, 9e7)),
            acknowledged_subtasks=11 if failure and index < 4 else 12, subtasks=12,
            external_path=None if failure and index < 4 else f"s3://flink/{number:032x}/chk-{120 + poll - index}",
            failure=failure if index < 4 else None,
        )
        for index in range(10)
    )  # fmt: skip
    return JobFacts(
        id=f"{number * 7919 + 1:032x}", name=name, cluster=cluster, seen_ms=now_ms,
        namespace="shop" if number % 3 else "ads",
        flink_version="2.3.0", state="RUNNING", started_ms=now_ms - 3_600_000, max_parallelism=128,
        vertices=tuple(
            VertexFacts(id=f"v{index}", name=f"v{index}", parallelism=1, status="RUNNING", upstream=upstream)
            for index, upstream in enumerate(_UPSTREAM)
        ),
        checkpoints=CheckpointsFacts(
            enabled=True, interval_seconds=60.0, timeout_seconds=600.0, state_backend="rocksdb", completed=120 + poll,
            failed=4 if failing else 0, latest_savepoint=history[6], latest_completed=history[5], history=history,
            phases=CheckpointPhases("Sink: table", 0.2, 1.4, 0.1, 3.1, 4.8, 9_000_000, 12, 12),
            restored=RestoredFacts(113, now_ms - 3_600_000, True, "s3://flink/savepoints/savepoint-4ac5e1-0d"),
        ),
        exceptions=(
            ExceptionFacts(now_ms - 180_000, "java.net.SocketTimeoutException", "Read timed out after 30000 ms",
                           "Sink: table (3/4)", "10.0.3.17:41513"),
            ExceptionFacts(now_ms - 400_000, "org.apache.flink.util.FlinkRuntimeException",
                           "Exceeded checkpoint tolerable failure threshold.", None, None),
        ) if failing else (),
        rescales=(RescaleFacts(now_ms - 900_000, now_ms - 890_500, "COMPLETED", "UPDATE_REQUIREMENT", "SUCCEEDED"),),
        configuration={"execution.checkpointing.interval": "60 s", "state.backend.type": "rocksdb",
                       "jobmanager.scheduler": "adaptive", "s3.secret-key": "******"},
    )  # fmt: skip


def _samples(job: JobAssessment, now_ms: int, polls: int = 60) -> tuple[JobSample, ...]:
    luck = random.Random(job.name)
    latency = job.processing_latency_seconds
    return tuple(
        JobSample(
            at_ms=now_ms - round((polls - 1 - index) * INTERVAL_SECONDS * 1000), state=job.state, job_id=job.id,
            records_in_per_second=_around(job.records_in_per_second, luck),
            latency_p99_seconds=_around(latency.p99 if latency else None, luck),
            skew_seconds=_around(job.event_time_skew_seconds, luck),
            state_bytes=None if job.state_bytes is None else round(job.state_bytes * (0.7 + index / 200)),
            backpressured_ratio=min(1.0, _around(job.backpressure.ratio, luck) or 0) if job.backpressure else None,
            checkpoint_duration_seconds=_around(job.checkpoints.duration_seconds if job.checkpoints else None, luck),
        )
        for index in range(polls)
    )  # fmt: skip


def _around(value: float | None, luck: random.Random) -> float | None:
    return None if value is None or luck.random() < 0.02 else value * luck.uniform(0.6, 1.1)
