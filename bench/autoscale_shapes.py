"""37 shapes of load, a simulated day each: flinkops, the operator's autoscaler, and DS2 as published, side by side.

`python -m bench.autoscale_shapes [--slo-seconds 60] [--seeds 3]` prints a table, then one JSON line a shape. The same
jobs, noise and poll for all; each with its own defaults. The operator's decisions are flinkops' arithmetic with the
operator's settings, held against flink-autoscaler by the differential test. `ideal`: the least slots that the load of
each minute needs at full utilization, without a rescale ever taking time: no policy can reach it.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bench._ds2 import Ds2
from bench._load_shapes import DAY_SECONDS, SHAPES
from flinkops.autoscale.controller import Controller
from flinkops.autoscale.settings import Settings, operator_defaults
from flinkops.autoscale.simulate import Load, Outcome, Stage, World, simulate

BASE_RATE = 2_000.0
STAGES = (
    Stage("source", 4_000.0, partitions=48),
    Stage("parse", 900.0, {"source": "FORWARD"}, sends=0.8),
    Stage("keyed", 350.0, {"parse": "HASH"}, sends=0.5, skew=1.2),
    Stage("sink", 700.0, {"keyed": "REBALANCE"}),
)
POLICIES: Mapping[str, Callable[[], Controller]] = {
    "flinkops": lambda: Controller(Settings()),
    "flinkops, restarts not timed": lambda: Controller(Settings(track_restart=False)),
    "operator": lambda: Controller(operator_defaults()),
    "DS2 1 min, 1.43": lambda: Ds2(target_rate_ratio=1 / 0.7),
    "DS2 5 min, 1.2": lambda: Ds2(policy_interval_seconds=300.0, target_rate_ratio=1.2),
    "DS2 5 min, 1.43": lambda: Ds2(policy_interval_seconds=300.0, target_rate_ratio=1 / 0.7),
    "DS2 5 min, 1.43, 3 in a row": lambda: Ds2(policy_interval_seconds=300.0, target_rate_ratio=1 / 0.7, activation=3),
}


@dataclass(frozen=True)
class Figures:
    """One policy on one shape, means over the seeds. `late_ratio`: of the day, with more lag than the SLO."""

    rescales: float
    slot_hours: float
    late_ratio: float
    longest_lag_seconds: float


def lag_seconds(outcome: Outcome, load: Load) -> list[float]:
    """How old the oldest record that waits is, at each moment: counted back over what arrived."""
    found = []
    for index, moment in enumerate(outcome.moments):
        left, behind, at = moment.lag_records, 0.0, index
        while left > 0 and at >= 0:
            arrived = load(outcome.moments[at].seconds) * outcome.step_seconds
            behind += outcome.step_seconds * (min(1.0, left / arrived) if arrived else 1.0)
            left, at = left - arrived, at - 1
        found.append(behind)
    return found


def figures(outcomes: Iterable[Outcome], load: Load, slo_seconds: float) -> Figures:
    """The means of several runs of one policy on one shape."""
    runs = list(outcomes)
    lags = [lag_seconds(each, load) for each in runs]
    return Figures(
        rescales=statistics.fmean(each.rescales for each in runs),
        slot_hours=statistics.fmean(each.slot_hours for each in runs),
        late_ratio=statistics.fmean(sum(lag > slo_seconds for lag in each) / len(each) for each in lags),
        longest_lag_seconds=max(max(each) for each in lags),
    )


def ideal_slot_hours(load: Load, step_seconds: float) -> float:
    """What each minute needs at full utilization, summed over the day."""
    total = 0
    for number in range(round(DAY_SECONDS / step_seconds)):
        incoming, widest = load(number * step_seconds), 1
        for stage in STAGES:
            widest = max(widest, math.ceil(incoming * stage.skew / stage.rate_each))
            incoming *= stage.sends
        total += widest
    return total * step_seconds / 3600


def _rate(name: str, seconds: float) -> float:
    return BASE_RATE * SHAPES[name](seconds)


def run(name: str, seeds: int, slo_seconds: float) -> dict[str, Figures]:
    """All policies on one shape."""

    load = partial(_rate, name)
    found = {}
    for policy, make in POLICIES.items():
        worlds = [World(step_seconds=60.0, pause_seconds=20.0, noise=0.05, seed=seed) for seed in range(seeds)]
        found[policy] = figures(
            (simulate(_sized(load(0.0)), load, make(), DAY_SECONDS, w) for w in worlds), load, slo_seconds
        )
    return found


def _sized(rate: float) -> Sequence[Stage]:
    """The stages at the parallelism that the first minute needs at 70 %: nobody is judged by a start from one."""
    sized, incoming = [], rate
    for stage in STAGES:
        needed = max(1, math.ceil(incoming * stage.skew / stage.rate_each / 0.7))
        sized.append(
            Stage(stage.id, stage.rate_each, stage.inputs, stage.sends, needed, 128, stage.partitions, stage.skew)
        )
        incoming *= stage.sends
    return sized


def main() -> None:
    """Run all, print the table and the raw lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slo-seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    began = time.process_time()
    results = {name: run(name, given.seeds, given.slo_seconds) for name in SHAPES}
    ideal = {name: ideal_slot_hours(partial(_rate, name), 60.0) for name in SHAPES}
    print(
        f"{len(SHAPES)} shapes, {given.seeds} seeds, SLO {given.slo_seconds:g} s,"
        f" {time.process_time() - began:.0f} s of CPU"
    )
    print(f"{'by':28} {'rescales':>9} {'slot-hours':>11} {'x ideal':>8} {'over the SLO':>13} {'longest lag':>12}")
    for policy in POLICIES:
        all_of = [results[name][policy] for name in SHAPES]
        slots = sum(each.slot_hours for each in all_of)
        print(
            f"{policy:28} {sum(each.rescales for each in all_of):9.1f} {slots:11.0f} {slots / sum(ideal.values()):8.2f}"
            f" {statistics.fmean(each.late_ratio for each in all_of):13.2%}"
            f" {max(each.longest_lag_seconds for each in all_of):11.0f}s"
        )
    for name in SHAPES:
        print(
            json.dumps(
                {"shape": name, "ideal": round(ideal[name], 1), **{p: vars(f) for p, f in results[name].items()}}
            )
        )


if __name__ == "__main__":
    main()
