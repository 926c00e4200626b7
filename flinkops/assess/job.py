"""One job: its signals and health as the status document words them."""

from collections.abc import Sequence

import msgspec

from flinkops.assess.checkpoint_health import checkpoint_reasons
from flinkops.assess.health import checks, health
from flinkops.assess.lifecycle import lifecycle, unseen
from flinkops.assess.limits import limits_of
from flinkops.assess.measured import BUSY
from flinkops.assess.signal import is_measured, left_out, not_running, reason, vertex_reason
from flinkops.assess.signals import Signals, signals, to_sample
from flinkops.assess.skew import WATERMARK, VertexTime
from flinkops.clock import iso_utc
from flinkops.config.policy import Policy
from flinkops.model.assessment import Commit, Delivery, Health, JobAssessment, VertexAssessment
from flinkops.model.event_time import may_need
from flinkops.model.facts import JobFacts, SourceStatus, VertexFacts
from flinkops.model.history import JobSample
from flinkops.model.numbers import amount, total, whole, worst
from flinkops.model.states import ENDED, ExecutionState, JobState

NOT_DECIDED = "not decided yet: the adaptive batch scheduler does so when the inputs are done"
_VERTEX_METRICS = {
    "busy_ratio": "busyTimeMsPerSecond",
    "backpressured_ratio": "backPressuredTimeMsPerSecond",
    "idle_ratio": "idleTimeMsPerSecond",
    "records_in_per_second": "numRecordsInPerSecond",
    "records_out_per_second": "numRecordsOutPerSecond",
}

_COMMIT_FIELDS = ("commit_age_seconds", "commit_failed", "commits")
AHEAD_MS = 1000
"""How much later than the snapshot a job's own time may be, by how they are rounded."""


def assess_job(
    job: JobFacts,
    source: SourceStatus | None,
    history: Sequence[JobSample],
    policy: Policy,
    *,
    taken_ms: int,
    fresh_ms: int,
) -> JobAssessment:
    """What is to be said of one job.

    `history` may already hold the poll itself; only earlier ones count as past. Facts seen before `fresh_ms` are not
    of this poll: whatever they say, the health is unknown.
    """
    past = [sample for sample in history if sample.at_ms < job.seen_ms]
    job_class = policy.class_of(job)
    limits = limits_of(job, job_class)
    found = signals(job, past, job_class)
    judged = checks(job, found, limits, job_class, past)
    reasons = lifecycle(job, past, job_class)
    if job.state == JobState.RUNNING:
        reasons += checkpoint_reasons(job, found.checkpoints, job_class)
    age, ahead = _age_seconds(job, source, taken_ms)
    blind = unseen(
        job, source, age, policy.stale_after_seconds, fresh=job.seen_ms >= fresh_ms and not ahead, ahead=ahead
    )
    verdict = health(job, judged, reasons, past, policy)
    if blind:
        verdict = Health("unknown", (blind, *verdict.reasons), since_ms=blind.since_ms)
    breached = tuple(check.code for check in judged if check.breached)
    return msgspec.structs.replace(
        _described(job, found),
        # What it was is not what it is: a failed probe is unknown, never a state.
        state=JobState.UNKNOWN.value if blind else job.state,
        health=verdict,
        job_class=job_class.name,
        limits=limits,
        data_age_seconds=age,
        sample=to_sample(job, found, breached),
    )


def _age_seconds(job: JobFacts, source: SourceStatus | None, taken_ms: int) -> tuple[float, bool]:
    """How old the facts are, and whether the clock was set back since they were seen: the source knows then."""
    ahead = job.seen_ms > taken_ms + AHEAD_MS
    if ahead and source is not None:
        return source.age_seconds or 0.0, ahead
    return max(0.0, (taken_ms - job.seen_ms) / 1000), ahead


