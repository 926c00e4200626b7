"""Health: the worst reason wins, and what nobody knows is never ok."""

from collections.abc import Iterable, Sequence

from flinkops.assess.checkpoint_health import age_seconds
from flinkops.assess.checkpoints import newest_completed
from flinkops.assess.limits import CHECKPOINT_DURATION_RATIO, STATE_WARNING_RATIO, Check, judge
from flinkops.assess.numbers import amount
from flinkops.assess.signals import Signals
from flinkops.config.policy import JobClass, Policy
from flinkops.model.assessment import LEVEL_ORDER, Health, Limits, Reason
from flinkops.model.facts import JobFacts
from flinkops.model.history import JobSample
from flinkops.model.quantities import human_seconds


def checks(job: JobFacts, signals: Signals, limits: Limits, job_class: JobClass) -> list[Check]:
    """Everything about a running job that has a limit. One more objective is one more entry."""
    unknown, points, factor = signals.unknown, signals.checkpoints, job_class.critical_factor
    timeout = amount(job.checkpoints.timeout_seconds) if job.checkpoints else None
    completed = job.checkpoints is not None and newest_completed(job.checkpoints) is not None
    latency = signals.latency
    state = signals.state
    held = signals.backpressure
    bottleneck = held.bottleneck if held else None
    return [
        Check(
            "latency-high",
            "p99 of the processing latency",
            "seconds",
            latency.p99 if latency else None,
            limits.latency_p99_seconds,
            _times(limits.latency_p99_seconds, factor),
            lambda sample: sample.latency_p99_seconds,
            "latency_p99",
            _why(unknown, "processing_latency_seconds.p99"),
            note="" if latency is None or latency.method == "measured" else f"by {latency.method}",
        ),
        Check(
            "skew-high",
            "event-time skew",
            "seconds",
            signals.event_time.skew_seconds,
            limits.skew_seconds,
            _times(limits.skew_seconds, factor),
            lambda sample: sample.skew_seconds,
            "skew",
            _why(unknown, "event_time_skew_seconds"),
            note=signals.event_time.cause,
        ),
        Check(
            "backpressure-high",
            "backpressure",
            "ratio",
            held.ratio if held else None,
            limits.backpressure_ratio,
            None,
            lambda sample: sample.backpressured_ratio,
            "backpressure",
            _why(unknown, "backpressure"),
            note=f'"{bottleneck.vertex}": {bottleneck.why}' if bottleneck else "",
        ),
        Check(
            "state-limit",
            "state",
            "bytes",
            state.state_bytes,
            _times(limits.state_bytes, STATE_WARNING_RATIO),
            limits.state_bytes,
            lambda sample: sample.state_bytes,
            "state_limit",
            _why(unknown, "state_bytes"),
            note=_outlook(state.outlook.seconds_to_limit),
        ),
        Check(
            "late-records",
            "share of late records",
            "ratio",
            signals.rates.late_ratio,
            limits.late_ratio,
            None,
            lambda sample: sample.late_records,
            "late_ratio",
            _why(unknown, "late_ratio"),
        ),
        Check(
            "checkpoint-age",
            "time since the last completed checkpoint",
            "seconds",
            age_seconds(job, points),
            limits.checkpoint_age_seconds,
            _times(limits.checkpoint_age_seconds, factor),
            lambda sample: sample.checkpoint_age_seconds,
            "checkpoint_age",
            _why(unknown, "checkpoints.age_seconds"),
        ),
        Check(
            "checkpoint-slow",
            "duration of the last checkpoint",
            "seconds",
            points.duration_seconds if points else None,
            _times(timeout, CHECKPOINT_DURATION_RATIO) if completed and job_class.checkpoint_age_asked else None,
            None,
            lambda sample: sample.checkpoint_duration_seconds,
            "checkpoint_age",
            _why(unknown, "checkpoints.duration_seconds"),
            note="" if timeout is None else f"at {human_seconds(timeout)} it is given up",
        ),
    ]


def health(
    job: JobFacts,
    found: Sequence[Check],
    reasons: Iterable[Reason],
    past: Sequence[JobSample],
    policy: Policy,
) -> Health:
    """Reasons as they come, and those of the checks when the job runs; worst first."""
    judged = [judge(check, past, policy, job.seen_ms) for check in found] if job.state == "RUNNING" else []
    return worst_wins([*reasons, *(each for each in judged if each is not None)])


def worst_wins(reasons: Iterable[Reason]) -> Health:
    """The level is that of the worst reason; without any it is ok."""
    ordered = tuple(sorted(reasons, key=lambda each: LEVEL_ORDER[each.level]))
    if not ordered:
        return Health("ok")
    level = ordered[0].level
    since = [each.since_ms for each in ordered if each.level == level and each.since_ms is not None]
    return Health(level, ordered, since_ms=min(since, default=None))


def _times(limit: float | None, factor: float) -> float | None:
    return None if limit is None else amount(limit * factor)


def _why(unknown: dict[str, str], path: str) -> str:
    """The reason of a path or of the object it is part of."""
    return unknown.get(path) or unknown.get(path.rpartition(".")[0]) or "Flink gave no number"


def _outlook(seconds: float | None) -> str:
    return "" if not seconds else f"at this growth, {human_seconds(seconds)} are left until the limit"
