"""How long nothing runs without an operator: `flinkops upgrade --savepoint` beside stop, then `flink run -s`.

    FLINKOPS_LOCAL_HOME=… python -m bench.upgrade_downtime_rest ROUNDS

On the embedded fleet, which has to run (`./dev up`). Both ways make the same change of the price job in turn
(parallelism 1, 2, 1, …), now the one first and now the other. Downtime by Flink's own clock: from the trigger of the
savepoint that stops the job to the moment when the last subtask of the new one runs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from flinkops.act.rest.control import RestControl
from flinkops.clock import SystemClock
from flinkops.local import feeder, job
from flinkops.local.feeder import Feed
from flinkops.local.probe import get_json
from flinkops.local.processes import terminate
from flinkops.local.state import FleetInfo, find_running
from flinkops.model.endpoint import parse_endpoint

_NAME = "downtime"
_WAYS = ("stop, flink run", "flinkops upgrade")
_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.1
_CHECKPOINT_SECONDS = 20.0


def main() -> None:
    """Prints one line a change, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int)
    rounds = parser.parse_args().rounds
    fleet = find_running()
    if fleet is None:
        sys.exit("no embedded fleet runs: ./dev up")
    feed = feeder.start(
        Feed(bootstrap=fleet.kafka_bootstrap, topic="raw-scrapes-in", rate_per_second=100.0, history_seconds=600),
        Path(fleet.home) / "logs" / "downtime-feeder.log",
    )
    current = job.submit(fleet, _command(1))
    found: dict[str, list[float]] = {way: [] for way in _WAYS}
    parallelism = 1
    try:
        for number in range(rounds):
            for way in _WAYS[:: 1 if number % 2 == 0 else -1]:
                time.sleep(_CHECKPOINT_SECONDS)
                parallelism = 3 - parallelism
                change = _by_hand if way == _WAYS[0] else _by_flinkops
                new = change(fleet, current, parallelism)
                seconds = _downtime_seconds(fleet, current, new)
                print(f"{way:<17} parallelism -> {parallelism}: downtime {seconds:.1f} s", flush=True)
                found[way].append(seconds)
                current = new
    finally:
        terminate([feed])
        _control(fleet).cancel(current)
    medians = [statistics.median(found[way]) for way in _WAYS]
    for way, median in zip(_WAYS, medians, strict=True):
        print(f"{way:<17} median of {len(found[way])}: {median:.1f} s")
    print(f"ratio {medians[1] / medians[0]:.2f}")


def _command(parallelism: int) -> list[str]:
    return ["price-aggregation", "--name", _NAME, "--parallelism", str(parallelism)]


def _control(fleet: FleetInfo) -> RestControl:
    return RestControl(parse_endpoint(fleet.rest_url), SystemClock())


def _by_hand(fleet: FleetInfo, job_id: str, parallelism: int) -> str:
    control = _control(fleet)
    folder, trigger = f"file://{fleet.home}/flink/savepoints", f"{time.time_ns():032x}"
    control.stop_with_savepoint(job_id, target_directory=folder, savepoint_format="canonical", trigger_id=trigger)
    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        outcome = control.savepoint_status(job_id, trigger)
        if outcome is not None and outcome.location:
            return job.submit(fleet, _command(parallelism), client_options=["-s", outcome.location])
        time.sleep(_POLL_SECONDS)
    sys.exit("the job did not stop")


def _by_flinkops(fleet: FleetInfo, _job_id: str, parallelism: int) -> str:
    command = [sys.executable, "-m", "flinkops", "upgrade", _NAME, "--savepoint", "--parallelism", str(parallelism)]
    environment = os.environ | {"FLINKOPS_LOCAL_HOME": fleet.home}
    done = subprocess.run(
        [*command, "--yes", "-o", "json", "--rest", fleet.rest_url],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        sys.exit(f"flinkops: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    result = json.loads(done.stdout)["result"]
    steps = ", ".join(f"{one['name']} {one['seconds']:.1f}" for one in result["steps"])
    print(f"  steps: {steps}", flush=True)
    return str(result["new_job_id"])


def _downtime_seconds(fleet: FleetInfo, old: str, new: str) -> float:
    """Flink's answers are some seconds old: asked until every subtask has a time."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        began = _trigger_ms(fleet, old)
        runs = _last_running_ms(fleet, new)
        if began is not None and runs is not None:
            return (runs - began) / 1000
        time.sleep(1.0)
    sys.exit(f"{new} does not run")


def _trigger_ms(fleet: FleetInfo, job_id: str) -> int | None:
    latest = (_get(fleet, f"/jobs/{job_id}/checkpoints").get("latest") or {}).get("savepoint")
    return None if latest is None else int(latest["trigger_timestamp"])


def _last_running_ms(fleet: FleetInfo, job_id: str) -> int | None:
    vertices = _get(fleet, f"/jobs/{job_id}").get("vertices", ())
    paths = [f"/jobs/{job_id}/vertices/{vertex['id']}/subtasktimes" for vertex in vertices]
    subtasks = [one for path in paths for one in _get(fleet, path).get("subtasks", ())]
    times = [int(one["timestamps"].get("RUNNING", 0)) for one in subtasks]
    return max(times) if times and all(one > 0 for one in times) else None


def _get(fleet: FleetInfo, path: str) -> dict[str, Any]:
    return get_json(fleet.rest_url, path) or {}


if __name__ == "__main__":
    main()
