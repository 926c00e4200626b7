"""What the poller costs, in one run: `python -m bench.poller [--live URL] [--rounds N]`.

1. CPU for each job of a poll, against merely fetching the same answers with `requests`; bar 1.5.
2. 1,000 jobs on 100 clusters, recorded from real ones and served from another process; bar 10 s, goal 5 s, 400 MiB.
3. With --live URL: a poll of a real cluster; bar 2 s for 120 jobs. `python -m bench.live_jobs` submits them.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from flinkops.clock import SystemClock
from flinkops.collect import Collector
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import FleetSnapshot
from flinkops.sources.flink.source import FlinkRestSource
from tests.fake_flink import FakeFlink, Recording, serving

CLUSTERS, JOBS_A_CLUSTER = 100, 10
SAMPLES = ("flink-1.20-windows", "flink-2.3-count", "flink-2.3-prices")


class ManyJobs(FakeFlink):
    """Serves one recorded running job many times, under other ids and names."""

    def __init__(self, sample: str, jobs: int) -> None:
        super().__init__(Recording.load(sample))
        self.row = next(job for job in self.recording.jobs if job["state"] == "RUNNING")
        self.rows = [{**self.row, "jid": f"{n:032x}", "name": f"{self.row['name']}-{n:03d}"} for n in range(jobs)]
        self.recording.answers["/jobs/overview"] = {"jobs": self.rows}
        self._known: dict[str, tuple[int, bytes]] = {}

    def respond(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        parts = target.split("/", 3)
        if len(parts) > 2 and parts[1] == "jobs" and parts[2].startswith("0000"):
            parts[2] = self.row["jid"] + parts[2][32:]
            target = "/".join(parts)
        answer = self._known.get(target)
        if answer is None:
            answer = self._known[target] = super().respond(method, target, headers, body)
        return answer


def serve(sample_names: list[str], clusters: int, jobs: int) -> None:
    """The other process: prints its URLs, and serves until its input ends."""
    fakes = [ManyJobs(sample_names[index % len(sample_names)], jobs) for index in range(clusters)]
    with serving(*fakes):
        print(json.dumps([fake.url for fake in fakes]), flush=True)
        sys.stdin.read()


@contextmanager
def served(samples: tuple[str, ...], clusters: int, jobs: int) -> Iterator[list[str]]:
    command = [sys.executable, "-m", "bench.poller", "--serve", str(clusters), str(jobs), *samples]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield list(json.loads(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def cpu_ratio(sample: str, rounds: int) -> float:
    """Median CPU of a poll over median CPU of fetching its answers, alternating, on one connection."""
    jobs = 20
    with served((sample,), 1, jobs) as [url]:
        source = FlinkRestSource(parse_endpoint(url), connections=1)
        source.poll(30.0)
        paths = paths_of_a_poll(source)
        polls, fetches = [], []
        session = requests.Session()
        for _ in range(rounds):
            begun = time.process_time()
            snapshot = source.poll(30.0)
            polls.append(time.process_time() - begun)
            assert snapshot.status.state == "ok", snapshot.status
            assert len(snapshot.jobs) == jobs
            begun = time.process_time()
            for path in paths:
                session.get(url + path).content  # noqa: B018 - reading it is the point
            fetches.append(time.process_time() - begun)
        session.close()
        source.close()
    poll_s, fetch_s = statistics.median(polls), statistics.median(fetches)
    print(
        f"{sample}: {len(paths) / jobs:.1f} requests a job; CPU a job: poll {poll_s / jobs * 1e3:.2f} ms, "
        f"requests alone {fetch_s / jobs * 1e3:.2f} ms; ratio {poll_s / fetch_s:.2f}"
    )
    return poll_s / fetch_s


def paths_of_a_poll(source: FlinkRestSource) -> list[str]:
    """What the next poll asks for. SystemExit where the cluster does not answer it."""
    client, asked = source._client, []
    read = client.read

    def noting(method: str, path: str, *args: object, **kwargs: object) -> bytes:
        asked.append(path)
        return read(method, path, *args, **kwargs)  # type: ignore[arg-type]

    client.read = noting  # type: ignore[method-assign]
    status = source.poll(30.0).status
    client.read = read  # type: ignore[method-assign]
    if status.state != "ok":
        raise SystemExit(f"{status.name} does not answer: {status.error}")
    return asked


def fleet(rounds: int) -> tuple[float, float]:
    """Seconds of a poll of 1,000 jobs on 100 clusters, and peak memory in MiB."""
    with served(SAMPLES, CLUSTERS, JOBS_A_CLUSTER) as urls:
        collector = Collector(
            [FlinkRestSource(parse_endpoint(url)) for url in urls], SystemClock(), deadline_seconds=60.0
        )
        seconds = []
        for number in range(rounds):
            cpu = time.process_time()
            snapshot = collector.collect()
            cpu = time.process_time() - cpu
            check(snapshot, CLUSTERS * JOBS_A_CLUSTER)
            asked = sum(status.requests for status in snapshot.sources)
            print(
                f"poll {number + 1}: {len(snapshot.jobs)} jobs, {asked} requests, "
                f"{snapshot.poll_seconds} s, CPU {cpu:.2f} s"
            )
            seconds.append(snapshot.poll_seconds or 0.0)
        collector.close()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    later = statistics.median(seconds[1:])
    print(f"1,000 jobs on 100 clusters: first poll {seconds[0]} s, later {later} s, {peak_mib:.0f} MiB")
    return max(seconds), peak_mib


def check(snapshot: FleetSnapshot, jobs: int) -> None:
    assert len(snapshot.jobs) == jobs, len(snapshot.jobs)
    assert all(status.state == "ok" for status in snapshot.sources)
    assert all(job.vertices and job.checkpoints and job.restarts is not None for job in snapshot.jobs)


def live(url: str, rounds: int) -> float:
    """Seconds of a poll of a real cluster."""
    collector = Collector([FlinkRestSource(parse_endpoint(url))], SystemClock(), deadline_seconds=30.0)
    seconds = []
    for number in range(rounds + 1):
        snapshot = collector.collect()
        running = [job for job in snapshot.jobs if job.state == "RUNNING"]
        measured = sum(all(vertex.records_in_per_second for vertex in job.vertices) for job in running)
        print(
            f"live poll {number + 1}: {len(running)} running, {measured} with metrics, "
            f"{snapshot.sources[0].requests} requests, {snapshot.poll_seconds} s"
        )
        seconds.append(snapshot.poll_seconds or 0.0)
        time.sleep(5)
    collector.close()
    return max(seconds[1:])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--live", metavar="URL")
    parser.add_argument("--only-live", action="store_true")
    parser.add_argument("--serve", nargs="+")
    options = parser.parse_args()
    if options.serve:
        clusters, jobs, *samples = options.serve
        serve(samples, int(clusters), int(jobs))
        return 0
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    kept = []
    if not options.only_live:
        kept += [cpu_ratio(sample, options.rounds) <= 1.5 for sample in SAMPLES]
        slowest, peak_mib = fleet(max(3, options.rounds // 2))
        kept += [slowest <= 10.0, peak_mib <= 400]
    if options.live:
        kept.append(live(options.live, options.rounds) <= 2.0)
    print("all bars kept" if all(kept) else f"bars kept: {kept}")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
