"""Recorded jobs with some facts changed: the assessment, each question of the doctor, its findings, and what is shown.

`FLINKOPS_UPDATE_GOLDEN=1 pytest -m thorough tests/unit/test_variants_of_jobs.py` writes the files: read the difference.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.diagnose.case import Case
from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import Evidence, FlameSample, decode_evidence, gathered
from flinkops.diagnose.rules import RULES
from flinkops.model.detail import JobDetail
from flinkops.model.facts import ClusterFacts, ExceptionFacts, JobFacts, ResourceFacts, SnapshotFacts, StuckFacts
from flinkops.model.history import JobSample
from flinkops.render.columns import COLUMNS, RowContext
from flinkops.render.delivery_card import card_text
from flinkops.render.doctor import doctor_text
from flinkops.render.glyphs import ASCII
from flinkops.render.status_json import status_document
from flinkops.render.table import status_table
from tests.unit.builders import snapshot
from tests.unit.test_doctor_samples import HEALTHY, ILL
from tests.variants import Outcome, hold

WIDE = {"min": 5.0, "max": 40.0, "avg": 20.0, "sum": 80.0, "skew": 0.5}
WORDS: dict[str, tuple[Any, ...]] = {
    "state": ("RUNNING", "RUNNING", "FAILED", "RESTARTING", "FINISHED", "CANCELED", "SUSPENDED", "CREATED", "UNKNOWN"),
    "status": ("COMPLETED", "FAILED", "IN_PROGRESS", "RUNNING", "FINISHED"),
    "job_type": ("BATCH", "STREAMING"),
    "flink_version": ("1.20.1", "2.3.0", None),
    "failure": (None, "Checkpoint expired before completing.", "Checkpoint Coordinator is suspending."),
    "desired_state": ("running", "suspended"),
    "upgrade_mode": ("savepoint", "last-state", "stateless"),
    "lifecycle_state": ("STABLE", "DEPLOYED", "UPGRADING", "ROLLED_BACK", "FAILED"),
    "delivery": ({"p50_seconds": 0.25, "p99_seconds": 8.0}, {}),
    "source_partitions": (1, 2, 3, 64),
    "split_paused_ratio": ({"max": 0.5, "avg": 0.3},),
    "split_idle_ratio": ({"min": 0.0, "max": 1.0, "avg": 0.5},),
    "needs_event_time": (True, False),
    "commit_age_seconds": (5.0, 5_000.0),
    "commit_failed": (0, 3),
    "phases": (None,),
    "later_ms": (1_000, 9_999, 30_001, 600_000, -90_000),
} | {
    key: (WIDE, {**WIDE, "max": 4_000.0, "sum": 8_000.0}, {"sum": 0.0, "max": 0.0, "min": 0.0, "avg": 0.0})
    for key in (
        "late_records", "accepted", "malformed", "unchanged_dropped", "unchanged_dropped_per_second", "state_keys",
        "state_live_bytes", "state_sst_bytes", "latency_p50_seconds", "latency_p99_seconds", "source_idle_seconds",
        "source_emit_lag_seconds", "pending_records", "records_written_per_second", "consume_buffers_seconds",
    )
}  # fmt: skip

APART = ("vertices", "checkpoints", "resource", "exceptions", "rescales")
"""Of the job's facts those that are as much as all others: as often changed."""


@pytest.mark.thorough
@pytest.mark.parametrize("part", [1, 2])
@pytest.mark.parametrize("path", [*ILL, *HEALTHY], ids=lambda path: str(path.stem))
def test_a_job_that_is_otherwise_comes_out_as_it_did(path: Path, part: int) -> None:
    recorded = whole(decode_evidence(path.read_bytes()))
    taken_ms, job = recorded["taken_ms"], recorded["job"]
    if part == 2:
        of_an_operator(job, taken_ms)
    parts = {key: job.pop(key) for key in APART}
    others = {key: recorded[key] for key in ("detail", "flame_graphs", "cluster", "history")}
    given = {key: each for key, each in (parts | others).items() if each}
    hold(
        f"jobs/{path.stem}-{part}",
        {"job": job, **given, "times": {"later_ms": taken_ms - job["seen_ms"]}},
        told,
        20,
        WORDS,
    )


