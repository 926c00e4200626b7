"""Reads a recording from its beginning to its end, and the journal, and makes the report of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from flinkops import __version__
from flinkops.act.journal import ActionRecord, Journal
from flinkops.act.timeline import TimelineCollector
from flinkops.clock import iso_utc
from flinkops.config.policy import Policy
from flinkops.diagnose.changes import of_facts
from flinkops.diagnose.diagnosis import diagnose
from flinkops.errors import FlinkopsError, UsageError
from flinkops.evidence_collector import from_observation
from flinkops.model.assessment import Level
from flinkops.model.facts import JobFacts, JobKey
from flinkops.model.identity import matching
from flinkops.model.observation import Observation
from flinkops.model.plan import StepResult
from flinkops.model.quantities import human_seconds
from flinkops.model.timeline import Entry, Timeline
from flinkops.observer import Observer
from flinkops.outside.export import Export
from flinkops.outside.shell import shell_command
from flinkops.recording import Replay
from flinkops.report.track import JobTrack, is_live
from flinkops.report.values import Done, JobReport, Report

WARM_UP_MS = 3_600_000
"""Trends and hysteresis at the beginning of the report stand on so much of the recording before it."""
DIAGNOSED = 60
"""Snapshots at which the doctor is asked of the jobs that are not well, evenly spread."""
JOBS_IN_FULL = 20


class Wanted(NamedTuple):
    """What the report is about: jobs by name (none: all), and a part of the time (None: from the start, to the end)."""

    jobs: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    objective_ratio: float = 0.999


def make_report(path: Path, wanted: Wanted, policy: Policy, journal: Journal) -> Report:
    """The report, without anything that must not leave the machine.

    Raises UsageError for a file that is no recording, a job that is not in it, or a time that it has no snapshot of.
    """
    found, last = _walked(path, wanted, policy)
    records, timeline = _told(found, path, policy, journal)
    actions = {key: [_done(record) for record in records if _is_of(record, key)] for key in found.tracks}
    briefs = {key: track.brief(found.until_ms) for key, track in found.tracks.items()}
    worst_first = sorted(briefs, key=lambda key: briefs[key].rank)
    full = [key for key in worst_first if wanted.jobs or briefs[key].worst != "ok" or actions[key]][:JOBS_IN_FULL]
    full = full or (worst_first if len(worst_first) == 1 else [])
    jobs = [found.tracks[key].report(found.until_ms, wanted.objective_ratio, actions[key]) for key in full]
    others = tuple(_brief(briefs[key]) for key in worst_first if key not in full)
    export = Export()
    export.learn(last.snapshot, *(record.plan for record in records))
    return export.value(
        Report(
            source=path.name,
            since_ms=found.since_ms,
            until_ms=found.until_ms,
            snapshots=found.snapshots,
            damaged=found.damaged,
            jobs=tuple(jobs),
            others=others,
            timeline=timeline,
            version=__version__,
        )
    )


def _walked(path: Path, wanted: Wanted, policy: Policy) -> "tuple[_Walk, Observation]":
    """The recording read to its end, and its last snapshot. Raises UsageError where it has none of the wanted jobs."""
    replay = Replay(path)
    observer = Observer(replay, policy)
    try:
        since_ms, until_ms = _span(replay, wanted, path)
        found = _Walk(wanted, since_ms, until_ms)
        found.walk(replay, observer)
    finally:
        observer.close()
    if found.last is None or not found.tracks:
        who = f"job {' or '.join(wanted.jobs)}" if wanted.jobs else "job"
        raise UsageError(
            f"{path} has no {who} in this time",
            next_step=f"{shell_command('flinkops', 'status', '--replay', str(path))} shows its jobs",
        )
    return found, found.last


def _span(replay: Replay, wanted: Wanted, path: Path) -> tuple[int, int]:
    first, last = min(replay.times_ms), max(replay.times_ms)
    since_ms = first if wanted.since_ms is None else max(first, wanted.since_ms)
    until_ms = last if wanted.until_ms is None else min(last, wanted.until_ms)
    if not any(since_ms <= at <= until_ms for at in replay.times_ms):
        raise UsageError(
            f"{path} has no snapshot in this time", next_step=f"it is of {iso_utc(first)} to {iso_utc(last)}"
        )
    return since_ms, until_ms


class _Walk:
    """From snapshot to snapshot; a damaged one is counted and left out."""

    def __init__(self, wanted: Wanted, since_ms: int, until_ms: int) -> None:
        self._wanted = wanted
        self.since_ms, self.until_ms = since_ms, until_ms
        self.tracks: dict[JobKey, JobTrack] = {}
        self.last: Observation | None = None
        self.snapshots = self.damaged = 0
        self._entries: dict[Entry, None] = {}

    @property
    def entries(self) -> Iterable[Entry]:
        """What Flink told of itself in any snapshot: later ones may have forgotten it."""
        return self._entries

    def walk(self, replay: Replay, observer: Observer) -> None:
        """All that count, after the time before them that trends need."""
        replay.seek(replay.index_at(self.since_ms - WARM_UP_MS))
        inside = sum(self.since_ms <= at <= self.until_ms for at in replay.times_ms)
        every = max(1, -(-inside // DIAGNOSED))
        while not replay.at_end:
            try:
                observation = observer.observe()
            except FlinkopsError:
                self.damaged += 1
                continue
            if observation.snapshot.taken_ms > self.until_ms:
                break
            if observation.snapshot.taken_ms >= self.since_ms:
                self._take(observation, diagnosed=self.snapshots % every == 0)

    def is_wanted(self, job: JobFacts) -> bool:
        """One of those that were named, or any."""
        return not self._wanted.jobs or any(matching([job], name) for name in self._wanted.jobs)

    def _take(self, observation: Observation, *, diagnosed: bool) -> None:
        taken_ms = observation.snapshot.taken_ms
        self.snapshots += 1
        self.last = observation
        jobs = [job for job in observation.assessment.jobs if job.facts is not None and self.is_wanted(job.facts)]
        live = {job.key: job for job in sorted(jobs, key=is_live)}
        for job in jobs:
            if job.facts is not None:
                self._entries |= dict.fromkeys(of_facts(job.facts))
        for key, job in live.items():
            self.tracks.setdefault(key, JobTrack()).add(job, taken_ms)
        if not diagnosed:
            return
        ill = {(job.cluster, job.id) for job in live.values() if job.health.level != "ok"}
        for evidence in from_observation(observation):
            if (evidence.job.cluster, evidence.job.id) in ill:
                self.tracks[evidence.job.key].diagnosed(diagnose(evidence), taken_ms)


def _told(found: _Walk, path: Path, policy: Policy, journal: Journal) -> tuple[list[ActionRecord], Timeline]:
    """Actions of the time, of the jobs of the report; and what happened, from every source that a report has."""
    collector = TimelineCollector(found.since_ms, found.until_ms, found.is_wanted)
    collector.add_entries(found.entries)
    collector.add_recording(path, policy)
    collector.add_journal(journal)
    return _records(found, journal), collector.timeline()


def _records(found: _Walk, journal: Journal) -> list[ActionRecord]:
    try:
        records = journal.records()
    except FlinkopsError:
        return []  # the timeline says so among what is not covered
    return [
        record
        for record in records
        if record.started_ms <= found.until_ms and (record.ended_ms or found.until_ms) >= found.since_ms
    ]


def _is_of(record: ActionRecord, key: JobKey) -> bool:
    target = record.plan.target
    return (target.source, target.namespace or "", target.job_name) == key


def _done(record: ActionRecord) -> Done:
    return Done(
        label=record.label,
        who=f"{record.who} on {record.host}",
        started_ms=record.started_ms,
        ended_ms=record.ended_ms,
        outcome=record.outcome,
        diff=record.plan.diff,
        steps=tuple(_step(each) for each in record.steps),
        error=record.error,
    )


def _step(result: StepResult) -> str:
    seen = f": {result.seen}" if result.seen else ""
    return f"{result.name} {result.outcome}, {human_seconds(result.seconds)}{seen}"


def _brief(job: JobReport) -> tuple[str, str, Level]:
    return job.name, job.cluster, job.worst
