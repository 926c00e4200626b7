"""What faces draw of a job, whether a change is seen to have happened, plans for one job without an operator.

`FLINKOPS_UPDATE_GOLDEN=1 pytest -m thorough tests/unit/test_variants_of_small_parts.py` writes the files: read these.
"""

from typing import Any

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import gathered
from flinkops.errors import FlinkopsError
from flinkops.model.detail import ResourceRequirement
from flinkops.model.effect import Expected, PodImage, RunsWith
from flinkops.model.facts import ClusterFacts, JobFacts, SnapshotFacts
from flinkops.model.history import JobSample
from flinkops.plan.effect import readings
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.admission import admitted
from flinkops.plan.operator.rollback import deletion_problems, recreated
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.session_cluster import joined, why_not_ready
from flinkops.plan.preconditions import OperatorSeesItRun, same_spec, unmet_of_resource
from flinkops.plan.rescale import plan_rescale
from flinkops.plan.retention import KnownSavepoint, prunable
from flinkops.plan.savepoint import plan_delete, plan_savepoint
from flinkops.plan.waves import Member, max_unavailable, next_wave, plan_waves, summarise
from flinkops.render.cells import absent_cell, level_cell, short_age, since_text, state_cell, tidy
from flinkops.render.columns import COLUMNS, RowContext
from flinkops.render.delivery_card import card_lines
from flinkops.render.doctor import doctor_csv, doctor_document, doctor_text
from flinkops.render.glyphs import ASCII, UNICODE, lanes, sparkline, usage_bar
from flinkops.render.lines import ends, fit, flow, join, line
from flinkops.render.plan import plan_lines
from flinkops.render.table import status_csv, status_names, status_table
from tests.unit.builders import NOW_MS, job, snapshot, vertex
from tests.unit.test_variants_of_jobs import WORDS, sample, whole
from tests.variants import Outcome, hold


@pytest.mark.thorough
@pytest.mark.parametrize("stem", ["hot-key-weak", "high-load", "drifted-weak"])
def test_a_job_that_is_otherwise_is_shown_as_it_was(stem: str) -> None:
    recorded = sample(stem)
    how = {"cells": 100, "later_ms": 1_000, "noted": True, "bar": [0.5, 0.25], "jobs": 2}
    hold(f"small/shown {stem}", {"job": recorded["job"], "history": recorded["history"], "how": how}, shown, 15, WORDS)


