"""Health: the worst reason wins, and unknown is never ok."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from flinkops.assess.catch_up import latency_easing, markers_hold_the_start, skew_easing, starts_on_old_events
from flinkops.assess.checkpoint_health import age_seconds
from flinkops.assess.checkpoints import newest_completed
from flinkops.assess.limits import CHECKPOINT_DURATION_RATIO, STATE_WARNING_RATIO, Check, judge
from flinkops.assess.signals import Signals
from flinkops.config.policy import JobClass, Policy
from flinkops.model.assessment import LEVEL_ORDER, Health, Limits, Reason
from flinkops.model.facts import JobFacts
from flinkops.model.history import JobSample
from flinkops.model.measures import MEASURES, PENDING_RECORDS, Limit, Measure
from flinkops.model.numbers import amount
from flinkops.model.quantities import human_seconds
from flinkops.model.reasons import ReasonCode
from flinkops.model.states import JobState


class CheckInputs(NamedTuple):
    """A running job with everything that its checks need."""

    job: JobFacts
    signals: Signals
    limits: Limits
    job_class: JobClass
    past: Sequence[JobSample] = ()

    def why(self, path: str) -> str:
        """Why a part of the document is not known: its own reason, or that of the object it belongs to."""
        unknown = self.signals.unknown
        return unknown.get(path) or unknown.get(path.rpartition(".")[0]) or "Flink gave no number"


def checks(
    job: JobFacts, signals: Signals, limits: Limits, job_class: JobClass, past: Sequence[JobSample] = ()
) -> list[Check]:
    """Everything about a running job that has a limit. Whether one is crossed does not depend on the `past`."""
    inputs = CheckInputs(job, signals, limits, job_class, past)
    limited = [(measure, measure.limit) for measure in MEASURES if measure.limit]
    return [*(check(inputs) for check in CHECKS), *(_of_measure(each, limit, inputs) for each, limit in limited)]


def _latency(inputs: CheckInputs) -> Check:
    latency = inputs.signals.latency
    limit = inputs.signals.asked("processing_latency_seconds", inputs.limits.latency_p99_seconds)
    easing = latency_easing(inputs.job, inputs.signals.measures.get(PENDING_RECORDS.name), inputs.past)
    method = "" if latency is None or latency.method == "measured" else f"by {latency.method}"
    return Check(
        ReasonCode.LATENCY_HIGH,
        ReasonCode.LATENCY_UNKNOWN,
        "p99 of the processing latency",
        "seconds",
        latency.p99 if latency else None,
        limit,
        None if easing else _times(limit, inputs.job_class.critical_factor),
        lambda sample: sample.latency_p99_seconds,
        "latency_p99",
        inputs.why("processing_latency_seconds.p99"),
        note=", ".join(part for part in (method, easing) if part),
        short="p99 latency",
        expected=markers_hold_the_start(inputs.job, latency, limit),
    )


def _skew(inputs: CheckInputs) -> Check:
    event = inputs.signals.event_time
    limit = inputs.signals.asked("event_time_skew_seconds", inputs.limits.skew_seconds)
    easing = skew_easing(inputs.job, event.skew_seconds, limit, inputs.past)
    return Check(
        ReasonCode.SKEW_HIGH,
        ReasonCode.SKEW_UNKNOWN,
        "event-time skew",
        "seconds",
        event.skew_seconds,
        limit,
        None if easing else _times(limit, inputs.job_class.critical_factor),
        lambda sample: sample.skew_seconds,
        "skew",
        inputs.why("event_time_skew_seconds"),
        note=", ".join(part for part in (event.cause, easing) if part),
        short="event-time skew",
        expected=starts_on_old_events(inputs.job, event.skew_seconds, inputs.past),
    )


def _backpressure(inputs: CheckInputs) -> Check:
    held = inputs.signals.backpressure
    bottleneck = held.bottleneck if held else None
    return Check(
        ReasonCode.BACKPRESSURE_HIGH,
        ReasonCode.BACKPRESSURE_UNKNOWN,
        "backpressure",
        "ratio",
        held.ratio if held else None,
        inputs.limits.backpressure_ratio,
        None,
        lambda sample: sample.backpressured_ratio,
        "backpressure",
        inputs.why("backpressure"),
        note=f'"{bottleneck.vertex}": {bottleneck.why}' if bottleneck else "",
    )


def _state(inputs: CheckInputs) -> Check:
    limit = inputs.signals.asked("state_bytes", inputs.limits.state_bytes)
    left = inputs.signals.state.outlook.seconds_to_limit
    return Check(
        ReasonCode.STATE_LIMIT,
        ReasonCode.STATE_LIMIT_UNKNOWN,
        "state",
        "bytes",
        inputs.signals.state.state_bytes,
        _times(limit, STATE_WARNING_RATIO),
        limit,
        lambda sample: sample.state_bytes,
        "state_limit",
        inputs.why("state_bytes"),
        note=f"at this growth, {human_seconds(left)} are left until the limit" if left else "",
    )


def _late(inputs: CheckInputs) -> Check:
    return Check(
        ReasonCode.LATE_RECORDS,
        ReasonCode.LATE_RECORDS_UNKNOWN,
        "share of late records",
        "ratio",
        inputs.signals.rates.late_ratio,
        inputs.limits.late_ratio,
        None,
        lambda sample: sample.late_records,
        "late_ratio",
        inputs.why("late_ratio"),
        short="late records",
    )


def _checkpoint_age(inputs: CheckInputs) -> Check:
    limit = inputs.signals.asked("checkpoints", inputs.limits.checkpoint_age_seconds)
    return Check(
        ReasonCode.CHECKPOINT_AGE,
        ReasonCode.CHECKPOINT_AGE_UNKNOWN,
        "time since the last completed checkpoint",
        "seconds",
        age_seconds(inputs.job, inputs.signals.checkpoints),
        limit,
        _times(limit, inputs.job_class.critical_factor),
        lambda sample: sample.checkpoint_age_seconds,
        "checkpoint_age",
        inputs.why("checkpoints.age_seconds"),
        short="since the last checkpoint",
    )


def _checkpoint_duration(inputs: CheckInputs) -> Check:
    facts, points = inputs.job.checkpoints, inputs.signals.checkpoints
    timeout = amount(facts.timeout_seconds) if facts else None
    asked = inputs.job_class.checkpoint_age_asked and facts is not None and newest_completed(facts) is not None
    limit = inputs.signals.asked("checkpoints", _times(timeout, CHECKPOINT_DURATION_RATIO) if asked else None)
    return Check(
        ReasonCode.CHECKPOINT_SLOW,
        ReasonCode.CHECKPOINT_SLOW_UNKNOWN,
        "duration of the last checkpoint",
        "seconds",
        points.duration_seconds if points else None,
        limit,
        None,
        lambda sample: sample.checkpoint_duration_seconds,
        "checkpoint_age",
        inputs.why("checkpoints.duration_seconds"),
        note="" if timeout is None else f"at {human_seconds(timeout)} it is given up",
        short="for the last checkpoint",
    )


def _of_measure(measure: Measure, limit: Limit, inputs: CheckInputs) -> Check:
    asked = inputs.signals.asked(measure.name, inputs.job_class.limit_of(measure))
    return Check(
        limit.high,
        limit.unknown,
        measure.label,
        measure.unit,
        inputs.signals.measures.get(measure.name),
        asked,
        _times(asked, inputs.job_class.critical_factor),
        lambda sample: sample.measures.get(measure.name),
        limit.key,
        inputs.why(measure.name),
    )


CHECKS: tuple[Callable[[CheckInputs], Check], ...] = (
    _latency,
    _skew,
    _backpressure,
    _state,
    _late,
    _checkpoint_age,
    _checkpoint_duration,
)
"""Of the signals that have a module of their own; the measures bring their limits along."""


def health(
    job: JobFacts,
    found: Sequence[Check],
    reasons: Iterable[Reason],
    past: Sequence[JobSample],
    policy: Policy,
) -> Health:
    """Reasons as they come, and those of the checks when the job runs; worst first."""
    judged = [judge(check, past, policy, job.seen_ms) for check in found] if job.state == JobState.RUNNING else []
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
