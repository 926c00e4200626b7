"""The status document, to the letter: what users script against.

`FLINKOPS_UPDATE_GOLDEN=1 pytest tests/unit/test_status_golden.py` writes the files anew; read the difference before
you commit it: a field that is dropped or changes its meaning needs a new schema_version.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.clock import FixedClock
from flinkops.config.policy import Policy
from flinkops.model.assessment import FleetAssessment
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import FleetSnapshot
from flinkops.render.status_json import status_json
from flinkops.render.table import FORMATS, status_table
from flinkops.sources.flink.source import FlinkRestSource
from tests.fake_flink import FakeFlink, Recording, serving
from tests.patience import PATIENT_SECONDS
from tests.unit.builders import NOW_MS, failing, job, snapshot, spread, with_vertex
from tests.unit.test_assess_laws import nulls

GOLDEN = Path(__file__).parents[1] / "golden" / "status"
RECORDED = ("flink-1.20-windows", "flink-2.3-count", "flink-2.3-prices")


def recorded(name: str) -> FleetAssessment:
    """What a real cluster answered, assessed as of the time it did."""
    flink = FakeFlink(Recording.load(name))
    newest = max(each["start-time"] + each["duration"] for each in flink.recording.jobs if each["state"] == "RUNNING")
    with serving(flink):
        source = FlinkRestSource(parse_endpoint(flink.url, name="recorded"), clock=FixedClock(newest))
        snapshot = source.poll(PATIENT_SECONDS)
        source.close()
    status = msgspec.structs.replace(snapshot.status, seconds=None, requests=0)
    taken = FleetSnapshot(taken_ms=newest, poll_seconds=0.25, sources=(status,), jobs=snapshot.jobs)
    return assess(taken, {}, Policy())


def built() -> FleetAssessment:
    """A fleet in which everything that can be said is said."""
    slow = with_vertex(
        job(name="slow", namespace="shop", id="5" * 32),
        "work",
        latency_p50_seconds=spread(0.4),
        latency_p99_seconds=spread(7.0),
        busy_ratio=spread(0.99),
        unchanged_dropped_per_second=spread(800.0),
        late_records=spread(3.0),
        accepted=spread(997.0),
        state_keys=spread(5_000.0),
        state_live_bytes=spread(200_000.0),
    )
    slow = with_vertex(slow, "src", backpressured_ratio=spread(0.8))
    slow = with_vertex(slow, "sink", commit_age_seconds=4.0, commits=12, records_written_per_second=spread(90.0))
    jobs = (
        job(),
        slow,
        job(name="ill", id="6" * 32, checkpoints=failing(2)),
        job(name="gone", id="7" * 32, state="FAILED"),
    )
    return assess(snapshot(*jobs), {}, Policy())


def agree(path: Path, text: str) -> None:
    if os.environ.get("FLINKOPS_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def pretty(fleet: FleetAssessment) -> str:
    return json.dumps(json.loads(status_json(fleet)), indent=1) + "\n"


@pytest.mark.parametrize("name", RECORDED)
def test_documents_of_recorded_clusters(name: str) -> None:
    agree(GOLDEN / f"{name}.json", pretty(recorded(name)))


@pytest.mark.parametrize("form", ["json", "jsonl", "yaml", "csv", "name", "table", "wide"])
def test_forms_of_a_fleet(form: str) -> None:
    fleet = built()
    agree(GOLDEN / f"fleet.{form}", pretty(fleet) if form == "json" else FORMATS[form](fleet) + "\n")


def test_the_colours_of_a_table() -> None:
    """Escapes are written as `<31;1>`: level by level, and no more than the level is coloured."""
    shown = status_table(built(), colour=True)
    agree(GOLDEN / "fleet.table.colour", re.sub(r"\x1b\[([0-9;]+)m", r"<\1>", shown) + "\n")
    assert re.sub(r"\x1b\[[0-9;]+m", "", shown) == status_table(built())


@pytest.mark.parametrize("name", RECORDED)
def test_every_null_of_a_recorded_cluster_has_its_reason(name: str) -> None:
    for shown in json.loads(status_json(recorded(name)))["jobs"]:
        assert set(nulls(shown)) == set(shown["unknown"]) ^ set(shown["not_applicable"])


# The contract's own example, with every field; a list stands for "null or one of these types".
NUMBER, TEXT = (int, float, type(None)), (str, type(None))
CONTRACT_JOB: dict[str, Any] = {
    "id": str, "name": str, "namespace": TEXT, "cluster": str, "flink_version": TEXT, "kind": str, "state": str,
    "lifecycle_state": TEXT, "uptime_seconds": NUMBER, "parallelism": NUMBER, "restarts": NUMBER,
    "health": {"level": str, "reasons": [{"code": str, "text": str, "value": NUMBER, "limit": NUMBER}]},
    "records_in_per_second": NUMBER, "records_out_per_second": NUMBER, "records_dropped_per_second": NUMBER,
    "late_records": NUMBER, "late_ratio": NUMBER,
    "processing_latency_seconds": {"p50": NUMBER, "p99": NUMBER, "method": str},
    "event_time_skew_seconds": NUMBER, "watermark": TEXT,
    "state_bytes": NUMBER, "state_keys": NUMBER, "state_bytes_per_key": NUMBER, "state_growth_bytes_per_hour": NUMBER,
    "backpressure": {"level": str, "ratio": NUMBER, "bottleneck": {"vertex": str, "why": str}},
    "checkpoints": {
        "status": str, "duration_seconds": NUMBER, "age_seconds": NUMBER, "size_bytes": NUMBER,
        "interval_seconds": NUMBER, "failed_in_a_row": NUMBER, "completed": NUMBER, "failed": NUMBER, "failure": TEXT,
    },
    "commits": {"iceberg": {"status": str, "age_seconds": NUMBER}},
    "vertices": [{
        "id": str, "name": str, "parallelism": NUMBER, "busy_ratio": NUMBER, "backpressured_ratio": NUMBER,
        "idle_ratio": NUMBER, "records_in_per_second": NUMBER, "records_out_per_second": NUMBER, "watermark": TEXT,
    }],
    "unknown": dict,
    "not_applicable": dict,
}  # fmt: skip
CONTRACT: dict[str, Any] = {
    "schema_version": int, "taken_at": str, "poll_seconds": NUMBER,
    "sources": [{"name": str, "kind": str, "state": str, "age_seconds": NUMBER, "error": TEXT}],
    "jobs": [CONTRACT_JOB],
}  # fmt: skip


def conforms(value: Any, wanted: Any, path: str) -> None:
    if isinstance(wanted, dict):
        if value is None:  # an object with nothing known
            return
        assert list(wanted) == [key for key in value if key in wanted], path
        for key, inner in wanted.items():
            conforms(value[key], inner, f"{path}.{key}")
    elif isinstance(wanted, list):
        for index, item in enumerate(value):
            conforms(item, wanted[0], f"{path}.{index}")
    else:
        assert isinstance(value, wanted), (path, value)
        assert not isinstance(value, bool), path


@pytest.mark.parametrize("name", [*RECORDED, "built"])
def test_the_contract_holds(name: str) -> None:
    document = json.loads(status_json(built() if name == "built" else recorded(name)))
    conforms(document, CONTRACT, "")
    assert document["schema_version"] == 1
    for shown in document["jobs"]:
        assert shown["health"]["level"] in ("ok", "warning", "critical", "unknown")


def test_the_fleet_was_taken_now() -> None:
    assert json.loads(status_json(built()))["taken_at"] == "2027-01-15T08:00:00.000Z"
    assert NOW_MS == 1_800_000_000_000