def shown(document: Any) -> Outcome:
    given = msgspec.convert(document["job"], JobFacts)
    history = msgspec.convert(document.get("history", ()), tuple[JobSample, ...])
    how = document.get("how", {})
    cells, taken_ms = how.get("cells", 80), given.seen_ms + how.get("later_ms", 0)
    fleet = assess(snapshot(given, taken_ms=taken_ms, name=given.cluster), {given.key: history[:-1]}, Policy())
    (assessed,) = fleet.jobs
    found = diagnose(gathered(taken_ms, assessed, history))
    noted = frozenset({assessed.key} if how.get("noted") else ())
    row = RowContext(now_ms=taken_ms, glyphs=UNICODE, noted=noted, history={assessed.key: history})
    drawn = [each.cell(assessed, row) for each in COLUMNS]
    values = [each.records_in_per_second for each in history]
    graph = [(each.id, each.upstream) for each in given.vertices]
    bar = how.get("bar", [None, None])
    everything = (
        drawn,
        [(fit(each, cells // 8), fit(each, cells // 9, align="right")) for each in drawn],
        (flow(drawn, cells, indent=2), join(drawn), ends(line(given.name), join(drawn[:3]), cells)),
        (sparkline(values, cells // 4, UNICODE), sparkline(values, 8, ASCII, top=50.0)),
        [usage_bar(bar[0], bar[-1], cells // 5, each) for each in (ASCII, UNICODE)],
        [lanes(graph, each) for each in (ASCII, UNICODE)],
        (status_table(fleet, wide=True), status_table(fleet, cells=cells), status_csv(fleet), status_names(fleet)),
        doctor_text([found] * how.get("jobs", 1), wide=bool(how.get("noted")), cells=cells),
        (doctor_csv([found]), doctor_document([found])),
        card_lines(assessed),
        (absent_cell(assessed, "processing_latency_seconds", UNICODE), level_cell(assessed.health.level, UNICODE)),
        (state_cell(assessed.state), short_age(how.get("later_ms", 0) / 100), since_text(given.started_ms, taken_ms)),
        [tidy(each.name) for each in given.vertices],
    )
    return f"{assessed.state} {assessed.health.level}, {len(found.findings)} findings", everything


EFFECTS = (
    Expected("setting", "taskmanager.numberOfTaskSlots", "2", "4"),
    Expected("setting", "execution.checkpointing.timeout", "5 min", "600 s"),
    Expected("setting", "rest.bind-address", "a", "b"),
    Expected("setting", "s3.secret-key", "a", "b"),
    Expected("image", "image", "shop:1", "shop:2"),
    Expected("flink-version", "flinkVersion", "v1_20", "v2_0"),
    Expected("parallelism", "parallelism", "2", "4"),
    Expected("default-parallelism", "parallelism", "2", "4"),
    Expected("vertex", "src", "2", "4"),
    Expected("program", "pipeline.jars", "local:///a.jar", "local:///b.jar;local:///c.jar"),
    Expected("other", "args", None, "--x"),
)
OF_EFFECTS: dict[str, tuple[Any, ...]] = {
    "taskmanager.numberOfTaskSlots": ("2", "4", "8"),
    "execution.checkpointing.timeout": ("10 min", "300000 ms", "600s", "1 h"),
    "rest.bind-address": ("a", "b", "c"),
    "s3.secret-key": ("a", "b", "******"),
    "pipeline.jars": ("local:///a.jar", "[local:///b.jar, local:///c.jar]", "x"),
    "image": ("shop:1", "shop:2", "shop:3"),
    "flink_version": ("1.20.1", "2.0.0", "2.0", "1.2", None),
    "parallelism": (0, 2, 4, 128),
    "max_parallelism": (2, 3, 128, None),
    "kind": ("setting", "vertex", "parallelism", "default-parallelism", "image", "program", "flink-version"),
    "wanted": ("4", "2", None, "x"),
    "before": ("2", "4", None),
    "untold": ({"settings": "no answer", "pods": "forbidden", "flink_version": "?"}, {}),
    "application": (True, False),
    "created_ms": (NOW_MS - 1, NOW_MS, NOW_MS + 1),
    "changed_ms": (NOW_MS, None),
}


@pytest.mark.thorough
@pytest.mark.parametrize("part", [1, 2])
def test_an_effect_that_is_otherwise_is_read_as_it_was(part: int) -> None:
    pods = (PodImage("jm", True, "shop:2", NOW_MS + 5), PodImage("tm", False, "shop:2", NOW_MS + 9))
    settings = {each.name: each.wanted or "" for each in EFFECTS if each.kind in ("setting", "program")}
    told = RunsWith(settings=settings, own={"a": "b"}, flink_version="2.0.1", pods=pods, changed_ms=NOW_MS)
    runs = job(vertices=(vertex("src", parallelism=4), vertex("work", "src", parallelism=4, max_parallelism=128)))
    given = {
        "expected": [whole(each) for each in EFFECTS],
        "told": whole(told) if part == 1 else {**whole(told), "settings": None, "pods": None, "own": settings},
        "vertices": [whole(each) for each in runs.vertices],
        "how": {"application": part == 1},
    }
    hold(f"small/effects {part}", given, effects, 40, OF_EFFECTS)


def effects(document: Any) -> Outcome:
    runs = msgspec.convert({**whole(job()), "vertices": document.get("vertices", ())}, JobFacts)
    found = readings(
        msgspec.convert(document.get("expected", ()), tuple[Expected, ...]),
        runs,
        msgspec.convert(document.get("told", {}), RunsWith),
        application=bool(document.get("how", {}).get("application")),
    )
    return " ".join(each.verdict[0] for each in found), found


OF_ONE: dict[str, tuple[Any, ...]] = {
    "scheduler": ("Adaptive", "default", None),
    "parallelism": (0, 1, 2, 4, 200, None),
    "max_parallelism": (2, 3, 128, None),
    "slots_available": (0, 1, 2, None),
    "state": ("RUNNING", "FAILED", "FINISHED"),
    "directory": ("s3://b/sp", "/sp", "file:///sp", "sp", " s3://b", None),
    "format": ("canonical", "native"),
    "scheduler-mode": ("reactive", "REACTIVE"),
    "is_savepoint": (True, False),
    "status": ("IN_PROGRESS", "COMPLETED"),
    "most": ("1", "25%", "100%", "101%", "0", "x", "50%"),
    "verdict": ("verified", "failed", "interrupted"),
    "keep": (0, 1, 2, 3),
    "in_use": (None, "it runs"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("part", [1, 2])
def test_plans_for_one_job_that_is_otherwise_are_as_they_were(part: int) -> None:
    runs = job(
        scheduler="Adaptive" if part == 1 else "default",
        configuration={"state.savepoints.dir": "s3://bucket/sp", "scheduler-mode": "none"},
        vertices=(vertex("src", max_parallelism=128), vertex("work", "src", max_parallelism=3)),
    )
    saved = [
        whole(KnownSavepoint(f"s3://b/sp-{n}", NOW_MS - n, "orders", "a" * 32, "Flink", (n,), in_use=use))
        for n, use in enumerate((None, "it runs", None, None))
    ]
    given = {
        "job": whole(runs),
        "requirements": [whole(ResourceRequirement(each.id, 1, 2)) for each in runs.vertices],
        "cluster": whole(ClusterFacts(name="prod", slots_available=2)),
        "wanted": {"parallelism": 4, "vertices": {"work": 2} if part == 2 else {}, "checkpoints": 2},
        "saving": {"directory": None, "format": "native" if part == 2 else "canonical", "keep": 1},
        "savepoints": saved,
        "snapshots": [
            whole(SnapshotFacts(name, "savepoint", state, at_ms=NOW_MS, dispose_on_delete=True))
            for name, state in (("s1", "COMPLETED"), ("s2", "FAILED"), ("s3", "COMPLETED"))
        ],
        "waves": {"members": [["a", 3], ["b", 1], ["c", None], ["d", 1]], "most": "50%", "canary": part == 1},
        "ended": {"a": "verified", "b": "verified"},
    }
    hold(f"small/plans {part}", given, planned, 40, OF_ONE)


def planned(document: Any) -> Outcome:
    runs, stamp = msgspec.convert(document["job"], JobFacts), Stamp("p1", NOW_MS, "flinkops")
    wanted, saving = document.get("wanted", {}), document.get("saving", {})
    snapshots = msgspec.convert(document.get("snapshots", ()), tuple[SnapshotFacts, ...])
    known = msgspec.convert(document.get("savepoints", ()), tuple[KnownSavepoint, ...])
    try:
        delete, kept = prunable(known, saving.get("keep", 1))
        plans = [
            plan_rescale(
                runs,
                msgspec.convert(document.get("requirements", ()), tuple[ResourceRequirement, ...]),
                msgspec.convert(document.get("cluster", {"name": "prod"}), ClusterFacts),
                stamp,
                parallelism=wanted.get("parallelism"),
                vertices=wanted.get("vertices"),
                checkpoints=wanted.get("checkpoints", 1),
            ),
            plan_savepoint(
                runs,
                stamp,
                target_directory=saving.get("directory"),
                savepoint_format=saving.get("format", "canonical"),
            ),
            *(
                plan_delete(each, "prod", [one.path for one in delete], stamp, kept=["k"], snapshots=named)
                for each, named in ((runs, {"s3://b/sp-2": snapshots}), (None, {"s3://b/sp-3": snapshots[1:]}))
            ),
        ]
        waves = in_waves(document)
    except FlinkopsError as problem:
        return f"{type(problem).__name__}: {problem}", None
    short = "; ".join(f"{each.effective_mode} {len(each.steps)} {len(each.refused)}" for each in plans)
    return short, (plans, [plan_lines(each) for each in plans], delete, kept, waves)


def in_waves(document: Any) -> Any:
    given, ended = document.get("waves", {}), document.get("ended", {})
    members = [Member(str(each[0]), each[-1]) for each in given.get("members", ()) if each]
    at_once = max_unavailable(given.get("most", "1"), len(members))
    waves = plan_waves(members, most_at_once=at_once, canary=bool(given.get("canary")))
    return waves, next_wave(waves, ended), summarise(waves, ended), summarise(waves, ended).good


OPERATED: dict[str, Any] = {
    "kind": "FlinkSessionJob",
    "metadata": {"name": "orders", "uid": "u1", "generation": 3, "finalizers": ["x.flink.apache.org/f", "other/f"]},
    "spec": {
        "deploymentName": "session",
        "job": {"state": "suspended", "savepointTriggerNonce": 1, "args": ["a"]},
        "flinkConfiguration": {
            "execution.savepoint-restore-mode": "claim",
            "kubernetes.operator.job.savepoint-on-deletion": "true",
        },
        "restartNonce": None,
        "unknown": 1,
    },
    "status": {"jobStatus": {"state": "RUNNING"}, "jobManagerDeploymentStatus": "READY"},
}
SCHEMA: dict[str, Any] = {
    "properties": {
        "deploymentName": {},
        "job": {"properties": {"state": {}, "args": {"items": {}}}},
        "flinkConfiguration": {"additionalProperties": {"type": "string"}},
        "restartNonce": {"nullable": True},
    }
}
OF_OPERATED: dict[str, tuple[Any, ...]] = {
    "execution.savepoint-restore-mode": ("CLAIM", "NO_CLAIM"),
    "kubernetes.operator.job.savepoint-on-deletion": ("true", "false", "TRUE"),
    "state": ("RUNNING", "FINISHED", "UPGRADING", None),
    "jobManagerDeploymentStatus": ("READY", "DEPLOYING", None),
    "savepoint_redeploy": (True, False),
    "nullable": (True, False),
    "additionalProperties": (True, {}, {"properties": {"x": {}}}),
    "x-kubernetes-preserve-unknown-fields": (True, False),
    "cluster": (None, {}),
}


@pytest.mark.thorough
def test_a_resource_that_is_otherwise_is_taken_as_it_was() -> None:
    cluster = {"spec": {"flinkVersion": "v1_20", "flinkConfiguration": {"a": "1"}}, "status": OPERATED["status"]}
    given = {"resource": OPERATED, "schema": SCHEMA, "cluster": cluster, "how": {"savepoint_redeploy": False}}
    hold("small/resource", given, taken, 60, OF_OPERATED)


def taken(document: Any) -> Outcome:
    found, cluster = document.get("resource", {}), document.get("cluster")
    features = Features(version="1.10.0", savepoint_redeploy=bool(document.get("how", {}).get("savepoint_redeploy")))
    as_it_was = (*same_spec(OPERATED), OperatorSeesItRun())
    problems, others = unmet_of_resource(as_it_was, found)
    deletion, waits = deletion_problems(found, features), why_not_ready(found, cluster)
    everything = (
        admitted(found.get("spec", {}), document.get("schema", {})),
        (problems, others, deletion, waits),
        recreated(found, "s3://b/sp", "p1"),
        joined(found, cluster),
    )
    return f"{len(problems)} unmet, {len(deletion)} against deletion, {waits}", everything
