"""Our own two jobs with other options: rehearsed by `flinkops rehearse`, and started for real from the same savepoint.

    FLINKOPS_LOCAL_HOME=… python -m bench.rehearsal_agreement_prices [--only REGEX]

On the embedded fleet, which has to run (`./dev up`). Columns as of bench.rehearsal_agreement.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.agreement.real import AGREES, Real, cancel_all, failure, newest_checkpoint, until, worked
from flinkops.act.rest.control import RestControl
from flinkops.clock import SystemClock
from flinkops.errors import FlinkopsError, TimedOut
from flinkops.local import feeder, job, kafka
from flinkops.local.feeder import Feed
from flinkops.local.processes import terminate
from flinkops.local.state import FleetInfo, find_running
from flinkops.model.endpoint import parse_endpoint
from flinkops.plan.identity import derived_id

_STATE_SECONDS = 10.0
_TOPIC, _DEAD = "raw-scrapes-in", "dead"
_OPTIONS: dict[str, dict[str, list[str]]] = {
    "price-aggregation": {
        "unchanged": [],
        "parallelism 2": ["--parallelism", "2"],
        "another key of the deduplication": ["--dedup-key", "sku"],
        "window 5 -> 10 min": ["--size", "10m"],
        "tumbling -> sliding": ["--window", "sliding"],
        "tumbling -> session": ["--window", "session"],
        "in the order of arrival": ["--order", "arrival"],
        "shorter time to live": ["--state-ttl", "12h"],
        "another sink": ["--sink", "print"],
        "dead letters into a topic": ["--dead-letter", f"topic:{_DEAD}"],
    },
    "price-alerts": {
        "unchanged": [],
        "parallelism 2": ["--parallelism", "2"],
        "transactional": ["--transactional"],
        "into files": ["--sink", "files"],
        "shorter time to live": ["--state-ttl", "12h"],
    },
}


def main() -> None:
    """One line a change."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the feeder ends too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    only = parser.parse_args().only
    fleet = find_running()
    if fleet is None:
        sys.exit("no embedded fleet runs: ./dev up")
    kafka.create_topic(fleet.kafka_bootstrap, _DEAD, like="raw-scrapes-dead")
    feed = feeder.start(
        Feed(bootstrap=fleet.kafka_bootstrap, topic=_TOPIC, rate_per_second=100.0, history_seconds=600),
        Path(fleet.home) / "logs" / "agreement-feeder.log",
    )
    control = RestControl(parse_endpoint(fleet.rest_url), SystemClock())
    agreed = []
    try:
        for program, changes in _OPTIONS.items():
            wanted = {name: one for name, one in changes.items() if re.search(only, f"{program}: {name}")}
            agreed += _program(fleet, control, program, wanted) if wanted else []
        print(f"{sum(agreed)} of {len(agreed)} agree")
    finally:
        cancel_all(control)
        terminate([feed])


def _program(fleet: FleetInfo, control: RestControl, program: str, changes: dict[str, list[str]]) -> list[bool]:
    """The job runs while its changes are rehearsed: what they would do to it beside the start is not asked."""
    name = f"agreement-{program}"
    base = [program, "--name", name, "--parallelism", "1"]
    job_id = job.submit(fleet, base)
    until(lambda: newest_checkpoint(control, job_id), "a checkpoint")
    time.sleep(_STATE_SECONDS)
    trigger = derived_id(name, str(time.time_ns()))
    folder = f"file://{fleet.home}/flink/savepoints"
    control.trigger_savepoint(job_id, target_directory=folder, savepoint_format="canonical", trigger_id=trigger)

    def ask() -> str | None:
        outcome = control.savepoint_status(job_id, trigger)
        return outcome.location if outcome is not None else None

    savepoint = until(ask, "its savepoint")
    verdicts = {what: _rehearsed(fleet, name, [*base[1:], *more], savepoint) for what, more in changes.items()}
    cancel_all(control)
    agreed = []
    for what, more in changes.items():
        verdict, why, seconds = verdicts[what]
        real, cause = _really(fleet, control, [*base, *more], savepoint)
        agreed.append(AGREES.get(verdict) == real)
        about = " | real: ".join(filter(None, [why, cause])).replace("\n", " ")[:220]
        row = f"{f'{program}: {what}':<52} {verdict:<12} {real:<11} {'yes' if agreed[-1] else 'NO ':<4}{seconds:4.0f} s"
        print(f"{row} {about}", flush=True)
    return agreed


def _rehearsed(fleet: FleetInfo, name: str, arguments: list[str], savepoint: str) -> tuple[str, str | None, float]:
    command = [sys.executable, "-m", "flinkops", "rehearse", name, "--against", savepoint, "-o", "json"]
    done = subprocess.run(
        [*command, *(f"--arg={one}" for one in arguments), "--rest", fleet.rest_url],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"FLINKOPS_LOCAL_HOME": fleet.home},
    )
    if done.returncode not in (0, 5) or not done.stdout:
        return "cannot-tell", done.stderr[-400:], 0.0
    document: dict[str, Any] = json.loads(done.stdout)
    return document["verdict"], document["cause"], document["seconds"]


def _really(fleet: FleetInfo, control: RestControl, command: list[str], savepoint: str) -> tuple[Real, str | None]:
    try:
        options = ["-s", savepoint, "-Drestart-strategy.type=none"]
        job_id = job.start(fleet, command, client_options=options)
        ran = until(lambda: worked(control, job_id), "its checkpoints")
    except TimedOut:
        raise
    except FlinkopsError as problem:
        return "fails", problem.what
    cause = None if ran else failure(control, job_id)
    cancel_all(control)
    return ("runs" if ran else "fails"), cause


if __name__ == "__main__":
    main()
