"""Windows of metrics, as a job with known capacities would show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flinkops.autoscale.decide import Decision, decide
from flinkops.autoscale.memory import Memory
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.window import Sample, Vertex, VertexSample, Window, in_order
from flinkops.model.facts import Spread, VertexFacts

START_MS = 1_700_000_000_000
STEP_MS = 10_000
POLLS = 7
AT_ONCE = Settings(metrics_window_seconds=60.0, scale_down_interval_seconds=0.0, stabilization_seconds=0.0)


@dataclass(frozen=True)
class Part:
    """A vertex whose subtasks each process `rate_each`, and send `sends` records on for each that comes in."""

    id: str
    rate_each: float
    parallelism: int = 1
    inputs: Mapping[str, str] = field(default_factory=dict)
    sends: float = 1.0
    max_parallelism: int = 128
    partitions: int | None = None
    lag: float = 0.0
    lag_grows: float = 0.0


def chain(
    load: float,
    *parts: Part,
    polls: int = POLLS,
    running_for_seconds: float = 3600.0,
    slots_free: int | None = None,
) -> Window:
    """A window in which `load` records a second come into each source and all keep up."""
    incoming: dict[str, float] = {}
    vertices = []
    for part in parts:
        sent = [incoming[up] * next(p.sends for p in parts if p.id == up) for up in part.inputs]
        incoming[part.id] = sum(sent) if part.inputs else load
        vertices.append(
            Vertex(
                id=part.id,
                name=part.id,
                parallelism=part.parallelism,
                max_parallelism=part.max_parallelism,
                inputs=dict(part.inputs),
                partitions=part.partitions,
            )
        )
    return Window(
        job="job",
        state="RUNNING",
        vertices=in_order(vertices),
        samples=tuple(_sample(parts, incoming, index) for index in range(polls)),
        running_since_ms=START_MS - round(running_for_seconds * 1000),
        slots_free=slots_free,
    )


def now_ms(window: Window) -> int:
    """When the newest poll was taken."""
    return window.samples[-1].at_ms


def decided(window: Window, settings: Settings = AT_ONCE, memory: Memory | None = None) -> Decision:
    """The decision alone."""
    return decide(window, settings, memory or Memory(), now_ms(window))[0]


def recommended(decision: Decision) -> dict[str, int]:
    """By vertex."""
    return {each.id: each.recommended for each in decision.vertices}


def _sample(parts: Sequence[Part], incoming: Mapping[str, float], index: int) -> Sample:
    at_ms = START_MS + index * STEP_MS
    seconds = 1000 + index * STEP_MS / 1000
    return Sample(at_ms, {part.id: _metrics(part, incoming[part.id], seconds) for part in parts})


def _metrics(part: Part, rate: float, seconds: float) -> VertexSample:
    busy = rate / (part.rate_each * part.parallelism)
    return VertexSample(
        records_in=rate * seconds,
        records_out=rate * part.sends * seconds,
        busy_max_ratio=busy,
        busy_avg_ratio=busy,
        busy_ms=busy * part.parallelism * 1000 * seconds,
        backpressured_ratio=0.0,
        pending_records=None if part.inputs else max(0.0, part.lag + part.lag_grows * (seconds - 1000)),
        records_in_per_second=rate,
    )


def source_and_work(poll: int, busy: float = 0.98) -> tuple[VertexFacts, VertexFacts]:
    """Ten seconds a poll: 98 records a second through a source that keeps up and an operator that is so busy."""
    seconds = 1_000 + 10 * poll
    source = VertexFacts(
        id="s",
        name="Source: orders",
        parallelism=1,
        max_parallelism=128,
        status="RUNNING",
        records_in=98 * seconds,
        accumulated_busy_ms=10.0 * seconds,
        busy_ratio=Spread(max=0.01, avg=0.01),
        pending_records=Spread(sum=0.0),
    )
    work = VertexFacts(
        id="w",
        name="enrich",
        parallelism=1,
        max_parallelism=128,
        status="RUNNING",
        upstream=("s",),
        input_ships=("HASH",),
        records_in=98 * seconds,
        accumulated_busy_ms=busy * 1000 * seconds,
        busy_ratio=Spread(max=busy, avg=busy),
    )
    return source, work
