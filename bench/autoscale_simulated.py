"""The scenarios of bench.autoscale on the simulator: flinkops beside the operator's decisions, the same windows.

`python -m bench.autoscale_simulated` prints one JSON line a run. The operator's decisions are flinkops' own arithmetic
with the operator's settings, which the differential test holds against flink-autoscaler itself.
"""

import json
from functools import partial

import msgspec

from bench.autoscale import RATE_EACH, SCENARIOS, SETTINGS, SLOTS, offered
from flinkops.autoscale.controller import Controller
from flinkops.autoscale.settings import Settings, operator_defaults, settings_of
from flinkops.autoscale.simulate import Stage, World, simulate

WORLD = World(step_seconds=2.0, pause_seconds=4.0, slots=SLOTS, noise=0.03, seed=1)


def main() -> None:
    stages = [
        Stage("load", 10_000.0, max_parallelism=1),
        Stage("wait", RATE_EACH, {"load": "HASH"}),
    ]
    ours, _ = settings_of({}, SETTINGS)
    operator, _ = settings_of({}, SETTINGS, msgspec.structs.replace(operator_defaults(), cool_down_seconds=0.0))
    for scenario, phases in SCENARIOS.items():
        runs: tuple[tuple[str, Settings], ...] = (("flinkops", ours), ("operator", operator))
        for name, settings in runs:
            outcome = simulate(
                stages,
                partial(offered, phases),
                Controller(settings),
                phases[-1].until_seconds,
                WORLD,
            )
            print(
                json.dumps(
                    {
                        "scenario": scenario,
                        "by": name,
                        "rescales": outcome.rescales,
                        "slot_seconds": round(outcome.slot_hours * 3600),
                        "peak_lag_records": round(outcome.peak_lag_records),
                        "mean_lag_records": round(outcome.mean_lag_records),
                    }
                )
            )


if __name__ == "__main__":
    main()
