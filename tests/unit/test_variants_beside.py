"""What the other variants leave out: two polls of a job, memory that adds up, a pod, files, where a downtime went.

`FLINKOPS_UPDATE_GOLDEN=1 pytest -m thorough tests/unit/test_variants_beside.py` writes the files: read these.
"""

from typing import Any

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.diagnose.changes import Load, between, gaps_of_facts, gaps_of_recording, in_order, of_events, of_facts
from flinkops.diagnose.evidence import gathered
from flinkops.diagnose.fleet import diagnose_fleet
from flinkops.diagnose.kept import are_enough, kept_now_and_before
from flinkops.diagnose.partition_pace import paced
from flinkops.diagnose.suspects import busiest_vertices, early_vertices, is_suspicious
from flinkops.diagnose.twins import topics_of, twins_of
from flinkops.errors import FlinkopsError
from flinkops.model.detail import JobDetail, KubeEvent, ResourceEvents
from flinkops.model.effect import PodTimes
from flinkops.model.facts import ClusterFacts, JobFacts
from flinkops.model.history import JobSample
from flinkops.model.timeline import NotCovered, Timeline
from flinkops.observability.metrics import FLEET_METRICS, JOB_METRICS, VERTEX_METRICS
from flinkops.observability.metrics.fleet import FleetView
from flinkops.observability.slo import ObservedJob
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.downtime_trace import downtime_phases, in_words
from flinkops.plan.operator.memory import jobmanager_adds_up, taskmanager_adds_up
from flinkops.plan.operator.rehearsal_pod import rehearsal_pod, states_of, with_cluster
from flinkops.plan.orphan_list import listed, select
from flinkops.plan.orphans import References, SnapshotContent, StoredFile, decide
from flinkops.plan.storage import FolderDeletion, plan_deletion
from flinkops.render.timeline import timeline_csv, timeline_document, timeline_lines
from tests.unit.builders import NOW_MS, snapshot
from tests.unit.test_variants_of_jobs import WORDS, sample, whole
from tests.variants import Outcome, hold

SAMPLES = ("few-partitions-weak", "poison-weak", "rescaled", "savepoint", "running-twice")


@pytest.mark.thorough
@pytest.mark.parametrize("stem", SAMPLES)
def test_two_polls_that_are_otherwise_are_told_as_they_were(stem: str) -> None:
    recorded = sample(stem)
    job = recorded["job"]
    before = {**job, "seen_ms": job["seen_ms"] - 30_000, "restarts": 0, "exceptions": []}
    event = KubeEvent(job["seen_ms"] - 5_000, "Warning", "BackOff", "Pod/orders-1", "back-off", 3)
    given = {
        "job": job,
        "before": before,
        "detail": recorded["detail"],
        "history": recorded["history"],
        "events": whole(ResourceEvents(events=(event,))),
        "cluster": recorded["cluster"],
        "how": {"since_seconds": 3_600, "jobs": 3, "between_seconds": 30},
    }
    hold(f"beside/polls {stem}", {key: each for key, each in given.items() if each}, told, 12, WORDS)


def told(document: Any) -> Outcome:
    """What has changed, what is exported, what is worth more requests, what several jobs share."""
    job = msgspec.convert(document["job"], JobFacts)
    before = msgspec.convert(document.get("before", document["job"]), JobFacts)
    history = msgspec.convert(document.get("history", ()), tuple[JobSample, ...])
    how = document.get("how", {})
    until_ms, since_ms = job.seen_ms, job.seen_ms - 1000 * how.get("since_seconds", 60)
    first, last = (snapshot(each, taken_ms=each.seen_ms, name=each.cluster) for each in (before, job))
    events = msgspec.convert(document.get("events", {}), ResourceEvents)
    load = Load()
    found = [*of_facts(job), *of_events(job, events), *between(first, last), *between(last, first)]
    found += [entry for each in (first, last, last) for entry in load.at(each)]
    gaps: list[NotCovered] = [*gaps_of_facts(job, since_ms)]
    gaps += gaps_of_recording([before.seen_ms, job.seen_ms - 1000 * how.get("between_seconds", 0)], since_ms, until_ms)
    timeline = Timeline(since_ms, until_ms, in_order(found, since_ms, until_ms), tuple(gaps))
    fleet = assess(last, {job.key: history[:-1]}, Policy())
    (assessed,) = fleet.jobs
    detail = msgspec.convert(document.get("detail"), JobDetail | None)
    evidence = gathered(until_ms, assessed, history, detail=detail)
    worth = (is_suspicious(assessed), busiest_vertices(assessed), early_vertices(assessed))
    others = [msgspec.structs.replace(job, id=f"{n:032x}") for n in range(3)]
    everything = (
        (timeline_document(timeline), timeline_csv(timeline), list(timeline_lines(timeline))),
        exported(document, job, fleet),
        (worth, kept_now_and_before(history), are_enough(history)),
        [[finding.title for finding in each.findings] for each in diagnose_fleet([evidence] * how.get("jobs", 1))],
        [each.id for each in twins_of(job, [before, *others])],
        at_a_pace(detail) if detail else None,
    )
    return f"{len(timeline.entries)} entries, {len(gaps)} gaps, {worth[0]}", everything