def sample(stem: str) -> Any:
    """One of the doctor's recordings, of an operator's job."""
    (path,) = (each for each in (*ILL, *HEALTHY) if each.stem == stem)
    recorded = whole(decode_evidence(path.read_bytes()))
    of_an_operator(recorded["job"], recorded["job"]["seen_ms"])
    return recorded


def of_an_operator(job: Any, at_ms: int) -> None:
    """Give it a resource, and exceptions of several kinds."""
    job["resource"] = whole(resource(at_ms))
    job["exceptions"] = [*job["exceptions"], *map(whole, exceptions(at_ms))]


def whole(value: Any) -> Any:
    """As JSON has it, with what is left at its default."""
    if isinstance(value, msgspec.Struct):
        return {name: whole(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    return [whole(each) for each in value] if isinstance(value, list | tuple) else value


def resource(at_ms: int) -> ResourceFacts:
    return ResourceFacts(
        context="kind",
        namespace="shop",
        name="orders",
        resource_version="7",
        generation=3,
        observed_generation=3,
        lifecycle_state="STABLE",
        jobmanager_status="READY",
        desired_state="running",
        upgrade_mode="savepoint",
        operator_job_state="RUNNING",
        status_changed_ms=at_ms - 700_000,
        spec_changed_ms=at_ms - 800_000,
        image="shop:1",
        operator_version="1.15.0",
        stuck=(StuckFacts("unschedulable", "orders-1", "0/3 nodes are available", at_ms - 400_000),),
        snapshots=(SnapshotFacts("orders-s1", "savepoint", "FAILED", at_ms=at_ms - 60_000, error="no room"),),
    )


def exceptions(at_ms: int) -> list[ExceptionFacts]:
    said = ("java.lang.OutOfMemoryError: Java heap space", "java.lang.IllegalStateException: poison", "no route")
    return [ExceptionFacts(at_ms - 90_000 * n, text.split(":")[0], text, "work", "tm-1") for n, text in enumerate(said)]


def told(document: Any) -> Outcome:
    """All that is said of the job."""
    facts = {key: document[key] for key in APART if key in document}
    job = msgspec.convert({**document["job"], **facts}, JobFacts)
    past = msgspec.convert(document.get("history", ()), tuple[JobSample, ...])
    detail = msgspec.convert(document.get("detail"), JobDetail | None)
    flames = msgspec.convert(document.get("flame_graphs", ()), tuple[FlameSample, ...])
    cluster = msgspec.convert(document.get("cluster"), ClusterFacts | None)
    taken_ms = job.seen_ms + int(document.get("times", {}).get("later_ms", 0))
    fleet = assess(snapshot(job, taken_ms=taken_ms, name=job.cluster), {job.key: past[:-1]}, Policy())
    (assessed,) = fleet.jobs
    evidence = gathered(taken_ms, assessed, past, detail=detail, flame_graphs=flames, cluster=cluster)
    found = diagnose(evidence)
    row = RowContext(now_ms=taken_ms, glyphs=ASCII)
    everything = (
        msgspec.structs.replace(assessed, facts=None, recent_checkpoints=()),
        status_document(fleet),
        found,
        asked(evidence),
        doctor_text([found]),
        doctor_text([found, found], colour=True),
        status_table(fleet, colour=True),
        card_text(assessed),
        [
            (each.shown(assessed, row), each.plain_value(assessed), each.sort(assessed) if each.sort else None)
            for each in COLUMNS
        ],
    )
    named = " ".join(f"{each.code}:{each.severity[0]}" for each in found.findings)
    return f"{assessed.state} {assessed.health.level} {found.score} {named}", everything


def asked(evidence: Evidence) -> list[Any]:
    """Each rule's questions with their numbers, by itself."""
    answers: list[Any] = []
    for rule in RULES.values():
        case = Case(evidence)
        answers.append((rule.code, rule.judge(case), case.asked))
    return answers
