"""Whether a job works off what waited for it: then a delay is high and yet getting better by itself."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from flinkops.model.assessment import Latency
from flinkops.model.facts import JobFacts
from flinkops.model.history import JobSample
from flinkops.model.quantities import human_seconds, parse_duration

STARTUP_SECONDS = 120.0
"""What waited while the job did not run is old when it is read, and a distribution remembers it for a minute more."""
WINDOW_SECONDS = 60.0
FEWEST_POLLS = 3
"""Fallen from poll to poll so often: noise does that seldom."""
MARKER_INTERVAL, MARKERS_KEPT_KEY = "metrics.latency.interval", "metrics.latency.history-size"
MARKERS_KEPT = 128
"""Flink's default (MetricOptions.LATENCY_HISTORY_SIZE)."""
LONGEST_SECONDS = 600.0
"""What takes longer than this to be within its limit is not left to itself."""

Reading = Callable[[JobSample], float | None]


def latency_easing(job: JobFacts, pending: float | None, past: Sequence[JobSample]) -> str:
    """Why a high latency is no alarm yet; empty when it is. By Little's law it falls with the records that wait."""
    if started := _started_lately(job):
        return started
    left = _seconds_left(job, pending, 0.0, past, lambda sample: sample.pending_records)
    return "" if left is None else f"it catches up: what waits is gone in about {human_seconds(left)} at this pace"


def skew_easing(job: JobFacts, skew_seconds: float | None, limit: float | None, past: Sequence[JobSample]) -> str:
    """The same of the event-time skew: event time passes faster than the clock."""
    if started := _started_lately(job):
        return started
    left = _seconds_left(job, skew_seconds, limit or 0.0, past, lambda sample: sample.skew_seconds)
    return "" if left is None else f"it catches up: within its limit in about {human_seconds(left)} at this pace"


def starts_on_old_events(job: JobFacts, skew_seconds: float | None, past: Sequence[JobSample]) -> bool:
    """It was started lately, for the first time, and its event-time skew has not risen since the poll before.

    Then a skew is what every start on old events looks like, and says nothing of the job. Not so after a restart: that
    is a failure which it recovers from. Nor where the skew is not known.
    """
    if started_lately(job) is None or job.restarts or skew_seconds is None:
        return False
    before = [
        sample.skew_seconds
        for sample in past
        if sample.job_id == job.id and sample.at_ms < job.seen_ms and sample.skew_seconds is not None
    ]
    return not before or skew_seconds <= before[-1]


def markers_hold_the_start(job: JobFacts, latency: Latency | None, limit: float | None) -> bool:
    """Whether a high p99 of latency markers is that of the start, while half of the markers are within the limit.

    Flink keeps the last so many markers (metrics.latency.history-size) of one each metrics.latency.interval: the slow
    ones of a start stand in the distribution for minutes, whatever comes after them.
    """
    if latency is None or latency.method != "markers" or job.running_since_ms is None or job.restarts:
        return False
    interval = _seconds(job.configuration.get(MARKER_INTERVAL))
    if interval is None or latency.p50 is None or limit is None or latency.p50 > limit:
        return False
    text = job.configuration.get(MARKERS_KEPT_KEY, "")
    kept = int(text) if text.isdecimal() and len(text) < 10 else MARKERS_KEPT
    return job.seen_ms - job.running_since_ms < 1000 * (STARTUP_SECONDS + kept * interval)


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError:
        return None


def started_lately(job: JobFacts) -> float | None:
    """For how long it has been running, when that is not long; in seconds."""
    if job.running_since_ms is None:
        return None
    seconds = (job.seen_ms - job.running_since_ms) / 1000
    return seconds if 0 <= seconds < STARTUP_SECONDS else None


def _started_lately(job: JobFacts) -> str:
    seconds = started_lately(job)
    return "" if seconds is None else f"it runs for {human_seconds(seconds)} only and works off what waited"


def _seconds_left(
    job: JobFacts, now: float | None, goal: float, past: Sequence[JobSample], read: Reading
) -> float | None:
    """How long until `goal` at the pace of the last minute; None unless it fell at each of several polls."""
    if now is None:
        return None
    since_ms = job.seen_ms - round(WINDOW_SECONDS * 1000)
    lately = [
        (sample.at_ms, value)
        for sample in past
        if since_ms <= sample.at_ms < job.seen_ms and sample.job_id == job.id and (value := read(sample)) is not None
    ]
    values = [value for _, value in lately] + [now]
    if len(values) < FEWEST_POLLS or any(later >= earlier for earlier, later in pairwise(values)):
        return None
    per_second = (values[0] - now) * 1000 / (job.seen_ms - lately[0][0])
    seconds = max(0.0, now - goal) / per_second
    return seconds if seconds <= LONGEST_SECONDS else None
