"""What a `flinkops doctor` run over many live jobs takes: `python -m bench.doctor [--jobs 120] [--runs 5]`; bar 5 s.

The whole command as a user runs it, a process from its start to its end, against one real Flink cluster.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

BAR_SECONDS = 5.0


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


def one_run(url: str) -> tuple[float, int, int]:
    """Seconds, jobs it told of, findings above info."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "flinkops", "doctor", "--rest", url, "-o", "json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds = time.monotonic() - begun
    jobs = json.loads(answer)["jobs"]
    above = sum(finding["severity"] != "info" for job in jobs for finding in job["findings"])
    return seconds, len(jobs), above


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=120)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with live_jobs(options.jobs) as url:
        runs = [one_run(url) for _ in range(options.runs)]
    for seconds, jobs, above in runs:
        print(f"{seconds:.2f} s, {jobs} jobs, {above} findings above info")
    slowest = max(seconds for seconds, _, _ in runs)
    kept = slowest < BAR_SECONDS and all(jobs == options.jobs for _, jobs, _ in runs)
    print(f"slowest {slowest:.2f} s, bar {BAR_SECONDS:g} s: {'kept' if kept else 'MISSED'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
