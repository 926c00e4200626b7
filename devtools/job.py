"""Submit a reference job to the embedded fleet (starting one if none runs), such as price-aggregation --bounded."""

import os
import shlex
import sys
from itertools import pairwise
from pathlib import Path

from flinkops.local import fleet, job
from flinkops.local.state import FleetInfo, find_running

_BOUNDED_SECONDS = 24 * 3600.0


def _dispatcher_command(info: FleetInfo, arguments: list[str]) -> str:
    """The service that delivers a job's alerts, as one would start it; it stays in the foreground."""
    command = [sys.executable, "-m", "jobs.price_alerts.dispatcher", "--bootstrap", info.kafka_bootstrap]
    given = dict(pairwise(arguments))
    if "--alerts-topic" in given:
        command += ["--topic", given["--alerts-topic"]]
    return shlex.join([*command, "--subscriptions", given["--subscriptions"], "--state", f"{info.home}/dispatcher"])


def main(arguments: list[str]) -> int:
    """Submit; of a bounded job, wait for its end."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(f"usage: ./dev job NAME OPTIONS; the jobs: {', '.join(job.job_names())}; ./dev job NAME --help")
        return 0
    if {"-h", "--help"} & set(arguments[1:]):
        print(job.help_text(arguments[0]))
        return 0
    info = find_running() or fleet.up(Path(os.environ["FLINKOPS_LOCAL_HOME"]), report=print)
    job_id = job.submit(info, arguments)
    print(f"job {job_id} runs; {info.rest_url}/#/job/running/{job_id}/overview")
    if "--subscriptions" in arguments:
        print(f"deliver its alerts: {_dispatcher_command(info, arguments)}")
    if job.is_bounded(arguments):
        job.await_end(info, job_id, timeout_seconds=_BOUNDED_SECONDS)
        print(f"job {job_id} is finished")
    return 0
