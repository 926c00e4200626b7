"""What the operator says or does not do about a job: an error, a deletion that waits, no JobManager, an idle edit."""

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import Rule, Verdict, line, remedy
from flinkops.model.findings import EvidenceLine, Finding, Remedy, Severity
from flinkops.model.operator_bugs import dotted, operator_bugs
from flinkops.model.operator_resource import (
    PATIENCE_SECONDS,
    deleting_seconds,
    held_by,
    jobmanager_missing_seconds,
    not_taken_up_seconds,
)
from flinkops.model.states import JobState

_DOCS = "https://nightlies.apache.org/flink/flink-kubernetes-operator-docs-stable/docs/"
_FINALIZERS = "https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/"
_IS_IT_RUNNING = remedy(
    "Is the operator running? kubectl get pods -A -l app.kubernetes.io/name=flink-kubernetes-operator; its log says"
    " what it makes of the resource"
)
DELETION_GRAVE_SECONDS = 300.0
"""The operator's own cleanup cancels a job or takes a savepoint, which may last minutes."""


def _finding(
    case: Case,
    code: str,
    severity: Severity,
    title: str,
    evidence: tuple[EvidenceLine, ...],
    fix: Remedy,
    reference: str,
) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        confidence=0.9,
        title=title,
        evidence=evidence,
        remedy=(fix,),
        next=f"flinkops status {case.selector}",
        reference=reference,
    )


def _error(case: Case) -> Verdict:
    resource = case.job.resource
    reported = case.holds("the operator reports an error", resource is not None and bool(resource.error))
    if resource is None or not reported:
        return ()
    grave: Severity = "warning" if case.job.state == JobState.RUNNING else "critical"
    fix = remedy("The message names the cause; what it is about stands in the job's spec or at the place that it names")
    told = (line(f"status.error: {resource.error}"[:500]),)
    return [_finding(case, ERROR.code, grave, "The operator reports an error", told, fix, _DOCS)]


def _deletion(case: Case) -> Verdict:
    resource = case.job.resource
    seconds = None if resource is None else deleting_seconds(resource, case.job.seen_ms)
    case.holds("the resource is being deleted", seconds is not None)
    if resource is None or seconds is None:
        return ()
    severity: Severity = "info" if seconds < PATIENCE_SECONDS else "warning"
    if seconds >= DELETION_GRAVE_SECONDS:
        severity = "critical"
    fix = remedy(
        "Whoever holds it has to let go: for the operator see its log; another finalizer belongs to the tool that it"
        " names. Taking a finalizer away by hand leaves behind what it would have cleaned up"
    )
    evidence = (
        line("seconds since the deletion was asked for", seconds, PATIENCE_SECONDS, "seconds"),
        line(f"held by {held_by(resource)}"),
        *(
            line(f"operator {resource.operator_version} {bug.effect} ({bug.issue}, fixed in {dotted(bug.fixed)})")
            for bug in (operator_bugs(resource.operator_version, "deletion") if resource.session_cluster else ())
        ),
    )
    return [_finding(case, DELETION.code, severity, "The resource is being deleted", evidence, fix, _FINALIZERS)]


def _no_jobmanager(case: Case) -> Verdict:
    resource = case.job.resource
    seconds = None if resource is None else jobmanager_missing_seconds(resource, case.job.seen_ms)
    case.holds("there is no JobManager, and none is deployed", seconds is not None)
    if resource is None or seconds is None:
        return ()
    severity: Severity = "critical" if seconds >= PATIENCE_SECONDS else "info"
    evidence = (
        line("seconds, at least, without a JobManager", seconds, PATIENCE_SECONDS, "seconds"),
        line(f"jobManagerDeploymentStatus MISSING, job {resource.operator_job_state}, no deployment under way"),
    )
    title = "There is no JobManager, and the operator deploys none"
    return [_finding(case, NO_JOBMANAGER.code, severity, title, evidence, _IS_IT_RUNNING, _DOCS)]


def _not_taken_up(case: Case) -> Verdict:
    resource = case.job.resource
    seconds = None if resource is None else not_taken_up_seconds(resource, case.job.seen_ms)
    waits = case.at_least("since an edit that was not taken up", seconds, PATIENCE_SECONDS, "seconds")
    if not waits or resource is None or seconds is None:
        return ()
    generations = f"generation {resource.generation}, observed {resource.observed_generation}"
    evidence = (
        line("seconds since the spec was edited", seconds, PATIENCE_SECONDS, "seconds"),
        line(f"{generations}; lifecycle {resource.lifecycle_state}, JobManager {resource.jobmanager_status}"),
    )
    title = "The operator has not acted on the last edit of the spec"
    return [_finding(case, NOT_TAKEN_UP.code, "warning", title, evidence, _IS_IT_RUNNING, _DOCS)]


ERROR = Rule("operator-error", _error, running=False, unseen=True)
DELETION = Rule("deletion-waits", _deletion, running=False, unseen=True, ended=True)
NO_JOBMANAGER = Rule("jobmanager-missing", _no_jobmanager, running=False, unseen=True)
NOT_TAKEN_UP = Rule("spec-not-taken-up", _not_taken_up, running=False, unseen=True)
OPERATOR_RULES = (ERROR, DELETION, NO_JOBMANAGER, NOT_TAKEN_UP)