def exported(document: Any, job: JobFacts, fleet: Any) -> Any:
    cluster = msgspec.convert(document.get("cluster"), ClusterFacts | None)
    clusters = (cluster,) if cluster else ()
    view = FleetView("1", "3", 0, 1, 2, 0, 0, taken_ms=job.seen_ms, assessment=fleet, clusters=clusters)
    (assessed,) = fleet.jobs
    readings = [(each.name, list(each.read(ObservedJob(assessed)))) for each in JOB_METRICS]
    readings += [(each.name, list(each.read(view))) for each in FLEET_METRICS]
    readings += [(each.name, list(each.read(vertex))) for each in VERTEX_METRICS for vertex in assessed.vertices]
    return readings


def at_a_pace(detail: JobDetail) -> Any:
    """Against three earlier answers, of which the middle one is old enough."""
    earlier = [
        msgspec.structs.replace(
            detail,
            seen_ms=detail.seen_ms - age_ms,
            partitions=tuple(
                msgspec.structs.replace(each, offset=each.offset and each.offset - 7, pending_records=30.0)
                for each in detail.partitions
            ),
        )
        for age_ms in (30_000, 20_000, 19_999)
    ]
    return paced(detail, earlier), paced(detail, earlier[1:]), paced(detail, earlier[2:]), topics_of(detail)