def _described(job: JobFacts, found: Signals) -> JobAssessment:
    """The document's fields; each None has its reason in ``unknown`` or in ``not_applicable``."""
    unknown, not_applicable = dict(found.unknown), dict(found.not_applicable)
    described = JobAssessment(
        id=job.id,
        name=job.name,
        namespace=job.namespace,
        cluster=job.cluster,
        flink_version=job.flink_version,
        kind=job.kind,
        state=job.state,
        lifecycle_state=job.resource.lifecycle_state if job.resource else None,
        uptime_seconds=_uptime(job),
        parallelism=max((vertex.parallelism for vertex in job.vertices if vertex.parallelism), default=None),
        restarts=whole(job.restarts),
        health=Health("unknown"),
        commits=_commits(job),
        vertices=_vertices(job, found, unknown, not_applicable),
        unknown=unknown,
        not_applicable=not_applicable,
        delivery_latency_seconds=_delivery(job),
        facts=job,
        restored=job.checkpoints.restored if job.checkpoints else None,
        recent_checkpoints=job.checkpoints.history if job.checkpoints else (),
        **found.fields(),
    )
    _explain(job, described, unknown, not_applicable)
    return described


_WHILE_IT_RUNS = frozenset({"uptime_seconds", "restarts", "commits", "delivery_latency_seconds"})


def _explain(job: JobFacts, described: JobAssessment, unknown: dict[str, str], not_applicable: dict[str, str]) -> None:
    """Reasons for what no signal speaks of."""
    running = not_running(job)
    absent = _without(job)
    not_applicable |= {field: why for field, why in absent.items() if getattr(described, field) is None}
    reasons = {
        "namespace": "its source does not say it",
        "lifecycle_state": "the operator has not said it yet",
        "flink_version": reason(job, "flink_version", "the cluster did not say it"),
        "uptime_seconds": running or reason(job, "running_since_ms", "Flink does not say since when it runs"),
        "parallelism": NOT_DECIDED if job.vertices else reason(job, "vertices", "the job's vertices are not known"),
        "restarts": reason(job, "restarts", running or "Flink publishes no numRestarts for this job"),
        "commits": running or left_out(job, *_COMMIT_FIELDS) or "no sink reports commits yet",
        "delivery_latency_seconds": running or _why_no_delivery(job),
    }
    for field, why in reasons.items():
        if getattr(described, field) is None and field not in not_applicable:
            over = job.state in ENDED and field in _WHILE_IT_RUNS
            (not_applicable if over else unknown)[field] = why
    delivery = described.delivery_latency_seconds
    for part in ("p50", "p99"):
        if delivery and getattr(delivery, part) is None:
            unknown[f"delivery_latency_seconds.{part}"] = "the dispatcher does not publish it"
    for name, commit in (described.commits or {}).items():
        if commit.age_seconds is None:
            unknown[f"commits.{name}.age_seconds"] = "no commit since the job's current execution began"


def _without(job: JobFacts) -> dict[str, str]:
    """What only some kinds of jobs have."""
    absent = {}
    if job.resource is None:
        no_resource = "only a job of the Kubernetes operator has one"
        absent = {"namespace": no_resource, "lifecycle_state": no_resource}
    if job.delivery is None and "delivery" not in job.unknown:
        absent["delivery_latency_seconds"] = "the job names no dispatcher (flinkops.delivery-metrics-url)"
    if is_measured(job):
        absent["commits"] = "no sink reports commits"
    return absent


def _delivery(job: JobFacts) -> Delivery | None:
    """What the job's dispatcher measured; None where there is none, or nothing was delivered lately."""
    found = job.delivery
    if found is None or not_running(job):
        return None
    p50, p99 = amount(found.p50_seconds), amount(found.p99_seconds)
    return None if p50 is None and p99 is None else Delivery(p50=p50, p99=p99)


def _why_no_delivery(job: JobFacts) -> str:
    if job.delivery is not None:
        return "nothing was delivered in the last minute"
    return reason(job, "delivery", "its dispatcher gave no answer")


def _uptime(job: JobFacts) -> float | None:
    """Since the job was last seen to switch to RUNNING."""
    if job.state != JobState.RUNNING or job.running_since_ms is None:
        return None
    return amount((job.seen_ms - job.running_since_ms) / 1000)


