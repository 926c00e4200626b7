"""Runs a fleet of foreign, healthy jobs on a cluster of its own, and asks the doctor about each of them."""

import argparse
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import requests

from flinkops.errors import FlinkopsError
from flinkops.local.signals import signals_interrupt
from tests.faults.foreign.fleets import FLEETS, fleet
from tests.faults.foreign.submitting import Submitter
from tests.faults.foreign.watching import as_text, watch
from tests.faults.lab import running

_PATIENT = {
    "heartbeat.interval": "30 s",
    "heartbeat.timeout": "10 min",
    "pekko.ask.timeout": "5 min",
    "metrics.fetcher.update-interval": "10 s",
}
"""A machine that is busy with other things is no fault of the jobs; the last is Flink's default."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.foreign", description=__doc__)
    parser.add_argument("fleets", choices=FLEETS, nargs="+", metavar="FLEET", help=" ".join(FLEETS))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", action="append", metavar="JOB")
    parser.add_argument("--parallelism", type=int, default=1)
    parser.add_argument("--times", type=int, default=1, help="so many times the rows of the tables in SQL")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--capture", type=Path)
    options = parser.parse_args()
    chosen = {each: fleet(each, options.times) for each in options.fleets}
    jobs = {name: job for each in chosen.values() for name, job in each.jobs.items()}
    names = options.only or list(jobs)
    if options.capture:
        options.capture.mkdir(parents=True, exist_ok=True)

    def capture(name: str, line: bytes) -> None:
        if options.capture:
            with (options.capture / f"{name}.jsonl").open("ab") as file:
                file.write(line + b"\n")

    with signals_interrupt(), running(options.home, _PATIENT) as lab:
        submitted: dict[str, str] = {}
        with ExitStack() as fed:
            for each in chosen.values():
                submitter, own = Submitter(lab, each, options.parallelism, _say), [n for n in names if n in each.jobs]
                fed.enter_context(submitter.feeding(own))
                submitted |= submitter.submit(own)
            _say(f"{len(submitted)} of {len(names)} jobs run at {lab.url}")
            found = watch(lab.url, options.minutes * 60, threading.Event(), capture)
        if options.raw:
            options.raw.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        sys.stdout.write(
            as_text(found, {jobs[name].shown_as or name: jobs[name].true_findings for name in names}) + "\n"
        )
        for job_id in submitted.values():
            with suppress(FlinkopsError, requests.RequestException):
                lab.cancel(job_id)
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"foreign: {time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
