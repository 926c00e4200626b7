"""A large fleet in the exporter: `python -m bench.exporter_fleet [--clusters 300] [--jobs 5000] [--shards 4]`.

Real clusters' recorded answers, served by other processes on this machine, and a `flinkops exporter` for each shard.
Each shard is scraped in turn with the others at rest, as if each had a machine of its own, and then all at once. Prints
for each scrape its seconds, the exporter's CPU and memory, and its series; bar: 15 s a scrape, the shortest interval
that docs/metrics.md allows, all jobs shown exactly once. The first row of a shard is the time until jobs are shown.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import requests

from bench._alert_load import cpu_seconds
from bench.poller import SAMPLES, served
from flinkops.local.ports import HOST, free_ports

BAR_SECONDS = 15.0
FRESH_SECONDS = 2.5
"""An exporter answers with the last poll while that is less than two seconds old."""
PATIENCE_SECONDS = 120.0
SCRAPE_TIMEOUT_SECONDS = 60.0
"""A shard at rest while the others are measured has no fresh poll: a scrape is measured until its poll's end."""
_TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
CLUSTERS_A_SERVER = 100
_JOB_SERIES = "flinkops_job_info{"


class Scrape(NamedTuple):
    """One scrape of one exporter."""

    seconds: float
    cpu_seconds: float
    resident_mib: float
    series: int
    jobs: int


@contextmanager
def exporter(shard: str, urls: Sequence[str], folder: Path) -> Iterator[tuple[int, str]]:
    """Its pid, and its address once it answers."""
    (port,) = free_ports(1)
    settings = folder / f"{shard.replace('/', '-of-')}.toml"
    sources = "".join(f'[[sources]]\nname = "c{number:03d}"\nrest = "{url}"\n' for number, url in enumerate(urls))
    settings.write_text(f'timeout = "60s"\n{sources}')
    command = [sys.executable, "-m", "flinkops", "exporter", "--config", str(settings), "--shard", shard]
    with (folder / f"{settings.stem}.log").open("w") as log:
        process = subprocess.Popen([*command, "--listen", f"{HOST}:{port}"], stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                requests.get(f"http://{HOST}:{port}/healthz", timeout=5)
                break
            except requests.ConnectionError:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"no exporter: {Path(log.name).read_text()[-2000:]}") from None
                time.sleep(0.1)
        yield process.pid, f"http://{HOST}:{port}/metrics"
    finally:
        process.terminate()
        process.wait(30)


def first(pid: int, address: str) -> Scrape:
    """Until a scrape has jobs: a poll that outlasts a scrape goes on for the next one."""
    begun, used = time.monotonic(), cpu_seconds(pid)
    while not (found := scrape(pid, address)).jobs and time.monotonic() - begun < PATIENCE_SECONDS:
        pass
    return found._replace(seconds=round(time.monotonic() - begun, 2), cpu_seconds=round(cpu_seconds(pid) - used, 2))


def scrape(pid: int, address: str) -> Scrape:
    """As Prometheus would."""
    begun, used = time.monotonic(), cpu_seconds(pid)
    answer = requests.get(address, timeout=PATIENCE_SECONDS, headers={_TIMEOUT_HEADER: f"{SCRAPE_TIMEOUT_SECONDS:g}"})
    answer.raise_for_status()
    seconds = time.monotonic() - begun
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    resident = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return Scrape(
        round(seconds, 2),
        round(cpu_seconds(pid) - used, 2),
        round(int(resident.split()[1]) / 1024),
        len(lines),
        sum(line.startswith(_JOB_SERIES) for line in lines),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=5_000)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    each = -(-options.jobs // options.clusters)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {each} jobs on each of {options.clusters} clusters")
    slowest, shown = 0.0, 0
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="bench-") as name:
        urls: list[str] = []
        while len(urls) < options.clusters:
            count = min(CLUSTERS_A_SERVER, options.clusters - len(urls))
            urls += stack.enter_context(served(SAMPLES, count, each))
        shards = [f"{number + 1}/{options.shards}" for number in range(options.shards)]
        running = [stack.enter_context(exporter(shard, urls, Path(name))) for shard in shards]
        for number in range(options.rounds):
            for shard, (pid, address) in zip(shards, running, strict=True):
                time.sleep(FRESH_SECONDS)
                found = first(pid, address) if number == 0 else scrape(pid, address)
                print(f"scrape {number + 1} of shard {shard} alone: {found}", flush=True)
                slowest = max(slowest, found.seconds if number else 0.0)
                shown += found.jobs if number == options.rounds - 1 else 0
        time.sleep(FRESH_SECONDS)
        with ThreadPoolExecutor(len(running)) as threads:
            begun = time.monotonic()
            together = list(threads.map(lambda one: scrape(*one), running))
        print(f"all at once on this machine: {time.monotonic() - begun:.2f} s; {together}")
    kept = slowest < BAR_SECONDS and shown == each * options.clusters
    print(f"slowest {slowest:.2f} s, bar {BAR_SECONDS:g} s, {shown} jobs: {'kept' if kept else 'MISSED'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
