"""120 simulated jobs, a day each: `python -m bench.autoscale_fleet [JOBS]`. Prints one JSON document.

Pipelines of three to five vertices whose load breathes by the day, with noise, spikes and a step somewhere; each under
flinkops' settings, under the operator's defaults, and as it would have to be sized without any autoscaler.
"""

import json
import math
import random
import sys
import time
from typing import Any

from flinkops.autoscale.controller import Controller
from flinkops.autoscale.settings import Settings, operator_defaults
from flinkops.autoscale.simulate import Load, Outcome, Stage, World, simulate

DAY = 86_400.0
WORLD = World(step_seconds=60.0, pause_seconds=20.0, noise=0.05)
OURS = Settings(metrics_window_seconds=300.0, stabilization_seconds=60.0, scale_down_interval_seconds=1800.0)


def pipeline(chance: random.Random) -> list[Stage]:
    stages = [Stage("source", chance.uniform(2_000, 20_000), partitions=chance.choice([None, 12, 48]))]
    for number in range(chance.randint(2, 4)):
        stages.append(
            Stage(
                f"v{number}",
                chance.uniform(50, 2_000),
                {stages[-1].id: chance.choice(["HASH", "FORWARD", "REBALANCE"])},
                sends=chance.uniform(0.3, 1.5),
                skew=chance.choice([1.0, 1.0, 1.3]),
            )
        )
    return stages


def load(chance: random.Random) -> Load:
    mean, breath = 10 ** chance.uniform(2, 3.3), chance.uniform(0.2, 0.8)
    phase, step_at, step = chance.uniform(0, DAY), chance.uniform(0, DAY), chance.choice([1.0, 1.0, 1.5, 0.6])
    spike_at, spike = chance.uniform(0, DAY), chance.choice([1.0, 1.0, 3.0])

    def at(seconds: float) -> float:
        rate = mean * (1 + breath * math.sin((seconds + phase) / DAY * 2 * math.pi))
        rate *= step if seconds >= step_at else 1.0
        return rate * (spike if spike_at <= seconds < spike_at + 600 else 1.0)

    return at


def peak_size(stages: list[Stage], arriving: Load, target: float) -> int:
    """The widest vertex at the greatest load of the day, at the same utilization."""
    rate = max(arriving(minute * 60.0) for minute in range(1440))
    widest, incoming = 1, rate
    for stage in stages:
        widest = max(widest, math.ceil(incoming * stage.skew / stage.rate_each / target))
        incoming *= stage.sends
    return widest


def summed(outcomes: list[Outcome]) -> dict[str, Any]:
    waited = [
        sum(m.lag_records > 60 * max(1.0, m.arrived_per_second) for m in outcome.moments) / len(outcome.moments)
        for outcome in outcomes
    ]
    return {
        "rescales_a_job": round(sum(each.rescales for each in outcomes) / len(outcomes), 2),
        "slot_hours": round(sum(each.slot_hours for each in outcomes)),
        "share_of_time_over_a_minute_behind": round(sum(waited) / len(waited), 4),
    }


def main(jobs: int = 120) -> None:
    began = time.monotonic()
    runs: dict[str, list[Outcome]] = {"flinkops": [], "operator": []}
    seconds = dict.fromkeys(runs, 0.0)
    peak_slot_hours = 0.0
    for number in range(jobs):
        for name, settings in (("flinkops", OURS), ("operator", operator_defaults())):
            chance = random.Random(number)
            stages, arriving = pipeline(chance), load(chance)
            before = time.process_time()
            runs[name].append(simulate(stages, arriving, Controller(settings), DAY, WORLD))
            seconds[name] += time.process_time() - before
            if name == "flinkops":
                peak_slot_hours += 24 * peak_size(stages, arriving, settings.utilization_target)
    print(
        json.dumps(
            {
                "jobs": jobs,
                "cpu_seconds": {name: round(value, 1) for name, value in seconds.items()},
                "wall_seconds": round(time.monotonic() - began, 1),
                "sized_for_the_peak_slot_hours": round(peak_slot_hours),
                **{name: summed(outcomes) for name, outcomes in runs.items()},
            }
        )
    )


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