SIZES = ("1g", "1024m", "512 mb", "600m", "256m", "128m", "0", "1 tb", "x", "", "64m", "1073741824")
MEMORY = {
    "jobmanager.memory.process.size": "1600m",
    "jobmanager.memory.flink.size": "1g",
    "jobmanager.memory.heap.size": "896m",
    "jobmanager.memory.off-heap.size": "128m",
    "jobmanager.memory.jvm-metaspace.size": "256m",
    "jobmanager.memory.jvm-overhead.min": "192m",
    "jobmanager.memory.jvm-overhead.max": "1g",
    "jobmanager.memory.jvm-overhead.fraction": "0.1",
    "jobmanager.heap.size": "900m",
    "jobmanager.heap.mb": "900",
    "taskmanager.memory.process.size": "1728m",
    "taskmanager.memory.flink.size": "1280m",
    "taskmanager.memory.task.heap.size": "384m",
    "taskmanager.memory.managed.size": "512m",
    "taskmanager.memory.managed.fraction": "0.4",
    "taskmanager.memory.task.off-heap.size": "0",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.network.min": "64m",
    "taskmanager.memory.network.max": "128m",
    "taskmanager.memory.network.fraction": "0.1",
    "taskmanager.memory.jvm-overhead.fraction": "0.1",
    "taskmanager.network.numberOfBuffers": "2048",
    "taskmanager.memory.segment-size": "32k",
    "taskmanager.cpu.cores": "1.0",
    "taskmanager.numberOfTaskSlots": "2",
}
OF_MEMORY: dict[str, tuple[Any, ...]] = {key: SIZES for key in MEMORY if not key.endswith(("fraction", "cores"))} | {
    key: ("0", "0.1", "0.5", "0.99", "1.0", "-0.1", "x") for key in MEMORY if key.endswith(("fraction", "cores"))
}
STARTS: dict[str, tuple[str, ...]] = {
    "all": (),
    "total": ("task.heap", "managed.size", "heap.size", "heap.mb", "numberOfBuffers"),
    "process": ("flink.size", "task.heap", "managed.size", "heap.size", "heap.mb", "network"),
    "legacy": ("flink.size", "memory.heap.size", "network.min", "network.max", "network.fraction", "process.size"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("start", STARTS)
def test_memory_that_is_otherwise_adds_up_as_it_did(start: str) -> None:
    settings = {key: each for key, each in MEMORY.items() if not any(part in key for part in STARTS[start])}
    hold(f"beside/memory {start}", {"settings": settings}, added_up, 12, OF_MEMORY)


def added_up(document: Any) -> Outcome:
    settings = document.get("settings", {})
    found = (jobmanager_adds_up(settings), taskmanager_adds_up(settings))
    return f"{found[0]} {found[1]}", found


SPEC: dict[str, Any] = {
    "image": "shop:1",
    "imagePullPolicy": "Always",
    "serviceAccount": "flink",
    "flinkVersion": "v1_20",
    "flinkConfiguration": {
        "high-availability.type": "kubernetes",
        "kubernetes.secrets": "s3:/etc/s3, tls:/etc/tls",
        "kubernetes.container.image.pull-secrets": "one; two;",
        "kubernetes.entry.path": "/entry.sh",
        "containerized.master.env.REGION": "eu-$1",
        "execution.state-recovery.claim-mode": "CLAIM",
        "s3.endpoint": "http://minio:9000",
        "state.checkpoints.dir": "s3://bucket/cp",
        "rest.port": "9",
    },
    "podTemplate": {
        "metadata": {"labels": {"team": "shop"}, "name": "x"},
        "spec": {
            "containers": [
                {
                    "name": "flink-main-container",
                    "image": "other:1",
                    "ports": [{"containerPort": 9}],
                    "env": [{"name": "FLINKOPS_FETCH", "value": "no"}, {"name": "A", "value": "b"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    },
    "jobManager": {"podTemplate": {"spec": {"containers": [{"name": "side"}, {"name": "flink-main-container"}]}}},
    "job": {
        "jarURI": "local:///opt/a.jar",
        "entryClass": "org.apache.flink.client.python.PythonDriver",
        "args": ["-py", "/opt/a.py", "-pyexec", "/venv/bin/python", "--topic", "$a"],
        "parallelism": 3,
        "allowNonRestoredState": False,
    },
}
OF_PODS: dict[str, tuple[Any, ...]] = {
    "jarURI": ("https://jars:8443/a.jar", "http://jars/a.jar", "s3://jars/a.jar", "hdfs://x/a.jar", "a.jar", "", None),
    "entryClass": ("shop.Orders", None),
    "states": (["path s3://b/sav"], ["newest file:/cp"], ["path hdfs://n/sav"], ["path https://h:70000/x"], []),
    "paths": (["s3://b/1f/chk-1", "/chk-2", "s3://b/1f/chk-2/", "s3://b/1f/chk-x"], ["a\nb"]),
    "s3.endpoint": ("minio:9000", "https://s3.example", ""),
    "state_bytes": (None, 0, 1),
    "cluster": (None, {"spec": {"image": "cluster:1", "flinkConfiguration": {"rest.port": "1", "x": "y"}}}),
}


@pytest.mark.thorough
@pytest.mark.parametrize("part", [1, 2])
def test_a_pod_of_a_spec_that_is_otherwise_is_as_it_was(part: int) -> None:
    given = {
        "spec": SPEC,
        "cluster": {"spec": {"image": "cluster:1"}},
        "how": {
            "states": ["path s3://b/sav"],
            "paths": ["s3://b/cp/1f/chk-12", "s3://b/cp/1f/chk-11", "s3://b/savepoint-1"],
            "state_bytes": 1_000,
            "defaults": {"kubernetes.service-account": "default", "taskmanager.numberOfTaskSlots": "1"},
            "variables": {"FLINKOPS_TRIES": "3"},
        },
    }
    hold(f"beside/pod {part}", given if part == 1 else given | {"cluster": None}, made, 30, OF_PODS)


def made(document: Any) -> Outcome:
    how = document.get("how", {})
    try:
        pod = rehearsal_pod(
            with_cluster(document.get("spec", {}), document.get("cluster")),
            how.get("states", ()),
            defaults=how.get("defaults", {}),
            state_bytes=how.get("state_bytes"),
            variables=how.get("variables"),
        )
        states = states_of(how.get("paths", ()))
    except FlinkopsError as problem:
        return f"{type(problem).__name__}: {problem}", None
    files = {volume: {name: text.decode() for name, text in each.items()} for volume, each in pod.files.items()}
    return f"{len(pod.egress or ())} ways out", (pod.template, files, pod.egress, states)


JOBS = ("1" * 32, "2" * 32, "3" * 32)
DAY_MS = 86_400_000
FILES = (
    *(f"c/{job}/chk-{number}/_metadata" for job in JOBS[:2] for number in (7, 8)),
    *(f"c/{job}/chk-{number}/part" for job in JOBS[:2] for number in (7, 8)),
    *(f"c/{job}/shared/{name}" for job in JOBS for name in ("f1", "f2")),
    f"c/{JOBS[0]}/taskowned/f3",
    "c/savepoint-111111-0a0a0a0a0a0a/_metadata",
    "c/savepoint-111111-0a0a0a0a0a0a/part",
    "c/README",
)


@pytest.mark.thorough
@pytest.mark.parametrize("part", [1, 2, 3])
def test_a_folder_that_is_otherwise_is_judged_as_it_was(part: int) -> None:
    old_ms = NOW_MS - 3 * DAY_MS
    files = [whole(StoredFile(path, 10 + n, old_ms + 1000 * n)) for n, path in enumerate(FILES)]
    folders = {path.removesuffix("/_metadata") for path in FILES if path.endswith("/_metadata")}
    contents = {
        folder: {"names": [f"{folder.split('/')[1]}/shared/f1"], "operators": ["o1"], "modified_ms": old_ms + n}
        for n, folder in enumerate(sorted(folders))
    }
    keys = {"savepoint-111111-0a0a0a0a0a0a": "a pointer"} if part == 2 else {}
    given = {
        "files": files,
        "contents": {**contents, "d/mine": {"names": [f"{JOBS[2]}/shared/f2"]}},
        "references": {"keys": keys, "live_jobs": {JOBS[1]: "it runs"} if part > 1 else {}, "files": {}, "gaps": []},
        "how": {"with_last_states": part == 3, "older_seconds": 86_400, "later_ms": DAY_MS, "sources": ["a"]},
    }
    hold(f"beside/folder {part}", given, judged, 20, {"later_ms": (DAY_MS - 1, 0, -1), "problem": ("torn", None)})


def judged(document: Any) -> Outcome:
    files = msgspec.convert(document.get("files", ()), tuple[StoredFile, ...])
    contents = msgspec.convert(document.get("contents", {}), dict[str, SnapshotContent])
    references = msgspec.convert(document.get("references", {}), References)
    how = document.get("how", {})
    found = decide(files, contents, references, with_last_states=bool(how.get("with_last_states")))
    first = listed(found, None, "c", ("a",), NOW_MS)
    now_ms = NOW_MS + how.get("later_ms", 0)
    second = listed(found, first, "c", tuple(how.get("sources", ())), now_ms)
    chosen = select(found, second, older_than_seconds=how.get("older_seconds", 0), now_ms=now_ms)
    deletion = FolderDeletion("c", chosen.delete, "list.json", "d" * 8)
    gone = [deletion] if chosen.delete else []
    plan = plan_deletion(gone, Stamp("p1", now_ms, "flinkops storage"), why=("asked",), refused=found.gaps)
    told = f"{len(found.orphans)} of {len(found.units)}, {len(chosen.delete)} go, {len(chosen.waiting)} wait"
    return told, (found, second, chosen, plan)


@pytest.mark.thorough
def test_pods_that_came_otherwise_are_told_as_they_were() -> None:
    def pod(name: str, at_ms: int, *, is_jobmanager: bool) -> PodTimes:
        times = (at_ms, at_ms + 1_000, at_ms + 4_000, at_ms + 5_000)
        return PodTimes(name, is_jobmanager, *times)

    pods = (
        pod("jm-1", NOW_MS + 2_000, is_jobmanager=True),
        pod("tm-1", NOW_MS + 9_000, is_jobmanager=False),
        pod("tm-2", NOW_MS + 9_500, is_jobmanager=False),
        pod("old", NOW_MS - 60_000, is_jobmanager=True),
    )
    given = {
        "pods": whole(pods),
        "times": {"stopped_ms": NOW_MS, "job_started_ms": NOW_MS + 8_000, "all_running_ms": NOW_MS + 20_000},
    }
    hold("beside/downtime", given, phases, 40)


def phases(document: Any) -> Outcome:
    times = document.get("times", {})
    found = downtime_phases(
        msgspec.convert(document.get("pods", ()), tuple[PodTimes, ...]),
        stopped_ms=times["stopped_ms"],
        job_started_ms=times.get("job_started_ms"),
        all_running_ms=times["all_running_ms"],
    )
    return in_words(found), found
