"""What a `flinkops doctor` run over many live jobs takes: `python -m bench.doctor [--jobs 120] [--runs 5]`; bar 5 s.

The whole command as a user runs it, a process from its start to its end, against one real Flink cluster. With `--busy`
instead `doctor JOB` of the one job price-alerts, fed on an embedded fleet of the same machine; bar 8 s.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import _alert_load as alert_load
from bench.price_alerts import SETTLE_SECONDS, prime
from flinkops.local import fleet, job, kafka

BAR_SECONDS = 5.0
ONE_JOB, ONE_JOB_BAR_SECONDS = "price-alerts", 8.0
FED_PER_SECOND = 9_000.0
MOST_SECONDS = 30.0
"""The job is fed for so long a run."""


@contextmanager
def live_jobs(jobs: int) -> Iterator[str]:
    """The REST address of a cluster with so many running jobs, which ends with the block."""
    command = [sys.executable, "-m", "bench.live_jobs", str(jobs)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cluster:
        assert cluster.stdin
        assert cluster.stdout
        try:
            line = cluster.stdout.readline()
            if not line:
                raise SystemExit("the jobs did not start")
            print(line.strip(), flush=True)
            yield line.split()[0]
        finally:
            cluster.stdin.close()


@contextmanager
def busy_job(runs: int) -> Iterator[str]:
    """The REST address of a fleet with one job, which takes in scrapes for as long as the runs last."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        info = fleet.up(Path(folder), slots=1)
        try:
            job_id = job.submit(info, [ONE_JOB])
            phase = (FED_PER_SECOND, SETTLE_SECONDS + runs * MOST_SECONDS)
            load = alert_load.Load(
                bootstrap=info.kafka_bootstrap, topic=kafka.INPUT_TOPIC, phases=(phase,), skus=200_000
            )
            prime(info, job_id, load)
            with alert_load.start(load) as feeder:
                try:
                    time.sleep(SETTLE_SECONDS)
                    yield info.rest_url
                finally:
                    feeder.terminate()
        finally:
            fleet.down(Path(folder))


def one_run(url: str, *names: str) -> tuple[float, int, int]:
    """Seconds, jobs it told of, findings above info."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "flinkops", "doctor", *names, "--rest", url, "-o", "json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds = time.monotonic() - begun
    jobs = json.loads(answer)["jobs"]
    above = sum(finding["severity"] != "info" for job in jobs for finding in job["findings"])
    return seconds, len(jobs), above


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=120)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--busy", action="store_true", help="one job that is busy, by its name")
    options = parser.parse_args()
    if options.busy:
        jobs, bar_seconds = 1, ONE_JOB_BAR_SECONDS
        with busy_job(options.runs) as url:
            runs = [one_run(url, ONE_JOB) for _ in range(options.runs)]
    else:
        jobs, bar_seconds = options.jobs, BAR_SECONDS
        with live_jobs(jobs) as url:
            runs = [one_run(url) for _ in range(options.runs)]
    for seconds, told, above in runs:
        print(f"{seconds:.2f} s, {told} jobs, {above} findings above info")
    slowest = max(seconds for seconds, _, _ in runs)
    kept = slowest < bar_seconds and all(told == jobs for _, told, _ in runs)
    print(f"slowest {slowest:.2f} s, bar {bar_seconds:g} s: {'kept' if kept else 'MISSED'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
