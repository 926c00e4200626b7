"""What is asked of a job: objectives and limits by job class. The thresholds behind every level of health."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import msgspec

from flinkops.model.facts import JobFacts
from flinkops.model.measures import Measure

LATENCY_CRITICAL = "latency-critical"
WINDOWED = "windowed"
WATERMARK_DELAY_KEY = "flinkops.watermark-delay"
"""A job may say in its own parameters how far its watermark trails the newest event (docs/signals.md)."""


class JobClass(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one class of jobs. None: not asked, so that not knowing the signal is no fault either."""

    name: str
    latency_p99_seconds: float | None = 1.0
    skew_seconds: float | None = 300.0
    """Limit of the event-time skew of a job whose own watermark delay is not known."""
    skew_asked: bool = False
    """The settings name a skew or a delay of the watermark: then these jobs have to have one."""
    watermark_delay_seconds: float | None = None
    """Out-of-orderness and allowed lateness of the jobs, when they do not say so themselves."""
    skew_margin_seconds: float = 60.0
    """Added to a known watermark delay, it is the limit of the skew."""
    checkpoint_age_seconds: float | None = None
    """None: derived from the job's own checkpoint interval."""
    checkpoint_age_asked: bool = True
    checkpoint_failures: float = 3
    """Failures in a row that are critical; one is a warning."""
    state_bytes: float | None = None
    late_ratio: float | None = None
    backpressure_ratio: float | None = 0.5
    availability_ratio: float | None = 0.999
    critical_factor: float = 5.0
    """A signal at this many times its limit is critical."""
    may_finish: bool = False
    """Bounded jobs: FINISHED is what was wanted."""
    measures: Mapping[str, float | None] = msgspec.field(default_factory=dict)
    """Limits of measures, by their names; None: "off"."""

    def limit_of(self, measure: Measure) -> float | None:
        """The limit of a measure; None where none is asked."""
        default = measure.limit.default if measure.limit else None
        return self.measures.get(measure.name, default)


class JobRule(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs belong to a class; patterns as in a shell (``orders-*``), an empty one matches all."""

    job_class: str
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}

    def matches(self, job: JobFacts) -> bool:
        """Whether every part of the rule fits the job."""
        labels = job.resource.labels if job.resource else {}
        return (
            (not self.name or fnmatchcase(job.name, self.name))
            and (not self.namespace or fnmatchcase(job.namespace or "", self.namespace))
            and all(key in labels and fnmatchcase(labels[key], pattern) for key, pattern in self.labels.items())
        )


DEFAULT_CLASSES: dict[str, JobClass] = {
    LATENCY_CRITICAL: JobClass(name=LATENCY_CRITICAL, latency_p99_seconds=0.05, skew_seconds=60.0),
    WINDOWED: JobClass(name=WINDOWED),
}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """All classes and who belongs to them; the first rule that matches decides, else ``default_class``."""

    classes: Mapping[str, JobClass] = msgspec.field(default_factory=DEFAULT_CLASSES.copy)
    rules: tuple[JobRule, ...] = ()
    default_class: str = WINDOWED
    stale_after_seconds: float = 60.0
    """Data older than this says nothing about the present, whatever the source's state."""
    raise_after_polls: int = 2
    """A limit crossed at this many polls in a row raises its reason; a first poll raises at once."""
    clear_after_polls: int = 3
    """As many polls in a row within the limit clear it."""

    def class_of(self, job: JobFacts) -> JobClass:
        """The class of a job."""
        for rule in self.rules:
            if rule.matches(job):
                return self.classes[rule.job_class]
        return self.classes[self.default_class]
