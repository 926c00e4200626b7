"""A real Prometheus that has scraped a whole story in a second: what the exporter would show is written as blocks.

Prometheus' own `promtool` makes the blocks, and from them those of the recording rules.
"""

import contextlib
import itertools
import json
import os
import platform
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

import flinkops
from devtools.debian import program
from devtools.observe_stack import await_answer
from flinkops.config.alerts import AlertSettings
from flinkops.config.policy import Policy
from flinkops.errors import OperationFailed
from flinkops.exporter.families import Options, families
from flinkops.local.ports import HOST, free_ports
from flinkops.local.processes import spawn, terminate
from flinkops.model.facts import FleetSnapshot
from flinkops.observability.metrics.fleet import FleetView
from flinkops.observability.rules import groups
from flinkops.observer import Observer

INSTANCE = "exporter:9249"
SCRAPE_JOB = "flinkops"


@dataclass(frozen=True)
class Backfilled:
    """A Prometheus that answers; times in seconds since the epoch."""

    url: str
    begin_seconds: float
    end_seconds: float

    def instant(self, expr: str, at_seconds: float | None = None) -> list[dict[str, Any]]:
        """The vector of an expression at a time, the end if none is given. Raises OperationFailed with its reason."""
        at = self.end_seconds if at_seconds is None else at_seconds
        return self._ask("query", {"query": expr, "time": at})

    def range(self, expr: str, since_seconds: float, until_seconds: float, step_seconds: int) -> list[dict[str, Any]]:
        """Its matrix. Raises OperationFailed with Prometheus' reason."""
        return self._ask(
            "query_range", {"query": expr, "start": since_seconds, "end": until_seconds, "step": step_seconds}
        )

    def _ask(self, path: str, given: Mapping[str, object]) -> list[dict[str, Any]]:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(given)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            reason = json.load(error).get("error", error.reason)
            raise OperationFailed(f"Prometheus refuses {given['query']}: {reason}") from None


@contextlib.contextmanager
def backfilled(home: Path, snapshots: Iterable[FleetSnapshot]) -> Iterator[Backfilled]:
    """Prometheus with all that the exporter shows of these snapshots, and the recording rules; ended on leaving."""
    data = home / "data"
    data.mkdir(parents=True)
    begin_ms, end_ms = _write(home / "metrics.txt", snapshots)
    _promtool("create-blocks-from", "openmetrics", str(home / "metrics.txt"), str(data))
    for place, rules in enumerate(_recording_rules()):  # each stands on what the ones before have recorded
        file = home / f"rules-{place}.yaml"
        file.write_text(yaml.safe_dump({"groups": rules}), encoding="utf-8")
        with _serving(home, data) as url:
            times = ["--start", str(begin_ms // 1000), "--end", str(end_ms // 1000), "--eval-interval", "60s"]
            _promtool("create-blocks-from", "rules", *times, "--url", url, "--output-dir", str(data), str(file))
    with _serving(home, data) as url:
        yield Backfilled(url, begin_ms / 1000, end_ms / 1000)


def exposed(snapshots: Iterable[FleetSnapshot]) -> Iterator[tuple[int, Iterable[Family]]]:
    """What the exporter would have answered, and when (milliseconds), as each snapshot was taken."""

    class _Given:
        def __init__(self) -> None:
            self._left = iter(snapshots)

        def collect(self) -> FleetSnapshot:
            return next(self._left)

        def close(self) -> None:
            pass

    observer = Observer(_Given(), Policy())
    for polls in itertools.count(1):
        try:
            seen = observer.observe()
        except StopIteration:
            return
        view = FleetView(
            version=flinkops.__version__,
            python=platform.python_version(),
            shard=1,
            shards=1,
            polls=polls,
            failed_polls=0,
            overdue_scrapes=0,
            taken_ms=seen.snapshot.taken_ms,
            assessment=seen.assessment,
            clusters=seen.snapshot.clusters,
        )
        yield seen.snapshot.taken_ms, families(view, Options(vertices=True))


class _Merged(Collector):
    """Families of many scrapes as one exposition: each family once, its samples with their times."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}

    def add(self, at_ms: int, scraped: Iterable[Family]) -> None:
        for family in scraped:
            kept = self._families.setdefault(family.name, Family(family.name, family.documentation, family.type))
            for sample in family.samples:
                labels = {"job": SCRAPE_JOB, **sample.labels, "instance": INSTANCE}
                kept.samples.append(sample._replace(labels=labels, timestamp=at_ms / 1000))

    def collect(self) -> Iterator[Family]:
        for family in self._families.values():
            family.samples.sort(key=lambda sample: (sample.name, sorted(sample.labels.items()), sample.timestamp))
            yield family


def _write(file: Path, snapshots: Iterable[FleetSnapshot]) -> tuple[int, int]:
    merged, times_ms = _Merged(), []
    for at_ms, scraped in exposed(snapshots):
        merged.add(at_ms, scraped)
        times_ms.append(at_ms)
    file.write_bytes(generate_latest(merged))  # type: ignore[no-untyped-call]
    return min(times_ms), max(times_ms)


def _recording_rules() -> Iterator[list[dict[str, Any]]]:
    """Those of the shortest windows first: the others are made of them."""
    found = [rule for group in groups(AlertSettings()) for rule in group["rules"] if "record" in rule]
    own = {rule["record"] for rule in found}
    first = [rule for rule in found if not any(name in rule["expr"] for name in own)]
    for rules in (first, [rule for rule in found if rule not in first]):
        yield [{"name": "recorded", "rules": rules}]


@contextlib.contextmanager
def _serving(home: Path, data: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    (home / "prometheus.yaml").write_text("{}\n", encoding="utf-8")
    command = [
        str(program("prometheus")),
        f"--config.file={home / 'prometheus.yaml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address={HOST}:{port}",
    ]
    process = spawn("prometheus", command, output=home / "prometheus.log", environment=os.environ)
    try:
        url = f"http://{HOST}:{port}"
        await_answer(f"{url}/-/ready", process)
        yield url
    finally:
        terminate([process])


def _promtool(*arguments: str) -> None:
    done = subprocess.run([str(program("promtool")), "tsdb", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise OperationFailed(f"promtool {' '.join(arguments[:2])}: {said[-1]}")
