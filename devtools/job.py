"""Submit a reference job to the embedded fleet (starting one if none runs), such as price-aggregation --bounded."""

import os
from pathlib import Path

from flinkops.local import fleet, job
from flinkops.local.state import find_running

_BOUNDED_SECONDS = 24 * 3600.0


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
    if job.is_bounded(arguments):
        job.await_end(info, job_id, timeout_seconds=_BOUNDED_SECONDS)
        print(f"job {job_id} is finished")
    return 0
