"""What the job's state means for its health: failed, restarting, looping, starting, ended, not seen."""

from collections.abc import Sequence

from flinkops.assess.availability import availability
from flinkops.assess.signal import reason
from flinkops.config.policy import JobClass
from flinkops.model.assessment import Level, Reason, brief
from flinkops.model.facts import BATCH, JobFacts, ResourceFacts, SourceState, SourceStatus
from flinkops.model.history import JobSample
from flinkops.model.operator_resource import (
    PATIENCE_SECONDS,
    deleting_seconds,
    held_by,
    jobmanager_missing_seconds,
    not_taken_up_seconds,
)
from flinkops.model.quantities import human_seconds
from flinkops.model.reasons import ReasonCode
from flinkops.model.root_cause import root_cause
from flinkops.model.states import ENDED_ON_PURPOSE, RECOVERING, STARTING, STOPPED, JobState

LOOP_RESTARTS = 3
LOOP_WINDOW_SECONDS = 600.0
RECENT_RESTART_SECONDS = 300.0
LONG_SECONDS = 60.0
"""Not RUNNING for longer is more than a failover."""

_OF_SOURCE: dict[SourceState, ReasonCode] = {
    "unreachable": ReasonCode.SOURCE_UNREACHABLE,
    "denied": ReasonCode.SOURCE_DENIED,
    "stale": ReasonCode.SOURCE_STALE,
}
_OF_STATE: dict[str, ReasonCode] = {
    JobState.INITIALIZING: ReasonCode.JOB_INITIALIZING,
    JobState.CREATED: ReasonCode.JOB_CREATED,
    JobState.RECONCILING: ReasonCode.JOB_RECONCILING,
    JobState.RESTARTING: ReasonCode.JOB_RESTARTING,
    JobState.FAILING: ReasonCode.JOB_FAILING,
    JobState.FAILED: ReasonCode.JOB_FAILED,
    JobState.CANCELLING: ReasonCode.JOB_CANCELLING,
    JobState.CANCELED: ReasonCode.JOB_CANCELED,
    JobState.FINISHED: ReasonCode.JOB_FINISHED,
    JobState.SUSPENDED: ReasonCode.JOB_SUSPENDED,
}
_OF_POD: dict[str, ReasonCode] = {
    code.removeprefix("stuck-"): code
    for code in (
        ReasonCode.STUCK_IMAGE,
        ReasonCode.STUCK_UNSCHEDULABLE,
        ReasonCode.STUCK_OOM_KILLED,
        ReasonCode.STUCK_CRASH_LOOP,
        ReasonCode.STUCK_CONTAINER,
        ReasonCode.STUCK_VOLUME,
        ReasonCode.STUCK_QUOTA,
    )
}
"""By StuckFacts.code."""
_OF_RESOURCE: dict[str, tuple[ReasonCode, Level]] = {
    "FAILED": (ReasonCode.LIFECYCLE_FAILED, "critical"),
    "ROLLING_BACK": (ReasonCode.LIFECYCLE_ROLLING_BACK, "warning"),
    "ROLLED_BACK": (ReasonCode.LIFECYCLE_ROLLED_BACK, "warning"),
}
"""By the operator's own lifecycleState."""


def unseen(
    job: JobFacts,
    source: SourceStatus | None,
    age_seconds: float,
    stale_after_seconds: float,
    *,
    fresh: bool,
    ahead: bool = False,
) -> Reason | None:
    """The reason that says how old the data is when it is not of now.

    A stale source was too slow for all of its jobs; those that it did answer for (`fresh`) are as good as any. What is
    `ahead` of the snapshot was seen before a clock was set back: its age is unknown.
    """
    answered = source is not None and (source.state == "ok" or (source.state == "stale" and fresh))
    if answered and age_seconds <= stale_after_seconds and not ahead:
        return None
    if source is None:
        code, what = ReasonCode.SOURCE_MISSING, f'its source "{job.cluster}" is not in this snapshot'
    elif source.state == "ok":
        code, what = ReasonCode.DATA_OLD, "its source answers, but said nothing new of this job"
    else:
        code, what = _OF_SOURCE[source.state], source.error or f'its source "{source.name}" is {source.state}'
    when = "before a clock was set back" if ahead else f"{human_seconds(age_seconds)} ago"
    text = f"was {job.state} {when}, nothing newer is known: {what}"
    return Reason(
        code=code,
        text=text,
        value=age_seconds,
        limit=stale_after_seconds,
        level="unknown",
        since_ms=job.seen_ms,
        brief=brief(what, f", {human_seconds(age_seconds)} old"),
    )


