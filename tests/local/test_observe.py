"""From a slow sink to a page and back, on real parts: Flink, exporter, Prometheus, Alertmanager, a webhook.

Every window of the rules is thirty times shorter than in production; the rules are otherwise the ones we ship.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devtools.debian import program
from devtools.observe_stack import Stack, running
from flinkops.errors import FlinkopsError
from flinkops.local import feeder, flink, job
from flinkops.local.java import find_java
from flinkops.local.javac import compile_jar
from flinkops.local.kafka import INPUT_TOPIC
from flinkops.local.probe import get_json, patch
from flinkops.local.processes import terminate
from flinkops.local.state import FleetInfo
from flinkops.observability.timing import Timing
from tests.alerts.names import metric_names
from tests.unit.promtool import MISSING
from tests.unit.test_catalogue import METRICS, panel_queries

pytestmark = [pytest.mark.local, pytest.mark.long, pytest.mark.timeout(1200)]

SCALE = 1 / 30
PATIENCE_SECONDS = 400.0
JOB = "slow sink"
BURN = "FlinkJobLatencyBudgetBurn"
HERE = Path(__file__).parent / "slow_sink"


@dataclass(frozen=True)
class SlowSink:
    """The job with the fault: how long its sink takes for a record is in a file."""

    id: str
    fleet: FleetInfo
    file: Path

    def takes(self, milliseconds: int) -> None:
        self._says(str(milliseconds))

    def fails(self) -> None:
        self._says("fail")

    def _says(self, text: str) -> None:
        part = self.file.with_suffix(".part")
        part.write_text(text)
        part.replace(self.file)


@pytest.fixture(scope="module")
def prometheus() -> None:
    try:
        program("prometheus-alertmanager")
        program("prometheus")
    except FlinkopsError as error:
        pytest.skip(f"{MISSING}: {error.line()}")


@pytest.fixture(scope="module")
def slow_sink(embedded_fleet: FleetInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowSink]:
    folder = tmp_path_factory.mktemp("slow-sink")
    libraries = sorted(embedded_fleet.flink_lib_dir.glob("*.jar"))
    jar = compile_jar(HERE / "java", folder / "deliver.jar", libraries)
    file = folder / "milliseconds"
    file.write_text("0")
    environment = os.environ | {
        "FLINK_CONF_DIR": str(embedded_fleet.flink_conf_dir),
        "FLINK_LIB_DIR": str(embedded_fleet.flink_lib_dir),
        "FLINK_LOG_DIR": str(Path(embedded_fleet.home) / "logs"),
        "JAVA_HOME": str(find_java().parent.parent),
        "PYTHONPATH": str(flink.distribution().parent),
    }
    command = [sys.executable, str(HERE / "job.py"), embedded_fleet.rest_url, str(jar), str(file)]
    submitted = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert submitted.returncode == 0, submitted.stderr[-2000:]
    sink = SlowSink(submitted.stdout.split()[-1], embedded_fleet, file)
    await_(lambda: state(sink) == "RUNNING")
    try:
        yield sink
    finally:
        patch(embedded_fleet.rest_url, f"/jobs/{sink.id}?mode=cancel")
        await_(lambda: state(sink) == "CANCELED")


@pytest.fixture(scope="module")
def prices(embedded_fleet: FleetInfo) -> Iterator[str]:
    """A job with state, late records, commits and a Kafka source."""
    feed = feeder.Feed(bootstrap=embedded_fleet.kafka_bootstrap, topic=INPUT_TOPIC, rate_per_second=100)
    process = feeder.start(feed, Path(embedded_fleet.home) / "logs" / "feeder.log")
    try:
        job_id = job.submit(embedded_fleet, ["price-aggregation", "--table", "prices.observed", "--name", "observed"])
        yield job_id
        patch(embedded_fleet.rest_url, f"/jobs/{job_id}?mode=cancel")
    finally:
        terminate([process])


@pytest.fixture(scope="module")
def stack(
    prometheus: None, slow_sink: SlowSink, prices: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("observe")
    options = ["--vertices", "--rest", slow_sink.fleet.rest_url]
    with running(home, options, timing=Timing(SCALE), scrape_seconds=1.0) as found:
        yield found


def test_a_slow_sink_pages_once_and_resolves(stack: Stack, slow_sink: SlowSink) -> None:
    latency = f'flinkops_job_processing_latency_seconds{{job="{JOB}",quantile="0.99"}}'
    await_(lambda: bool(stack.query(latency)))
    # While it starts it may be late for once, on a busy machine; that is over before anything is done to it.
    await_(lambda: stack.receiver.of(alertname=BURN, severity="page", job=JOB)[-1:] in ([], ["resolved"]))
    before = stack.receiver.of(alertname=BURN, severity="page", job=JOB)

    slow_sink.takes(2500)
    await_(lambda: stack.receiver.of(alertname=BURN, severity="page", job=JOB)[len(before) :] == ["firing"])
    assert value(stack, latency) > 1.0
    assert any(
        f"{JOB}: the budget of its latency" in alert["annotations"]["summary"] for alert in stack.receiver.received
    )

    slow_sink.takes(0)
    await_(lambda: stack.receiver.of(alertname=BURN, severity="page", job=JOB)[-1:] == ["resolved"])
    assert stack.receiver.of(alertname=BURN, severity="page", job=JOB) == [*before, "firing", "resolved"]


def test_every_panel_has_data(stack: Stack, slow_sink: SlowSink) -> None:
    restarted_and_rescaled(stack, slow_sink)
    # A note appears where its series is above 0; the series has to be there.
    empty = {title: expr.removesuffix(" > 0") for title, expr in panel_queries()}
    assert len(empty) > 50
    ends = time.monotonic() + PATIENCE_SECONDS
    while empty and time.monotonic() < ends:
        empty = {title: expr for title, expr in empty.items() if not stack.query(expr)}
    assert empty == {}


def test_every_metric_is_in_a_real_scrape(stack: Stack) -> None:
    with urllib.request.urlopen(f"{stack.exporter_url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    scraped = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    named = {name for _, expr in panel_queries() for name in metric_names(expr) if ":" not in name}
    assert named <= scraped
    # Only what a job asks for by its settings, or what a fault brings, may be missing from the scrape.
    optional = {
        "flinkops_job_state_limit_bytes",
        "flinkops_job_state_time_to_limit_seconds",
        "flinkops_job_override_drift_vertices",
        "flinkops_job_bottleneck_info",
        "flinkops_job_health_reason",
        "flinkops_job_finding",
        "flinkops_job_delivery_latency_seconds",
    }
    assert {metric.name for metric in METRICS} - scraped <= optional


def restarted_and_rescaled(stack: Stack, sink: SlowSink) -> None:
    """A failure and a rescale, as the panels of restarts, restores and rescales need them."""
    await_(lambda: bool(stack.query(f'flinkops_job_checkpoint_age_seconds{{job="{JOB}"}}')))
    sink.fails()
    await_(lambda: value(stack, f'flinkops_job_restarts_total{{job="{JOB}"}}') >= 1)
    sink.takes(0)
    await_(lambda: state(sink) == "RUNNING")
    vertices = (get_json(sink.fleet.rest_url, f"/jobs/{sink.id}") or {})["vertices"]
    wanted = {vertex["id"]: {"parallelism": {"lowerBound": 1, "upperBound": 2}} for vertex in vertices}
    request = urllib.request.Request(
        f"{sink.fleet.rest_url}/jobs/{sink.id}/resource-requirements",
        data=json.dumps(wanted).encode(),
        method="PUT",
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30):
        pass
    await_(lambda: value(stack, f'flinkops_job_parallelism{{job="{JOB}"}}') == 2)


def state(sink: SlowSink) -> str:
    return str((get_json(sink.fleet.rest_url, f"/jobs/{sink.id}") or {}).get("state"))


def value(stack: Stack, expr: str) -> float:
    """The one value of an expression, NaN while there is none."""
    found: list[dict[str, Any]] = stack.query(expr)
    return float(found[0]["value"][1]) if found else float("nan")


def await_(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.5)
