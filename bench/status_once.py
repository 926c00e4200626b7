"""`flinkops status --once` against bare `requests`: `python -m bench.status_once [--rest URL] [--rounds N]`.

Both ask for the same, each in a process of its own, in turn; what counts is their CPU time from start to end. Without
--rest: recorded answers of a real cluster with a few jobs, served by another process. Bar: 1.5 of bare `requests`.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.poller import paths_of_a_poll, served
from flinkops.model.endpoint import parse_endpoint
from flinkops.sources.flink.source import FlinkRestSource

BAR_RATIO = 1.5
JOBS = 4
_BARE = """
import sys

import requests

session = requests.Session()
for url in sys.argv[1:]:
    session.get(url, timeout=30).content
"""


def cpu_seconds(command: Sequence[str]) -> float:
    """Of a process, with those that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def first_poll(url: str) -> list[str]:
    """The addresses that a first poll asks for."""
    source = FlinkRestSource(parse_endpoint(url))
    try:
        return [url + path for path in paths_of_a_poll(source)]
    finally:
        source.close()


@contextmanager
def _cluster(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url.rstrip("/")
        return
    with served(("flink-2.3-prices",), 1, JOBS) as [recorded]:
        yield recorded


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rest", metavar="URL", help="a real cluster instead of recorded answers")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with _cluster(options.rest) as url:
        paths = first_poll(url)
        ours_command = [sys.executable, "-m", "flinkops", "status", "--once", "--rest", url]
        bare_command = [sys.executable, "-c", _BARE, *paths]
        for command in (ours_command, bare_command):
            cpu_seconds(command)  # compiles what is imported
        ours, bare = [], []
        for _ in range(options.rounds):
            ours.append(cpu_seconds(ours_command))
            bare.append(cpu_seconds(bare_command))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {len(paths)} requests, {options.rounds} rounds")
    for name, found in (("flinkops status --once", ours), ("bare requests", bare)):
        print(f"{name:22} CPU: median {statistics.median(found):.3f}, least {min(found):.3f} s")
    ratio = min(ours) / min(bare)
    kept = ratio <= BAR_RATIO
    print(f"ratio of medians {statistics.median(ours) / statistics.median(bare):.2f}, of the least {ratio:.2f}")
    print(f"bar {BAR_RATIO:g}: {'kept' if kept else 'MISSED'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