def lifecycle(job: JobFacts, past: Sequence[JobSample], job_class: JobClass) -> list[Reason]:
    """Reasons from the job's state, its restarts and its custom resource."""
    reasons = [*_resource(job), *_restarts(job, past), *availability(job, past, job_class)]
    state = _state(job, past, job_class)
    return [state, *reasons] if state else reasons


def _state(job: JobFacts, past: Sequence[JobSample], job_class: JobClass) -> Reason | None:
    since = _state_since(job, past)
    seconds = max(0.0, (job.seen_ms - since) / 1000)
    if job.state == JobState.RUNNING:
        return None
    if job.state in STOPPED and is_over(job, job_class):
        return None
    code = _OF_STATE.get(job.state, ReasonCode.JOB_STATE_UNKNOWN)
    level: Level = "warning"
    text = f"the job is {job.state}"
    cell = ""
    if job.state == JobState.FAILED:
        level, text, cell = "critical", f"the job has FAILED{_cause(job)}", _brief(job, ", FAILED")
    elif job.state in ENDED_ON_PURPOSE:
        text = f"the job has ended: {job.state}"
    elif job.state in STARTING and _without_jobmanager(job) is not None:
        return None  # it is not starting: there is nothing that it could start in
    elif job.state in STARTING:
        level, text = "unknown", f"the job is starting: {job.state}"
    elif job.state in RECOVERING:
        level = "critical" if seconds >= LONG_SECONDS else "warning"
        lasts = f" for {human_seconds(seconds)}" if seconds else ""
        text, cell = f"{text}{lasts}{_cause(job)}", _brief(job, f", {job.state}{lasts}")
    elif code is ReasonCode.JOB_STATE_UNKNOWN:
        level = "unknown"
        text = reason(job, "state", f'the state of the job is not known ("{job.state}")')
    return Reason(code=code, text=text, level=level, since_ms=since, brief=cell)


def is_over(job: JobFacts, job_class: JobClass) -> bool:
    """It stopped as was wanted: by an action of ours, by its spec, as a batch job does, or as its class may."""
    may = job.state == JobState.FINISHED and job_class.may_finish
    return may or job.stopped_on_request or (job.job_type == BATCH and job.state in ENDED_ON_PURPOSE)


def _state_since(job: JobFacts, past: Sequence[JobSample]) -> int:
    """Since when the job has been seen in this state: its end where it has one, else the samples tell."""
    if job.ended_ms is not None:
        return job.ended_ms
    since = job.seen_ms
    for sample in reversed(past):
        if sample.state != job.state:
            break
        since = sample.at_ms
    return since


def _cause(job: JobFacts) -> str:
    """The root cause of the newest exception; its chain is with the exceptions."""
    return f": {root_cause(job.exceptions[0]).text}" if job.exceptions else ""


def _brief(job: JobFacts, then: str) -> str:
    """The root cause first, then what became of the job; empty where no exception is known."""
    return brief(root_cause(job.exceptions[0]).short, then) if job.exceptions else ""


def _restarts(job: JobFacts, past: Sequence[JobSample]) -> list[Reason]:
    """A loop: several restarts within minutes, seen between polls or in Flink's own list of root causes."""
    if job.state in ENDED_ON_PURPOSE:
        return []
    since_ms = job.seen_ms - round(LOOP_WINDOW_SECONDS * 1000)
    lately = max(_restarts_since(job, past, since_ms), _failures_since(job, since_ms))
    window = human_seconds(LOOP_WINDOW_SECONDS)
    if lately >= LOOP_RESTARTS:
        text = f"restart loop: {lately} restarts within {window}{_cause(job)}"
        return [
            Reason(
                code=ReasonCode.RESTART_LOOP,
                text=text,
                value=lately,
                limit=LOOP_RESTARTS,
                level="critical",
                brief=_brief(job, f", {lately} restarts in {window}"),
            )
        ]
    running = job.running_since_ms
    if job.state == JobState.RUNNING and job.restarts and running is not None and not _was_rescaled(job, running):
        seconds = (job.seen_ms - running) / 1000
        if 0 <= seconds < RECENT_RESTART_SECONDS:
            text = f"restarted {human_seconds(seconds)} ago{_cause(job)}"
            return [
                Reason(
                    code=ReasonCode.JOB_RESTARTED,
                    text=text,
                    value=seconds,
                    limit=RECENT_RESTART_SECONDS,
                    level="warning",
                    since_ms=running,
                    brief=_brief(job, f", restarted {human_seconds(seconds)} ago"),
                )
            ]
    return []


