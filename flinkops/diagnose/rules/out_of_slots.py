"""out-of-slots: the job waits for slots, or runs with fewer than it asked for."""

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.facts import BATCH, JobFacts
from flinkops.model.findings import EvidenceLine, Finding, NotAssessed, Severity
from flinkops.model.states import WAITING_FOR_A_SLOT, WAITING_FOR_SLOTS, ExecutionState, JobState

WAITING_SECONDS = 15.0
"""TaskManagers that are on their way have come by then, outside of Kubernetes."""
NO_RESOURCE = "NoResourceAvailable"
RECENT_MS = 900_000


def judge(case: Case) -> Verdict:
    """By exceptions, by waiting while no slot is free, by subtasks that could not be placed, by fewer than wanted."""
    cluster = case.evidence.cluster
    free = cluster.slots_available if cluster else None
    thrown = [each for each in case.job.exceptions if NO_RESOURCE in f"{each.name} {each.message}"]
    recent = [each for each in thrown if case.job.seen_ms - each.at_ms < RECENT_MS]
    said = case.above(f"exceptions of late that say {NO_RESOURCE}", len(recent), 0, "count")
    if said and case.job.state != JobState.RUNNING:
        return [
            _finding(
                case, "critical", 0.95, [line(f"Flink says {NO_RESOURCE}Exception", len(recent), 0, "count")], free
            )
        ]
    waits = _waits_seconds(case)
    if case.at_least("the job or its subtasks wait for", waits, WAITING_SECONDS, "seconds"):
        if free is None:
            return NotAssessed("out-of-slots", case.why_missing("cluster", "how many slots are free is not known"))
        if case.at_most("free slots", free, 0, "count"):
            lines = [
                line(
                    f"seconds that it has been {case.job.state} or its subtasks wait", waits, WAITING_SECONDS, "seconds"
                )
            ]
            return [_finding(case, "critical", 0.9, lines, free)]
    wanted, actual = _wanted(case), max((each.parallelism for each in case.job.vertices), default=0)
    if (
        case.job.state == JobState.RUNNING
        and case.job.job_type != BATCH
        and wanted > actual > 0
        and free == 0
        and (case.uptime_seconds or 0) >= WAITING_SECONDS
    ):
        lines = [line("subtasks that run, of those that were asked for", float(actual), float(wanted), "count")]
        return [_finding(case, "warning", 0.8, lines, free)]
    return ()


def _waits_seconds(case: Case) -> float | None:
    """Since when it waits: the job as a whole, or subtasks that are not placed."""
    job = case.job
    if job.state in WAITING_FOR_SLOTS and not (job.state == JobState.SUSPENDED and job.stopped_on_request):
        since = job.started_ms
        # It has run as late as a poll saw it run, or as it last failed.
        ran = [each.at_ms for each in case.past if each.state == JobState.RUNNING] + [
            each.at_ms for each in job.exceptions
        ]
        since = max([*ran, since]) if since is not None else max(ran, default=None)
        return None if since is None else (job.seen_ms - since) / 1000
    waiting = [each for each in job.vertices if each.status in WAITING_FOR_A_SLOT]
    if job.state != JobState.RUNNING or not waiting or _a_stage_runs(job):
        return None
    return case.uptime_seconds


def _a_stage_runs(job: JobFacts) -> bool:
    """The later stages of a batch job wait for the earlier ones, not for slots."""
    idle = WAITING_FOR_A_SLOT | {ExecutionState.FINISHED}
    return job.job_type == BATCH and any(each.status not in idle for each in job.vertices)


def _wanted(case: Case) -> int:
    detail = case.evidence.detail
    return max((each.upper for each in detail.resource_requirements), default=0) if detail else 0


def _finding(case: Case, severity: Severity, confidence: float, lines: list[EvidenceLine], free: int | None) -> Finding:
    cluster = case.evidence.cluster
    total = cluster.slots_total if cluster else None
    gone = cluster is not None and cluster.taskmanagers == 0
    if gone:
        lines.append(line("TaskManagers that are registered", 0.0, 1.0, "count"))
    if free is not None:
        lines.append(line(f"free slots, of {total if total is not None else '?'}", float(free), 1.0, "count"))
    fewer = max((each.parallelism for each in case.job.vertices), default=1)
    return Finding(
        code="out-of-slots",
        severity=severity,
        confidence=confidence,
        title="The cluster has no TaskManager" if gone else "The cluster has no free slot for this job",
        evidence=tuple(lines),
        remedy=(
            remedy(
                "Add TaskManagers, or end what is not needed; costs memory and cores",
                key="kubernetes.taskmanager.replicas",
            ),
            remedy(
                "More slots in each TaskManager; costs memory for each of them",
                key="taskmanager.numberOfTaskSlots",
            ),
            remedy("Or ask for fewer subtasks", key="parallelism.default", value=str(max(1, fewer // 2))),
        ),
        next="flinkops status",
        reference=FLINK_DOCS + "deployment/elastic_scaling/",
    )


RULE = Rule("out-of-slots", judge, running=False)
