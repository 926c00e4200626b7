"""Gathers what happened from every source that there is: the journal, Flink's and Kubernetes' history, a recording."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from flinkops.act.journal import ActionRecord, Journal
from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.diagnose.changes import (
    EVENTS_KEPT_SECONDS,
    RECENT_SECONDS,
    Load,
    between,
    gaps_of_facts,
    gaps_of_recording,
    in_order,
    of_events,
    of_facts,
    recent_changes,
)
from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import Evidence
from flinkops.errors import FlinkopsError
from flinkops.evidence_collector import from_observation
from flinkops.history import History
from flinkops.model.assessment import FleetAssessment
from flinkops.model.facts import JobFacts
from flinkops.model.observation import Observation
from flinkops.model.timeline import Entry, NotCovered, Timeline
from flinkops.recording import Recording
from flinkops.sources.protocol import HasResourceEvents

Wanted = Callable[[JobFacts], bool]
EVENTS_OF_JOBS = 20
"""Each costs two requests of the API server."""


class TimelineCollector:
    """Adds up sources; `timeline` gives what they told of [since, until], each entry with its source."""

    def __init__(self, since_ms: int, until_ms: int, wanted: Wanted) -> None:
        self._since_ms, self._until_ms, self._wanted = since_ms, until_ms, wanted
        self._entries: list[Entry] = []
        self._not_covered: list[NotCovered] = []
        self._names: set[tuple[str, str | None, str]] = set()

    def add_observation(self, observation: Observation) -> None:
        """Flink's own history of the jobs that were polled, and what the doctor makes of now."""
        for job in observation.snapshot.jobs:
            if self._wanted(job):
                self._know(job)
                self._entries += of_facts(job)
                self._not_covered += gaps_of_facts(job, self._since_ms)
        for source in observation.snapshot.sources:
            if source.state != "ok":
                self._not_covered.append(NotCovered("flink", f"{source.name} is {source.state}: {source.error or '?'}"))
        self._entries += self._findings(observation)

    def add_entries(self, entries: Iterable[Entry]) -> None:
        """What somebody gathered already."""
        self._entries += entries

    def add_events(self, sources: Mapping[str, object], observation: Observation) -> None:
        """Kubernetes' events of the jobs of the operator, those that look worst first."""
        asked = [
            (source, job.facts)
            for job in observation.assessment.jobs
            if job.facts is not None and job.facts.resource is not None and self._wanted(job.facts)
            if isinstance(source := sources.get(job.cluster), HasResourceEvents)
        ]
        for source, facts in asked[:EVENTS_OF_JOBS]:
            found = source.events(facts)
            self._entries += of_events(facts, found)
            self._not_covered += [NotCovered("kubernetes", f"{facts.name}: {why}") for why in found.unknown.values()]
        if len(asked) > EVENTS_OF_JOBS:
            more = f"events of {len(asked) - EVENTS_OF_JOBS} jobs are not asked for; flinkops timeline JOB asks"
            self._not_covered.append(NotCovered("kubernetes", more))
        if asked and self._until_ms - self._since_ms > EVENTS_KEPT_SECONDS * 1000:
            self._not_covered.append(NotCovered("kubernetes", "Kubernetes keeps events for an hour"))

    def add_journal(self, journal: Journal) -> None:
        """Actions of flinkops on this machine. Of jobs that were polled, or all where every job is wanted."""
        try:
            records = journal.records()
        except FlinkopsError as problem:
            self._not_covered.append(NotCovered("journal", problem.line()))
            return
        self._entries += [each for record in records if self._is_about(record) for each in of_action(record)]
        self._not_covered += [NotCovered("journal", f"not readable: {each}") for each in journal.damage()]
        where = f"{journal.folder} has what was done with flinkops on this machine, nothing else"
        self._not_covered.append(NotCovered("journal", where))

    def add_recording(self, path: str | Path, policy: Policy) -> None:
        """What changed from snapshot to snapshot: jobs, parallelism, settings, load, health. Raises UsageError."""
        recording = Recording(path)
        try:
            times = recording.times_ms
            self._not_covered += gaps_of_recording(times, self._since_ms, self._until_ms)
            inside = [number for number, at in enumerate(times) if self._since_ms <= at <= self._until_ms]
            self._entries += _recorded(recording, inside, policy, self._is_ours)
        finally:
            recording.close()

    def without_recording(self) -> None:
        """What only a recording would tell."""
        why = "none was given (--recording FILE): load, settings and health of before are not known"
        self._not_covered.append(NotCovered("recording", why))

    def timeline(self) -> Timeline:
        """All of it."""
        entries = in_order(self._entries, self._since_ms, self._until_ms)
        gaps = tuple(dict.fromkeys(self._not_covered))
        return Timeline(self._since_ms, self._until_ms, entries, gaps)

    def _know(self, job: JobFacts) -> None:
        self._names.add((job.cluster, job.namespace, job.name))

    def _is_ours(self, job: JobFacts) -> bool:
        """Wanted, or one of those that were polled and wanted: then known by its name, whatever its id was."""
        return (job.cluster, job.namespace, job.name) in self._names or self._wanted(job)

    def _is_about(self, record: ActionRecord) -> bool:
        target = record.plan.target
        return self._is_ours(JobFacts(target.job_id, target.job_name, target.source, 0, target.namespace))

    def _findings(self, observation: Observation) -> Iterator[Entry]:
        for evidence in from_observation(observation):
            if not self._wanted(evidence.job):
                continue
            for finding in diagnose(evidence).findings:
                if finding.severity != "info":
                    yield Entry(
                        evidence.job.seen_ms,
                        evidence.job.cluster,
                        evidence.job.namespace,
                        evidence.job.name,
                        "finding",
                        f"{finding.code}: {finding.title}",
                        "doctor",
                    )