def _was_rescaled(job: JobFacts, running_since_ms: int) -> bool:
    """Whether what the counter counts as a restart was a rescale: no failure lies shortly before it runs again."""
    since_ms = running_since_ms - round(RECENT_RESTART_SECONDS * 1000)
    return job.restarts_include_rescales and not _failures_since(job, since_ms)


def _restarts_since(job: JobFacts, past: Sequence[JobSample], since_ms: int) -> int:
    counted = [
        sample.restarts
        for sample in past
        if sample.at_ms >= since_ms and sample.restarts is not None and sample.job_id == job.id
    ]
    if job.restarts is None or not counted or job.restarts_include_rescales:
        return 0
    return max(0, job.restarts - min(counted))


def _failures_since(job: JobFacts, since_ms: int) -> int:
    """Root causes of the window, no more than the restarts that there were: a failure that was survived is one too."""
    failures = sum(1 for failure in job.exceptions if failure.at_ms >= since_ms)
    return failures if job.restarts is None else min(failures, job.restarts)


def _resource(job: JobFacts) -> list[Reason]:
    """What the custom resource, its pods and events say."""
    resource = job.resource
    if resource is None:
        return []
    reasons = [
        Reason(
            code=_OF_POD.get(stuck.code, ReasonCode.STUCK_OTHER),
            text=f"{stuck.object}: {stuck.text}",
            level="critical",
            since_ms=stuck.since_ms,
        )
        for stuck in resource.stuck
    ]
    reasons += _operator_does_not_act(job, resource)
    if resource.error:
        text = f"the operator reports: {resource.error}"
        reasons.append(Reason(code=ReasonCode.OPERATOR_ERROR, text=text, level="critical"))
    if resource.lifecycle_state in _OF_RESOURCE:
        code, level = _OF_RESOURCE[resource.lifecycle_state]
        reasons.append(Reason(code=code, text=f"the operator says {resource.lifecycle_state}", level=level))
    return reasons


def _without_jobmanager(job: JobFacts) -> float | None:
    return None if job.resource is None else jobmanager_missing_seconds(job.resource, job.seen_ms)


def _operator_does_not_act(job: JobFacts, resource: ResourceFacts) -> list[Reason]:
    """What waits for the operator, or has been lost to it."""
    found = (_no_jobmanager(job, resource), _being_deleted(job, resource), _edit_not_taken_up(job, resource))
    return [reason for reason in found if reason is not None]


def _no_jobmanager(job: JobFacts, resource: ResourceFacts) -> Reason | None:
    missing = _without_jobmanager(job)
    if missing is None:
        return None
    lasts = f" for {human_seconds(missing)}" if missing else ""
    return Reason(
        code=ReasonCode.JOBMANAGER_MISSING,
        text=f"the operator sees no JobManager{lasts} (MISSING), and deploys none",
        value=missing,
        limit=PATIENCE_SECONDS,
        level="critical" if missing >= PATIENCE_SECONDS else "warning",
        since_ms=resource.status_changed_ms,
    )


def _being_deleted(job: JobFacts, resource: ResourceFacts) -> Reason | None:
    deleting = deleting_seconds(resource, job.seen_ms)
    if deleting is None:
        return None
    return Reason(
        code=ReasonCode.RESOURCE_DELETING,
        text=f"the resource is being deleted since {human_seconds(deleting)}; held by {held_by(resource)}",
        value=deleting,
        limit=PATIENCE_SECONDS,
        level="warning",
        since_ms=resource.deleting_since_ms,
    )


def _edit_not_taken_up(job: JobFacts, resource: ResourceFacts) -> Reason | None:
    waiting = not_taken_up_seconds(resource, job.seen_ms)
    if waiting is None or waiting < PATIENCE_SECONDS:
        return None
    generations = f"generation {resource.generation}, observed {resource.observed_generation}"
    return Reason(
        code=ReasonCode.SPEC_NOT_TAKEN_UP,
        text=f"the operator has not acted on an edit of the spec for {human_seconds(waiting)} ({generations})",
        value=waiting,
        limit=PATIENCE_SECONDS,
        level="warning",
        since_ms=resource.spec_changed_ms,
    )
