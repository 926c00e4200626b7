"""What one job was from snapshot to snapshot, and what of it goes into a report. Pure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from flinkops.model.assessment import JobAssessment, NotApplicable
from flinkops.model.findings import Diagnosis, Finding
from flinkops.model.identity import full_name
from flinkops.model.states import STOPPED
from flinkops.observability.slo import SLOS, ObservedJob, goods
from flinkops.report.series import held, points
from flinkops.report.values import Budget, Done, Found, JobReport, Period, Signal

BUDGET_SECONDS = 30 * 86_400
_REASONS = 3
_RANK = {"critical": 0, "warning": 1, "info": 2}


class _Shown(NamedTuple):
    """One signal: how it is read from an assessment, and where the document has the reason when it is not there."""

    title: str
    unit: str
    path: str
    value: Callable[[JobAssessment], float | None]
    limit: Callable[[JobAssessment], float | None] = lambda _: None


SHOWN = (
    _Shown(
        "Processing latency, p99",
        "seconds",
        "processing_latency_seconds.p99",
        lambda job: job.processing_latency_seconds.p99 if job.processing_latency_seconds else None,
        lambda job: job.limits.latency_p99_seconds,
    ),
    _Shown(
        "Event-time skew",
        "seconds",
        "event_time_skew_seconds",
        lambda job: job.event_time_skew_seconds,
        lambda job: job.limits.skew_seconds,
    ),
    _Shown(
        "State size",
        "bytes",
        "state_bytes",
        lambda job: job.state_bytes,
        lambda job: job.limits.state_bytes,
    ),
    _Shown(
        "Backpressure, worst subtask",
        "ratio",
        "backpressure",
        lambda job: job.backpressure.ratio if job.backpressure else None,
        lambda job: job.limits.backpressure_ratio,
    ),
    _Shown(
        "Age of the last completed checkpoint",
        "seconds",
        "checkpoints.age_seconds",
        lambda job: job.checkpoints.age_seconds if job.checkpoints else None,
        lambda job: job.limits.checkpoint_age_seconds,
    ),
    _Shown(
        "Records in",
        "per_second",
        "records_in_per_second",
        lambda job: job.records_in_per_second,
    ),
)
"""The five signals, and the load that they stand under."""


class JobTrack:
    """Takes in the assessments of one job in the order of time, and the findings of some of them."""

    def __init__(self) -> None:
        self._times_ms: list[int] = []
        self._values: list[list[float | None]] = [[] for _ in SHOWN]
        self._goods: dict[str, list[float | None]] = {slo.name: [] for slo in SLOS}
        self._levels: list[tuple[int, JobAssessment]] = []
        self._found: dict[str, tuple[Finding, int, int]] = {}
        self._last: JobAssessment | None = None

    def add(self, job: JobAssessment, taken_ms: int) -> None:
        """One snapshot."""
        self._times_ms.append(taken_ms)
        for values, shown in zip(self._values, SHOWN, strict=True):
            values.append(shown.value(job))
        told = {names[0]: good for names, good in goods(ObservedJob(job))}
        for name, verdicts in self._goods.items():
            verdicts.append(told.get(name))
        if not self._levels or _state(self._levels[-1][1]) != _state(job):
            self._levels.append((taken_ms, job))
        self._last = job

    def diagnosed(self, diagnosis: Diagnosis, taken_ms: int) -> None:
        """What the doctor said of it then."""
        for finding in diagnosis.findings:
            before = self._found.get(finding.code)
            if before is None:
                self._found[finding.code] = (finding, taken_ms, taken_ms)
            else:
                strongest = min(before[0], finding, key=lambda one: (_RANK[one.severity], -one.confidence))
                self._found[finding.code] = (strongest, before[1], taken_ms)

    def report(self, until_ms: int, objective_ratio: float, actions: Sequence[Done]) -> JobReport:
        """All of it, up to `until_ms`."""
        job = self._last
        if job is None:
            raise ValueError("no snapshot was added")
        return msgspec.structs.replace(
            self.brief(until_ms),
            signals=tuple(self._signals(job)),
            budgets=tuple(self._budgets(until_ms, objective_ratio)),
            findings=self._findings(),
            actions=tuple(actions),
        )

    def brief(self, until_ms: int) -> JobReport:
        """How it was and since when, up to `until_ms`, without what takes time to work out."""
        job = self._last
        if job is None:
            raise ValueError("no snapshot was added")
        return JobReport(full_name(job), job.cluster, job.job_class, self._periods(until_ms))

    def _periods(self, until_ms: int) -> tuple[Period, ...]:
        ends = [at for at, _ in self._levels[1:]] + [max(until_ms, self._times_ms[-1])]
        return tuple(
            Period(job.health.level, at, end, tuple(each.text for each in job.health.reasons[:_REASONS]))
            for (at, job), end in zip(self._levels, ends, strict=True)
        )

    def _signals(self, job: JobAssessment) -> list[Signal]:
        found = []
        for values, shown in zip(self._values, SHOWN, strict=True):
            absent = job.absent(shown.path) if values[-1] is None else None
            found.append(
                Signal(
                    title=shown.title,
                    unit=shown.unit,
                    points=points(self._times_ms, values),
                    limit=shown.limit(job),
                    absent=absent.reason if absent else None,
                    not_applicable=isinstance(absent, NotApplicable),
                )
            )
        return found

    def _budgets(self, until_ms: int, objective_ratio: float) -> list[Budget]:
        found = []
        for slo in SLOS:
            time = held(self._times_ms, self._goods[slo.name], until_ms)
            watched = time.good_seconds + time.bad_seconds > 0
            spent = time.bad_seconds / ((1 - objective_ratio) * BUDGET_SECONDS) if watched else None
            found.append(Budget(slo.name, slo.title, *time, spent_ratio=spent))
        return found

    def _findings(self) -> tuple[Found, ...]:
        found = [
            Found(
                code=finding.code,
                severity=finding.severity,
                confidence=finding.confidence,
                title=finding.title,
                since_ms=since_ms,
                until_ms=until_ms,
                evidence=finding.evidence,
                remedy=tuple(each.text for each in finding.remedy),
            )
            for finding, since_ms, until_ms in self._found.values()
        ]
        return tuple(sorted(found, key=lambda one: (_RANK[one.severity], one.since_ms, -one.confidence)))


def is_live(job: JobAssessment) -> tuple[bool, int]:
    """Of several jobs of one name the greatest is the one that a report is about: not ended, started last."""
    started_ms = job.facts.started_ms if job.facts else None
    return job.state not in STOPPED, started_ms or 0


def _state(job: JobAssessment) -> tuple[object, ...]:
    """What a period is made of: the level, and what its reasons are about, not the numbers in them."""
    return job.health.level, tuple(each.code for each in job.health.reasons[:_REASONS])