def live_timeline(
    observation: Observation, sources: Mapping[str, object], journal: Journal, seconds: float, wanted: Wanted
) -> Timeline:
    """What the sources of one poll and the journal tell of the time before it; blocks while Kubernetes is asked."""
    until_ms = observation.snapshot.taken_ms
    found = TimelineCollector(until_ms - round(seconds * 1000), until_ms, wanted)
    found.add_observation(observation)
    found.add_events(sources, observation)
    found.add_journal(journal)
    found.without_recording()
    return found.timeline()


def with_actions(evidence: Iterable[Evidence], journal: Journal) -> list[Evidence]:
    """Evidence with what was done with flinkops in the last hour. A journal that cannot be read tells nothing."""
    try:
        records = journal.records()
    except FlinkopsError:
        return list(evidence)
    return [
        _with_changes(each, [entry for record in records if _is_of(record, each.job) for entry in of_action(record)])
        for each in evidence
    ]


def with_recording(evidence: Iterable[Evidence], path: str | Path, policy: Policy) -> list[Evidence]:
    """Evidence at the end of a recording, with what the recording tells of the hour before."""
    told = list(evidence)
    until_ms = max((each.taken_ms for each in told), default=0)
    found = TimelineCollector(until_ms - round(RECENT_SECONDS * 1000), until_ms, lambda _: True)
    found.add_recording(path, policy)
    by_job: dict[tuple[str, str | None, str], list[Entry]] = {}
    for entry in found.timeline().entries:
        by_job.setdefault((entry.cluster, entry.namespace, entry.job), []).append(entry)
    return [_with_changes(each, by_job.get(_name(each.job), ())) for each in told]


def _with_changes(evidence: Evidence, entries: Iterable[Entry]) -> Evidence:
    return msgspec.structs.replace(evidence, changes=recent_changes((*evidence.changes, *entries), evidence.taken_ms))


def _is_of(record: ActionRecord, job: JobFacts) -> bool:
    target = record.plan.target
    return (target.source, target.namespace, target.job_name) == _name(job)


def _name(job: JobFacts) -> tuple[str, str | None, str]:
    return (job.cluster, job.namespace, job.name)


def of_action(record: ActionRecord) -> Iterator[Entry]:
    """When it began, and what came of it."""
    target = record.plan.target
    who = f"by {record.who} on {record.host}"
    diff = f": {'; '.join(record.plan.diff)}" if record.plan.diff else ""

    def entry(at_ms: int, text: str) -> Entry:
        return Entry(at_ms, target.source, target.namespace, target.job_name, "action", text, "journal")

    yield entry(record.started_ms, f"{record.label} {who}{diff}")
    if record.ended_ms is not None:
        error = f": {record.error}" if record.error else ""
        yield entry(record.ended_ms, f"{record.label}: {record.outcome}{error}")


def _recorded(recording: Recording, frames: Sequence[int], policy: Policy, wanted: Wanted) -> Iterator[Entry]:
    """Entries between the snapshots of a recording; a damaged frame is left out."""
    before, history, load = None, History(), Load()
    levels: dict[tuple[str, str, str, str], str] = {}
    for number in frames:
        try:
            whole = recording.snapshot(number)
        except FlinkopsError:
            continue
        snapshot = msgspec.structs.replace(whole, jobs=tuple(job for job in whole.jobs if wanted(job)))
        if before is not None:
            yield from between(before, snapshot)
        yield from load.at(snapshot)
        assessment = assess(snapshot, history.samples, policy)
        history.add([(job.key, job.sample) for job in assessment.jobs if job.sample is not None], snapshot.taken_ms)
        yield from _health(assessment, levels, first=before is None)
        before = snapshot


def _health(
    assessment: FleetAssessment, levels: dict[tuple[str, str, str, str], str], *, first: bool
) -> Iterable[Entry]:
    """Levels that are not those of the snapshot before."""
    for job in assessment.jobs:
        key = (*job.key, job.id)
        was, now = levels.get(key), job.health.level
        levels[key] = now
        if was == now or (was is None and (first or now == "ok")):
            continue
        why = f": {job.health.reasons[0].cell}" if job.health.reasons else ""
        text = f"{was or 'new'} -> {now}{why}"
        yield Entry(assessment.taken_ms, job.cluster, job.namespace, job.name, "health", text, "recording")
