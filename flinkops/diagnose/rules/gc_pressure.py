"""gc-pressure: the JVM collects garbage instead of working."""

import re

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.detail import TaskManagerDetail
from flinkops.model.findings import EvidenceLine, Finding, NotAssessed, Severity
from flinkops.model.option_names import STATE_BACKEND
from flinkops.model.states import SUBMITTED

GC_RATIO = 0.2
"""Share of time in garbage collection; Tencent's event stands at 0.3 over 5 minutes, reference 6 (calibrated)."""
GC_CRITICAL_RATIO = 0.5
GC_NOTABLE_RATIO = 0.1
OUT_OF_MEMORY = re.compile(r"OutOfMemoryError: (Java heap space|GC overhead)|GC overhead limit exceeded")
RECENT_MS = 600_000


def judge(case: Case) -> Verdict:
    """By the TaskManagers that run the job, and by exceptions that say so."""
    thrown = [
        each
        for each in case.job.exceptions
        if case.job.seen_ms - each.at_ms < RECENT_MS and OUT_OF_MEMORY.search(f"{each.name}: {each.message}")
    ]
    known = [(ratio, each) for each in case.taskmanagers if (ratio := each.gc_ratio) is not None]
    worst = max(known, key=lambda pair: pair[0], default=None)
    if case.above("times that a TaskManager ran out of heap in ten minutes", len(thrown), 0, "count"):
        lines = [line(f"TaskManagers ran out of heap {len(thrown)} times in ten minutes", len(thrown), 0, "count")]
        return [_finding(case, worst[1] if worst else None, "critical", 0.95, lines)]
    if case.job.state in SUBMITTED:
        return NotAssessed("gc-pressure", f"the job is {case.job.state}: what its TaskManagers did is another's")
    if worst is None:
        why = case.why_missing("taskmanagers", case.why_missing("detail", "no TaskManager was asked for its memory"))
        return NotAssessed("gc-pressure", why)
    ratio, manager = worst
    if not case.at_least(f"share of time in garbage collection at {manager.id}", ratio, GC_NOTABLE_RATIO, "ratio"):
        return _of_the_others(case)
    severity: Severity = "info" if ratio < GC_RATIO else "warning" if ratio < GC_CRITICAL_RATIO else "critical"
    lines = [line(f"share of time in garbage collection at {manager.id}", ratio, GC_RATIO, "ratio")]
    return [_finding(case, manager, severity, min(0.95, 0.5 + ratio), lines)]


def _of_the_others(case: Case) -> Verdict:
    """Of TaskManagers that were not asked one by one: well only when none of the cluster collects for long."""
    detail = case.evidence.detail
    if detail is None or not detail.taskmanagers_left_out:
        return ()
    if detail.most_gc_ratio is not None and detail.most_gc_ratio < GC_NOTABLE_RATIO:
        return ()
    asked, whole = len(detail.taskmanagers), len(detail.taskmanagers) + detail.taskmanagers_left_out
    most = detail.most_gc_ratio
    some = "" if most is None else f"; one of the cluster collects for {most:.0%} of its time"
    return NotAssessed("gc-pressure", f"{asked} of the {whole} TaskManagers that run it were asked{some}")


def _finding(
    case: Case, manager: TaskManagerDetail | None, severity: Severity, confidence: float, lines: list[EvidenceLine]
) -> Finding:
    used, limit = (manager.heap_used_bytes, manager.heap_max_bytes) if manager else (None, None)
    if used is not None and limit:
        lines.append(line("heap in use, in bytes", float(used), float(limit), "bytes"))
    return Finding(
        code="gc-pressure",
        severity=severity,
        confidence=confidence,
        title="Garbage collection: the heap of a TaskManager is too small for what runs in it",
        evidence=tuple(lines),
        remedy=(
            remedy(
                "Give the tasks more heap; costs memory of the pod or machine and a restart",
                key="taskmanager.memory.task.heap.size",
                value=f"{2 * limit // 2**20}m" if limit else None,
            ),
            remedy(
                "Keep state off the heap, if it is there now; costs some latency for each access",
                key=STATE_BACKEND[0],
                value="rocksdb",
            ),
        ),
        next=f"flinkops status {case.selector}",
        reference=FLINK_DOCS + "deployment/memory/mem_setup_tm/",
    )


RULE = Rule("gc-pressure", judge, steady=True, running=False)