def _commits(job: JobFacts) -> dict[str, Commit] | None:
    """Iceberg's committer: the newest commit of any; a failed one since counts only while none has succeeded after."""
    committers = [
        vertex
        for vertex in job.vertices
        if (vertex.commit_age_seconds, vertex.commit_failed, vertex.commits) != (None, None, None)
    ]
    if not committers or left_out(job, *_COMMIT_FIELDS) is not None:
        return None
    ages = [age for vertex in committers if (age := amount(vertex.commit_age_seconds)) is not None]
    succeeded = bool(ages) or any(vertex.commits for vertex in committers)
    failed = any(vertex.commit_failed for vertex in committers)
    age = min(ages, default=None)
    return {"iceberg": Commit("SUCCESS" if succeeded else "FAILED" if failed else "NONE", age)}


def _vertices(
    job: JobFacts, found: Signals, unknown: dict[str, str], not_applicable: dict[str, str]
) -> tuple[VertexAssessment, ...]:
    """All of them; where watermarks do not apply to the job, they apply to none of its vertices."""
    vertices = tuple(
        _vertex(job, vertex, found.event_time.vertices[vertex.id], f"vertices.{index}", unknown, not_applicable)
        for index, vertex in enumerate(job.vertices)
    )
    if (none := not_applicable.get(WATERMARK)) is not None:
        for index in range(len(vertices)):
            if unknown.pop(path := f"vertices.{index}.{WATERMARK}", None) is not None:
                not_applicable[path] = none
    return vertices


def _vertex(
    job: JobFacts,
    vertex: VertexFacts,
    time: VertexTime,
    path: str,
    unknown: dict[str, str],
    not_applicable: dict[str, str],
) -> VertexAssessment:
    running = not_running(job)
    ended = "the vertex has finished" if vertex.status == ExecutionState.FINISHED else None
    absent = not_applicable if ended or job.state in ENDED else unknown
    values = _vertex_values(vertex, measured=not running)
    for field in (field for field, value in values.items() if value is None):
        if field == BUSY and vertex.source_is_legacy and not running:
            not_applicable[f"{path}.{field}"] = "a legacy source: Flink cannot measure how busy it is"
            continue
        why = f"Flink does not report {_VERTEX_METRICS[field]} for it"
        absent[f"{path}.{field}"] = running or vertex_reason(job, vertex, field, ended or why)
    if not vertex.parallelism:
        unknown[f"{path}.parallelism"] = NOT_DECIDED
    watermark = iso_utc(time.watermark_ms)
    if watermark is None and not running and time.state == "none-yet" and not may_need(vertex):
        not_applicable[f"{path}.watermark"] = "nothing in it works in event time"
    elif watermark is None:
        absent[f"{path}.watermark"] = running or vertex_reason(job, vertex, "watermark_ms", time.why or "not reported")
    return VertexAssessment(
        id=vertex.id,
        name=vertex.name,
        parallelism=vertex.parallelism or None,
        watermark=watermark,
        watermark_state=time.state,
        watermark_spread_seconds=time.spread_seconds,
        skew_seconds=time.skew_seconds,
        state_keys=whole(total(vertex.state_keys)),
        **values,
    )


def _vertex_values(vertex: VertexFacts, *, measured: bool) -> dict[str, float | None]:
    """Those of ``_VERTEX_METRICS``; none of them where nothing is measured."""
    values: dict[str, float | None] = {
        "busy_ratio": _ratio(worst(vertex.busy_ratio)),
        "backpressured_ratio": _ratio(worst(vertex.backpressured_ratio)),
        "idle_ratio": _ratio(worst(vertex.idle_ratio)),
        "records_in_per_second": total(vertex.records_in_per_second),
        "records_out_per_second": total(vertex.records_out_per_second),
    }
    return values if measured else dict.fromkeys(_VERTEX_METRICS)


def _ratio(value: float | None) -> float | None:
    """Flink's shares of time may come out a little over 1."""
    return None if value is None else min(1.0, value)
