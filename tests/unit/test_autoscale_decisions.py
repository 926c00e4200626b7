"""What the autoscaler decides on a hundred windows of any kind, in numbers: a bound or a sign that changes shows here.

`FLINKOPS_UPDATE_GOLDEN=1 pytest tests/unit/test_autoscale_decisions.py` writes the file anew: read the difference.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

import msgspec

from flinkops.autoscale.controller import Controller
from flinkops.autoscale.decide import decide
from flinkops.autoscale.memory import Memory, Scaling, Wanted
from flinkops.autoscale.replay import measured
from flinkops.autoscale.settings import Settings, operator_defaults
from flinkops.autoscale.simulate import Simulation, Stage, World, simulate
from flinkops.autoscale.window import Sample, Window
from tests.goldens import numbers_of, same_as_golden
from tests.unit.autoscale_cases import AT_ONCE, START_MS, Part, chain

SEEDS = range(120)


def test_every_decision_is_as_it_was() -> None:
    same_as_golden("autoscale-decisions.txt", "".join(f"{line}\n" for seed in SEEDS for line in decided(seed)))


def test_every_simulated_hour_is_as_it_was() -> None:
    same_as_golden("autoscale-simulations.txt", "".join(f"{line}\n" for seed in range(12) for line in simulated(seed)))


def simulated(seed: int) -> Iterator[str]:
    """A load that doubles and falls again, and what a recording of that hour is measured as."""
    draw = random.Random(seed)
    stages = [
        Stage("src", 200.0, sends=draw.choice((1.0, 2.0)), partitions=draw.choice((None, 8))),
        Stage("work", 60.0, {"src": "HASH"}, parallelism=2, skew=draw.choice((1.0, 1.5)), max_parallelism=12),
        Stage("left", 90.0, {"work": "FORWARD"}, sends=0.5, parallelism=2),
        Stage("sink", 80.0, {"work": "REBALANCE", "left": "REBALANCE"}),
    ]
    chosen = msgspec.structs.replace(
        Settings(),
        metrics_window_seconds=300.0,
        stabilization_seconds=60.0,
        scale_down_interval_seconds=draw.choice((0.0, 600.0)),
        catch_up_seconds=draw.choice((300.0, 1800.0)),
    )
    world = World(pause_seconds=30.0, slots=draw.choice((None, 6)), noise=draw.choice((0.0, 0.05)), seed=seed)
    outcome = simulate(stages, lambda at: 160.0 if 900 <= at < 2_400 else 80.0, Controller(chosen), 3_600.0, world)
    yield (
        f"== {seed}: {outcome.rescales} rescales, {outcome.slot_hours:.6g} slot hours, "
        f"lag {outcome.peak_lag_records:.6g} {outcome.mean_lag_records:.6g}"
    )
    for each in outcome.moments[::6]:
        flow = f"{each.arrived_per_second:.6g} in, {each.lag_records:.6g} wait"
        yield f"{each.seconds:g}: {flow}, {dict(each.parallelism)}"
    job = Simulation(stages, lambda at: 100.0 + at / 60, world)
    found = measured([job.step() for _ in range(20)], chosen)
    shown = msgspec.json.decode(msgspec.json.encode(found))
    yield json.dumps(_short(shown))


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def decided(seed: int) -> Iterator[str]:
    draw = random.Random(seed)
    chosen, seen = settings(draw), window(draw)
    now_ms = seen.samples[-1].at_ms + draw.choice((*[0] * 12, 1_500, 60_000, 60_001, -61_000))
    decision, memory = decide(seen, chosen, remembered(draw, seen), now_ms)
    held = "; ".join(numbers_of(each) for each in decision.blocked_by)
    yield f"== {seed}: {decision.verdict} {len(decision.blocked_by)} [{held}] rising {memory.rising_since_ms}"
    for each in decision.vertices:
        rates = (each.true_processing_rate, each.target_rate, each.expected_rate, each.utilization, each.lag_records)
        told = " ".join("-" if rate is None else f"{rate:.6g}" for rate in rates)
        until = "-" if each.waits_until_ms is None else each.waits_until_ms - START_MS
        waits = [(one.at_ms - START_MS, one.parallelism) for one in memory.waiting.get(each.id, ())]
        yield f"{each.id} {each.current}>{each.recommended} {'out' if each.outside else 'in'}: {told} | {until} {waits}"
        yield f"  {numbers_of(each.why)}"


def settings(draw: random.Random) -> Settings:
    base = draw.choice((AT_ONCE, AT_ONCE, operator_defaults(), Settings()))
    return msgspec.structs.replace(
        base,
        metrics_window_seconds=draw.choice((20.0, 40.0, 60.0, 60.0, 66.0, 67.0)),
        stabilization_seconds=draw.choice((*[0.0] * 8, 10.0, 30.0)),
        utilization_target=draw.choice((0.5, 0.7, 0.9)),
        utilization_boundary=draw.choice((0.1, 0.3)),
        utilization_max=draw.choice((None, None, 0.95)),
        scale_down_interval_seconds=draw.choice((0.0, 0.0, 30.0, 3600.0)),
        min_parallelism=draw.choice((1, 1, 2)),
        max_parallelism=draw.choice((3, 16, 200)),
        vertex_limits=draw.choice(({}, {}, {"work": (2, 5)})),
        max_scale_up_factor=draw.choice((100_000.0, 1.0)),
        catch_up_seconds=draw.choice((1800.0, 60.0, 0.0)),
        backlog_lag_seconds=draw.choice((300.0, 5.0)),
        observe_lag_seconds=draw.choice((30.0, 1.0)),
        alignment=draw.choice(("balanced", "evenly-spread", "off")),
        rates=draw.choice(("fit", "ends")),
        busy=draw.choice(("skewed", "avg", "max")),
        settle_seconds=draw.choice((0.0, 120.0)),
        quota_slots=draw.choice((None, None, 4)),
        exclude=draw.choice(((), (), (), ("sink",))),
    )


def window(draw: random.Random) -> Window:
    load = draw.choice((1.0, 50.0, 400.0, 5_000.0))
    parts, rate = [], load
    for name, inputs in (("src", {}), ("work", {"src": "HASH"}), ("sink", {"work": "REBALANCE"})):
        parallelism, sends = draw.randint(1, 6), draw.choice((0.5, 1.0, 1.0, 3.0))
        parts.append(
            Part(
                name,
                rate_each=rate / parallelism / draw.choice((0.05, 0.3, 0.72, 0.97, 1.0)),
                parallelism=parallelism,
                inputs=inputs,
                sends=sends,
                max_parallelism=draw.choice((8, 12, 128)),
                partitions=draw.choice((None, 4, 12)) if not inputs else None,
                lag=draw.choice((0.0, 0.0, 500.0, 50_000.0)),
                lag_grows=draw.choice((0.0, 0.0, 2.0, -1.0)),
            )
        )
        rate *= sends
    made = chain(
        load, *parts, polls=draw.choice((1, 2, 5, *[7] * 8, *[9] * 8)), slots_free=draw.choice((None, None, 0, 2, 10))
    )
    running = draw.choice((*[3600.0] * 10, 0.0, -25.0))
    samples = tuple(_marred(each, index, draw) for index, each in enumerate(made.samples))
    return msgspec.structs.replace(made, samples=samples, running_since_ms=START_MS - round(running * 1000))


def _marred(sample: Sample, index: int, draw: random.Random) -> Sample:
    """As Flink tells it: some numbers fail, some rise, memory runs short."""
    vertices = {}
    for name, one in sample.vertices.items():
        kind = draw.randrange(200)
        fields: dict[str, float | None] = {}
        if kind == 0:
            fields = {draw.choice(("records_in", "busy_ms", "busy_max_ratio", "pending_records")): None}
        elif kind < 20:
            fields = {"backpressured_ratio": draw.choice((0.2, 0.9, 1.0))}
        elif kind < 50:
            fields = {"busy_avg_ratio": (one.busy_avg_ratio or 0.0) / 2}
        elif kind < 60:
            fields = {"records_in": (one.records_in or 0.0) * (1 + 0.001 * index * index)}
        vertices[name] = msgspec.structs.replace(one, **fields)
    memory = draw.choice((*[(None, None)] * 5, (0.1, 0.5), (0.5, 0.95), (0.51, 0.5), (0.1, 0.96)))
    return Sample(sample.at_ms, vertices, gc_ratio=memory[0], heap_ratio=memory[1])


def remembered(draw: random.Random, seen: Window) -> Memory:
    last_ms = seen.samples[-1].at_ms
    waiting = {
        vertex.id: tuple(
            Wanted(last_ms - age_ms, draw.randint(1, 5), draw.random() < 0.7)
            for age_ms in sorted(
                draw.sample((3_700_000, 40_000, 30_000, 20_000, 10_000), draw.randint(1, 3)), reverse=True
            )
        )
        for vertex in seen.vertices
        if draw.random() < 0.4
    }
    scalings = tuple(
        Scaling(
            last_ms - 600_000,
            vertex.id,
            max(1, vertex.parallelism - 1),
            vertex.parallelism,
            100.0,
            draw.choice((100.0, 105.0, 500.0)),
        )
        for vertex in seen.vertices
        if draw.random() < 0.3
    )
    return Memory(waiting, draw.choice((None, None, last_ms - 10_000, last_ms - 200_000)), scalings)
