"""Evidence for the doctor's tests: a healthy job, assessed by the real formulas, to be made ill fact by fact."""

from collections.abc import Sequence
from typing import Any

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import Evidence, FlameSample, gathered
from flinkops.model.detail import FlameGraph, FlameGraphNode, JobDetail, TaskManagerDetail
from flinkops.model.facts import ClusterFacts, ExceptionFacts, JobFacts, Spread
from flinkops.model.findings import Diagnosis, Finding
from flinkops.model.history import JobSample
from tests.unit.builders import NOW_MS, snapshot, spread, with_vertex
from tests.unit.builders import job as any_job

CLUSTER = ClusterFacts("prod", "2.3.0", 1, 8, 4)


EVEN = Spread(min=50.0, max=50.0, avg=50.0, sum=100.0)


def job(**fields: Any) -> JobFacts:
    """Healthy, its records spread evenly over two subtasks of each vertex."""
    facts = any_job(**fields)
    for each in facts.vertices:
        facts = with_vertex(facts, each.id, records_in_per_second=EVEN)
    return facts


def held_up(**work: object) -> JobFacts:
    """`work` takes less than it is given."""
    facts = with_vertex(job(), "src", backpressured_ratio=spread(0.9), busy_ratio=spread(0.1))
    return with_vertex(facts, "work", **{"busy_ratio": spread(0.98), **work})


def evidence(facts: JobFacts | None = None, past: Sequence[JobSample] = (), **parts: Any) -> Evidence:
    """Of the facts as they are assessed; with details of TaskManagers and plan unless other parts are given."""
    facts = facts or job()
    history = {facts.key: tuple(past)}
    assessment = assess(snapshot(facts), history, Policy()).jobs[0]
    assert assessment.sample is not None
    parts = {"detail": detail(), "cluster": CLUSTER, **parts}
    return gathered(NOW_MS, assessment, (*past, assessment.sample), **parts)


def detail(**fields: Any) -> JobDetail:
    """One TaskManager that has nothing to complain of."""
    defaults: dict[str, Any] = {"taskmanagers": (manager(0.01),)}
    return JobDetail(id="a" * 32, seen_ms=NOW_MS, **{**defaults, **fields})


def manager(gc_ratio: float | None) -> TaskManagerDetail:
    return TaskManagerDetail("tm-1", 8, 4, heap_used_bytes=400_000_000, heap_max_bytes=500_000_000, gc_ratio=gc_ratio)


def sample(seconds_ago: float, **fields: Any) -> JobSample:
    defaults: dict[str, Any] = {"state": "RUNNING", "job_id": "a" * 32, "records_in_per_second": 100.0}
    return JobSample(at_ms=NOW_MS - round(seconds_ago * 1000), **{**defaults, **fields})


def thrown(seconds_ago: float, message: str = "java.lang.RuntimeException: poison") -> ExceptionFacts:
    return ExceptionFacts(NOW_MS - round(seconds_ago * 1000), "java.lang.RuntimeException", message, "work", "tm-1")


def flames(vertex: str, **samples: int) -> FlameSample:
    """Stacks under one root: each frame, its dots as double underscores, with its samples."""
    children = tuple(FlameGraphNode(frame.replace("__", "."), count) for frame, count in samples.items())
    root = FlameGraphNode("root", sum(samples.values()), children)
    return FlameSample(vertex, FlameGraph(at_ms=NOW_MS, root=root))


def found(code: str, ill: Evidence) -> Finding | None:
    """The finding of that code, if any."""
    return next((each for each in diagnose(ill).findings if each.code == code), None)


def why_not(code: str, ill: Evidence) -> str | None:
    """Why the rule of that code could not say anything."""
    return next((each.why for each in diagnose(ill).not_assessed if each.code == code), None)


def above_info(diagnosis: Diagnosis) -> list[str]:
    return [each.code for each in diagnosis.findings if each.severity != "info"]
