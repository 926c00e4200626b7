"""Signals against their limits, with hysteresis that is computed from the samples of earlier polls."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flinkops.assess.checkpoints import age_limit_seconds
from flinkops.config.policy import WATERMARK_DELAY_KEY, JobClass, Policy
from flinkops.model.assessment import Level, Limits, Reason, brief
from flinkops.model.facts import JobFacts
from flinkops.model.history import JobSample
from flinkops.model.numbers import amount
from flinkops.model.quantities import human_value, parse_duration
from flinkops.model.reasons import ReasonCode

STATE_WARNING_RATIO = 0.8
CHECKPOINT_DURATION_RATIO = 0.8


class Check(NamedTuple):
    """One number that must stay within a limit. Not asked when ``limit`` is None."""

    code: ReasonCode
    code_unknown: ReasonCode
    what: str
    unit: str
    value: float | None
    limit: float | None
    critical: float | None
    sampled: Callable[[JobSample], float | None]
    """The same number at an earlier poll: None there means unknown, not ok."""
    setting: str
    """The key in flinkops.toml that turns it off."""
    missing: str = ""
    note: str = ""
    short: str = ""
    """Its name in a cell of a table, where the number comes first."""
    expected: bool = False
    """Being over the limit is what was to be expected now: told, and no reason to worry."""

    @property
    def breached(self) -> bool:
        """Over the limit now."""
        return self.limit is not None and self.value is not None and self.value > self.limit


def limits_of(job: JobFacts, job_class: JobClass) -> Limits:
    """What this job is measured against."""
    return Limits(
        latency_p99_seconds=job_class.latency_p99_seconds,
        skew_seconds=skew_limit_seconds(job, job_class),
        checkpoint_age_seconds=age_limit_seconds(job, job_class),
        state_bytes=job_class.state_bytes,
        late_ratio=job_class.late_ratio,
        backpressure_ratio=job_class.backpressure_ratio,
        availability_ratio=job_class.availability_ratio,
    )


def skew_limit_seconds(job: JobFacts, job_class: JobClass) -> float | None:
    """The watermark's own delay and a margin, where the job or its class says the delay; else the class's limit."""
    if job_class.skew_seconds is None:
        return None
    delay = _own_delay(job)
    if delay is None:
        delay = job_class.watermark_delay_seconds
    return job_class.skew_seconds if delay is None else delay + job_class.skew_margin_seconds


def _own_delay(job: JobFacts) -> float | None:
    text = job.configuration.get(WATERMARK_DELAY_KEY)
    try:
        return None if text is None else amount(parse_duration(text))
    except ValueError:
        return None


def judge(check: Check, past: Sequence[JobSample], policy: Policy, now_ms: int) -> Reason | None:
    """The reason that a check gives now: over its limit, still held by hysteresis, or not known; None when within."""
    if check.limit is None:
        return None
    if check.value is None:
        why = f'{check.what} unknown: {check.missing}; if it does not matter, set {check.setting} = "off"'
        cell = brief(f"{check.short or check.what} unknown: {check.missing}")
        return Reason(code=check.code_unknown, text=why, limit=check.limit, level="unknown", brief=cell)
    if not raised(check, past, policy):
        return None
    level: Level = "critical" if check.critical is not None and check.value > check.critical else "warning"
    if check.expected:
        level = "ok"
    value, limit = human_value(check.value, check.unit), human_value(check.limit, check.unit)
    if check.breached:
        text = f"{check.what} {value} is over its limit of {limit}"
    else:
        text = (
            f"{check.what} {value} is back within its limit of {limit}, for less than {policy.clear_after_polls} polls"
        )
    if check.note:
        text += f": {check.note}"
    return Reason(
        code=check.code,
        text=text,
        value=check.value,
        limit=check.limit,
        level=level,
        since_ms=_since(check, past, now_ms),
        brief=brief(f"{value} {check.short or check.what}, limit {limit}{f': {check.note}' if check.note else ''}"),
    )


def raised(check: Check, past: Sequence[JobSample], policy: Policy) -> bool:
    """Whether the reason stands, by the newest decisive run of polls: enough breaches in a row raise, clean ones clear.

    The first poll known decides by itself. Polls at which the number was not known count neither way.
    """
    run_breached, run = check.breached, 1
    for sample in reversed(past):
        if check.sampled(sample) is None:
            continue
        if (check.code in sample.breached) == run_breached:
            run += 1
        else:
            run_breached, run = not run_breached, 1
        if run >= (policy.raise_after_polls if run_breached else policy.clear_after_polls):
            return run_breached
    return run_breached


def _since(check: Check, past: Sequence[JobSample], now_ms: int) -> int:
    """When the newest unbroken run of breaches began, as far as the samples go back."""
    since = now_ms
    for sample in reversed(past):
        if check.code in sample.breached:
            since = sample.at_ms
        elif check.sampled(sample) is not None and since != now_ms:
            break
    return since
