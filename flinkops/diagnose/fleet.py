"""Many jobs at once: the same exception, image or TaskManager behind several of them is one cause, not many."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec

from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import Evidence
from flinkops.diagnose.rule import FLINK_DOCS, line, remedy
from flinkops.diagnose.rules.restart_loop import said, since_stable
from flinkops.diagnose.writers import with_writers
from flinkops.model.findings import Diagnosis, Finding
from flinkops.model.identity import full_name

SHARED_BY = 3
"""Two jobs may share a fault by chance."""
RECENT_MS = 900_000
NAMED = 5


def diagnose_fleet(evidence: Sequence[Evidence]) -> list[Diagnosis]:
    """Each job by itself, and to those that share a cause with others, info that says so; worst first."""
    diagnoses = with_writers(evidence, [diagnose(each) for each in evidence])
    for what, key in _SHARED:
        groups: dict[str, list[int]] = defaultdict(list)
        for index, each in enumerate(evidence):
            if (value := key(each)) is not None:
                groups[value].append(index)
        for value, members in groups.items():
            if len(members) >= SHARED_BY:
                names = [full_name(evidence[index].job) for index in members]
                for index in members:
                    diagnoses[index] = _with(diagnoses[index], _finding(what, value, names))
    return sorted(diagnoses, key=lambda each: -math.inf if each.score is None else each.score)


def _exception(evidence: Evidence) -> str | None:
    recent = [each for each in evidence.job.exceptions if evidence.job.seen_ms - each.at_ms < RECENT_MS]
    since = since_stable(recent)
    return said(since[0]) if since else None


def _taskmanager(evidence: Evidence) -> str | None:
    recent = [each for each in evidence.job.exceptions if evidence.job.seen_ms - each.at_ms < RECENT_MS]
    since = since_stable(recent)
    return since[0].taskmanager if since else None


def _image(evidence: Evidence) -> str | None:
    resource = evidence.job.resource
    return resource.image if resource and resource.stuck else None


_SHARED: tuple[tuple[str, Callable[[Evidence], str | None]], ...] = (
    ("the same exception", _exception),
    ("an exception at the same TaskManager", _taskmanager),
    ("the same image, and none comes up", _image),
)


def _finding(what: str, value: str, names: Sequence[str]) -> Finding:
    others = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
    return Finding(
        code="shared-cause",
        severity="info",
        confidence=0.7,
        title=f"{len(names)} jobs have {what}: one cause, not many",
        evidence=(line(value), line(f"jobs: {others}", float(len(names)), float(SHARED_BY), "count")),
        remedy=(remedy("Check what these jobs share before each of them"),),
        next="flinkops status",
        reference=FLINK_DOCS + "ops/state/task_failure_recovery/",
    )


def _with(diagnosis: Diagnosis, finding: Finding) -> Diagnosis:
    return msgspec.structs.replace(diagnosis, findings=(*diagnosis.findings, finding))
