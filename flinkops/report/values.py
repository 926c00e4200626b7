"""An incident as values: what was wrong since when, the signals, the budget spent, what was found and what was done.

Every text may be another's: hostile until `html` or `markdown` has written it.
"""

from flinkops.model.assessment import LEVEL_ORDER, Level, Value
from flinkops.model.findings import EvidenceLine, Severity
from flinkops.model.timeline import Timeline


class Point(Value, frozen=True):
    """A signal in one slice of the time; all three None where it was not known in any snapshot of the slice."""

    at_ms: int
    low: float | None
    mean: float | None
    high: float | None


class Signal(Value, frozen=True):
    """One signal of one job over the time. ``unit`` is one of `human_value`; ``limit`` None: it has none.

    ``absent``: why there is no point at all; ``not_applicable``: the job cannot have it.
    """

    title: str
    unit: str
    points: tuple[Point, ...] = ()
    limit: float | None = None
    absent: str | None = None
    not_applicable: bool = False

    @property
    def known(self) -> bool:
        """Some snapshot has it."""
        return any(point.mean is not None for point in self.points)


class Period(Value, frozen=True):
    """A time in which a job's level of health stayed the same; ``why``: its reasons, the worst first."""

    level: Level
    since_ms: int
    until_ms: int
    why: tuple[str, ...] = ()


class Budget(Value, frozen=True):
    """One objective over the time of the report, in seconds; ``unknown_seconds``: no data, neither good nor bad.

    ``spent_ratio``: the share of the whole budget of 30 days that went in this time; None where it is not watched.
    """

    name: str
    title: str
    good_seconds: float
    bad_seconds: float
    unknown_seconds: float
    spent_ratio: float | None


class Found(Value, frozen=True):
    """A finding of the doctor, from the first snapshot in which it was named to the last; evidence of the strongest."""

    code: str
    severity: Severity
    confidence: float
    title: str
    since_ms: int
    until_ms: int
    evidence: tuple[EvidenceLine, ...] = ()
    remedy: tuple[str, ...] = ()


class Done(Value, frozen=True):
    """An action of the journal: what was done, and what was seen of it."""

    label: str
    who: str
    started_ms: int
    ended_ms: int | None
    outcome: str | None
    diff: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    error: str | None = None


class JobReport(Value, frozen=True):
    """Everything about one job."""

    name: str
    cluster: str
    job_class: str
    periods: tuple[Period, ...]
    signals: tuple[Signal, ...] = ()
    budgets: tuple[Budget, ...] = ()
    findings: tuple[Found, ...] = ()
    actions: tuple[Done, ...] = ()

    @property
    def worst(self) -> Level:
        """The worst level that it had."""
        return min((period.level for period in self.periods), key=LEVEL_ORDER.__getitem__, default="ok")

    @property
    def rank(self) -> tuple[int, float]:
        """Orders jobs: the worst level first, then the longest time that was not healthy."""
        return LEVEL_ORDER[self.worst], -self.seconds_in("critical", "unknown", "warning")

    def seconds_in(self, *levels: Level) -> float:
        """How long it had one of these levels."""
        return sum((each.until_ms - each.since_ms) / 1000 for each in self.periods if each.level in levels)


class Report(Value, frozen=True):
    """The whole page. ``jobs``: those told in full, worst first; ``others``: (name, cluster, level) of the rest."""

    source: str
    since_ms: int
    until_ms: int
    snapshots: int
    damaged: int
    jobs: tuple[JobReport, ...]
    others: tuple[tuple[str, str, Level], ...]
    timeline: Timeline
    version: str
