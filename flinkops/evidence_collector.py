"""Gathers the evidence of a diagnosis: cheap facts of every job, and more of those where these point at something.

A whole fleet costs one poll and, within BUDGET_SECONDS, the details of the suspicious jobs. One job that is asked for
costs a second poll and the flame graphs of the vertices that work most.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec

from flinkops.collect import Collector
from flinkops.diagnose.changes import of_events, of_facts, recent_changes
from flinkops.diagnose.evidence import Evidence, FlameSample, Twin, gathered
from flinkops.diagnose.partition_pace import PartitionPace
from flinkops.diagnose.rules.checkpoint_storage import storage_is_suspected
from flinkops.diagnose.rules.restart_loop import lost_taskmanager_ms
from flinkops.diagnose.rules.source_idle import reads_nothing
from flinkops.diagnose.suspects import WORTH_A_FLAME_RATIO, busiest_vertices, early_vertices, is_suspicious
from flinkops.diagnose.twins import topics_of, twins_of
from flinkops.errors import FlinkopsError
from flinkops.model.assessment import JobAssessment
from flinkops.model.detail import FatalError, FlameGraph, JobDetail, LostTopic, StorageSign
from flinkops.model.facts import JobKey, SourceStatus
from flinkops.model.identity import flink_cluster, matching
from flinkops.model.observation import Observation
from flinkops.model.states import JobState
from flinkops.observer import Observer
from flinkops.sources.lost_topics import lost_topics
from flinkops.sources.protocol import HasFatalErrors, HasJobDetails, HasResourceEvents, HasStorageSigns, details_of

T = TypeVar("T")


class Further(NamedTuple):
    """What is asked for on suspicion alone."""

    storage: tuple[StorageSign, ...] = ()
    fatal: tuple[FatalError, ...] = ()
    twins: tuple[Twin, ...] = ()
    lost_topics: tuple[LostTopic, ...] = ()


NOTHING_FURTHER = Further()
_Run = tuple[JobKey, str]  # a job, and the id of this submission of it
_Sampled = tuple[FlameGraph | None, str | None]  # or why there is none

BUDGET_SECONDS = 3.0
"""For the details of a whole fleet, after the poll."""
DEEP_SECONDS = 10.0
FLAME_SECONDS = 10.0
"""Flink samples for some five seconds, on a busy machine for longer."""
FLAME_AGAIN_SECONDS = 1.0
SECOND_POLL_SECONDS = 5.0
"""After the first, and while Flink samples stacks. It collects metrics each 10 s at most; a poll makes it collect."""
SUSPECTS = 24
EVENTS_OF_JOBS = 8
"""Each costs two requests of the API server."""
STALE_FLAME_MS = 60_000
STACKS_AFTER_SECONDS = 20.0
"""Flink keeps stacks for a minute: those of the start, which loads and compiles, would stand for what comes after."""
LOGGED_TASKMANAGERS = 4
_THREADS = 8
FATAL_BEFORE_MS = 60_000
"""The log of a process that ended was written last when its loss was noted, or a little before."""
TWINS = 3


Pick = Callable[[Sequence[JobAssessment]], Sequence[JobAssessment]]
"""Which jobs are meant; raises FlinkopsError when it makes no sense."""


class EvidenceCollector:
    """Asks sources for more about single jobs than a poll of the fleet tells. From one thread at a time."""

    def __init__(self, sources: Mapping[str, object]) -> None:
        """`sources` by the name of their clusters (JobFacts.cluster)."""
        self._sources = sources
        self._sampled: set[tuple[JobKey, str, str]] = set()
        self._pace = PartitionPace()
        self._early: dict[tuple[JobKey, str, str], Future[_Sampled]] = {}
        """Flame graphs that were asked for before it was known whether they are wanted."""

    def collect(self, observation: Observation, job: JobAssessment) -> Evidence:
        """Everything about one job of an observation, as the TUI and the doctor show it."""
        unknown: dict[str, str] = {}
        source = self._source(job)
        if source is None:
            unknown["detail"] = unknown["flame_graphs"] = "its source has no details"
            return _evidence(observation, job, unknown=unknown)
        ask = partial(source.detail, job.id, deadline_seconds=DEEP_SECONDS)
        detail = _attempt(unknown, "detail", ask)
        flames = self._flames(source, job, unknown)
        further = Further(
            _storage_signs(source, job, detail, unknown),
            _fatal_errors(source, job, unknown),
            _twins(observation, job, source),
            _lost_topics(source, job, detail, unknown),
        )
        if detail is not None:
            detail = self._pace.told(job.key, detail)
        return _evidence(observation, job, detail=detail, flames=flames, further=further, unknown=unknown)

    def logs(self, evidence: Sequence[Evidence]) -> dict[str, str]:
        """The ends of the logs of the JobManagers and of a few TaskManagers that run these jobs, by a name for each."""
        found: dict[str, str] = {}
        for each in evidence:
            source = details_of(self._sources.get(each.job.cluster), each.job)
            if source is None:
                continue
            where = "-".join(flink_cluster(each.job))
            if (manager := f"{where}-jobmanager.log") not in found:
                found |= _named(manager, _attempt({}, "", source.jobmanager_log))
            for taskmanager in (each.detail.taskmanagers if each.detail else ())[:LOGGED_TASKMANAGERS]:
                if (name := f"{where}-{taskmanager.id}.log") not in found:
                    found |= _named(name, _attempt({}, "", partial(_newest_log, source, taskmanager.id)))
        return found

    def _source(self, job: JobAssessment) -> HasJobDetails | None:
        return details_of(self._sources.get(job.cluster), job.facts)

    def _flames(self, source: HasJobDetails, job: JobAssessment, unknown: dict[str, str]) -> list[FlameSample]:
        if (uptime := job.uptime_seconds) is not None and uptime < STACKS_AFTER_SECONDS:
            unknown["flame_graphs"] = f"the job runs for {uptime:.0f} s: its stacks would show how it starts"
            return []
        chosen = busiest_vertices(job)
        if not chosen:
            unknown["flame_graphs"] = f"no vertex is busier than {WORTH_A_FLAME_RATIO:.0%}: none was taken"
            return []
        with ThreadPoolExecutor(len(chosen), thread_name_prefix="flinkops flame") as threads:
            graphs = list(threads.map(lambda vertex: self._flame(source, job, vertex, unknown), chosen))
        return [FlameSample(vertex, graph) for vertex, graph in zip(chosen, graphs, strict=True) if graph is not None]

    def _flame(
        self, source: HasJobDetails, job: JobAssessment, vertex: str, unknown: dict[str, str]
    ) -> FlameGraph | None:
        """Waits for the first one; when it did not come, later requests find it ready or do without."""
        asked = (*_identity(job), vertex)
        if (early := self._early.pop(asked, None)) is not None:
            graph, why = early.result()
            if why is not None:
                unknown["flame_graphs"] = why
            return graph
        seconds = FLAME_AGAIN_SECONDS if asked in self._sampled else FLAME_SECONDS
        self._sampled.add(asked)
        return _fresh(source, job, vertex, unknown, seconds)


class PollingEvidenceCollector(EvidenceCollector):
    """Asks again and again, and remembers what it saw: later answers know of growth. Used by one thread at a time."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(_sources(observer))
        self._observer = observer
        self.sources_seen: tuple[SourceStatus, ...] = ()
        """How each source answered at the last poll."""

    def evidence(self, job: str | None = None) -> list[Evidence]:
        """Of all jobs, shallow; or in full of those that have this name or id, none while there is none."""
        if job is None:
            return self.fleet()
        return self.jobs(lambda jobs: matching(jobs, job))

    def fleet(self, *, budget_seconds: float = BUDGET_SECONDS) -> list[Evidence]:
        """Of every job, worst first; details only of those that the cheap facts make suspicious, within the budget."""
        observation = self._observe()
        until = time.monotonic() + budget_seconds
        jobs = [job for job in observation.assessment.jobs if job.facts is not None]
        suspects = [job for job in jobs if is_suspicious(job)][:SUSPECTS]
        details = dict(zip([_identity(job) for job in suspects], self._details(suspects, until), strict=True))
        return [self._shallow(observation, job, details) for job in jobs]

    def jobs(self, pick: Pick, *, second_poll_seconds: float = SECOND_POLL_SECONDS) -> list[Evidence]:
        """Of the jobs that `pick` chooses, in full. The second poll is spared where an earlier one is remembered."""
        observation = self._observe()
        chosen = pick(observation.assessment.jobs)
        if not second_poll_seconds or not any(_is_new(observation, job) for job in chosen):
            return self._collected(observation, chosen)
        threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="flinkops early flame")
        try:
            self._start_sampling(chosen, threads)
            time.sleep(second_poll_seconds)
            observation = self._observe()
            return self._collected(observation, pick(observation.assessment.jobs))
        finally:
            self._early.clear()
            threads.shutdown(wait=False, cancel_futures=True)

    def _collected(self, observation: Observation, chosen: Sequence[JobAssessment]) -> list[Evidence]:
        return [self.collect(observation, job) for job in chosen if job.facts is not None]

    def with_events(self, evidence: Sequence[Evidence]) -> list[Evidence]:
        """With the changes that Kubernetes tells of, of a few jobs of the operator that are not well, worst first."""
        told: list[Evidence] = []
        left = EVENTS_OF_JOBS
        for each in evidence:
            source = self._sources.get(each.job.cluster)
            ill = each.job.resource is not None and each.assessment.health.level != "ok"
            if ill and left and isinstance(source, HasResourceEvents):
                left -= 1
                found = recent_changes((*each.changes, *of_events(each.job, source.events(each.job))), each.taken_ms)
                each = msgspec.structs.replace(each, changes=found)
            told.append(each)
        return told

    def _observe(self) -> Observation:
        observation = self._observer.observe()
        self.sources_seen = observation.snapshot.sources
        return observation

    def _details(self, jobs: Sequence[JobAssessment], until: float) -> list[tuple[JobDetail | None, str | None]]:
        if not jobs:
            return []
        with ThreadPoolExecutor(min(_THREADS, len(jobs)), thread_name_prefix="flinkops doctor") as threads:
            return list(threads.map(partial(self._detail_until, until), jobs))

    def _detail_until(self, until: float, job: JobAssessment) -> tuple[JobDetail | None, str | None]:
        source, left = self._source(job), until - time.monotonic()
        if source is None:
            return None, "its source has no details"
        if left <= 0.1:
            return None, "left out when the whole fleet is polled: flinkops doctor JOB asks for it"
        try:
            return source.detail(job.id, deadline_seconds=left), None
        except FlinkopsError as problem:
            return None, problem.line()

    def _shallow(
        self,
        observation: Observation,
        job: JobAssessment,
        details: Mapping[_Run, tuple[JobDetail | None, str | None]],
    ) -> Evidence:
        spared = "nothing pointed at it when the whole fleet was polled: flinkops doctor JOB asks for it"
        detail, why = details.get(_identity(job), (None, spared))
        unknown = {"flame_graphs": "a poll of the whole fleet takes none: flinkops doctor JOB does"}
        if why is not None:
            unknown["detail"] = why
        further = Further(twins=_twins(observation, job, None))
        return _evidence(observation, job, detail=detail, further=further, unknown=unknown)

    def _start_sampling(self, jobs: Iterable[JobAssessment], threads: ThreadPoolExecutor) -> None:
        """Flink samples for five seconds from the first request on: by the second poll it is done."""
        for job in jobs:
            source = self._source(job)
            if source is None or (job.uptime_seconds or 0.0) < STACKS_AFTER_SECONDS:
                continue
            for vertex in early_vertices(job):
                asked = (*_identity(job), vertex)
                self._sampled.add(asked)
                self._early[asked] = threads.submit(_sample, source, job, vertex)


def _sources(observer: Observer) -> dict[str, object]:
    collector = observer.collector
    return {source.name: source for source in collector.sources} if isinstance(collector, Collector) else {}


def _sample(source: HasJobDetails, job: JobAssessment, vertex: str) -> _Sampled:
    unknown: dict[str, str] = {}
    graph = _fresh(source, job, vertex, unknown, FLAME_SECONDS)
    return graph, unknown.get("flame_graphs")


def _fresh(
    source: HasJobDetails, job: JobAssessment, vertex: str, unknown: dict[str, str], seconds: float
) -> FlameGraph | None:
    """Asked twice where the first is of before this run or older than Flink keeps it: that starts a new one."""
    until = time.monotonic() + seconds
    facts = job.facts
    since_ms = (facts.running_since_ms or 0) if facts else 0
    oldest_ms = max(since_ms, (facts.seen_ms if facts else 0) - STALE_FLAME_MS)
    graph: FlameGraph | None = None
    while (left := until - time.monotonic()) > 0.2:
        ask = partial(source.flame_graph, job.id, vertex, deadline_seconds=left)
        graph = _attempt(unknown, "flame_graphs", ask)
        if graph is None or graph.root is None or graph.at_ms is None or graph.at_ms >= oldest_ms:
            return graph
        time.sleep(min(1.0, left))
    return graph


def _storage_signs(
    source: HasJobDetails, job: JobAssessment, detail: JobDetail | None, unknown: dict[str, str]
) -> tuple[StorageSign, ...]:
    """Asked for only where a checkpoint failed or waits: it costs the end of a log, and threads."""
    if job.facts is None or not isinstance(source, HasStorageSigns) or not storage_is_suspected(job.facts):
        return ()
    managers = [each.id for each in detail.taskmanagers][:LOGGED_TASKMANAGERS] if detail else []
    ask = partial(source.storage_signs, job.id, managers, deadline_seconds=DEEP_SECONDS)
    return _attempt(unknown, "storage", ask) or ()


def _fatal_errors(source: HasJobDetails, job: JobAssessment, unknown: dict[str, str]) -> tuple[FatalError, ...]:
    """Asked for only where a TaskManager of the job was lost: it costs the ends of a few logs."""
    facts = job.facts
    if facts is None or not isinstance(source, HasFatalErrors) or (lost_ms := lost_taskmanager_ms(facts)) is None:
        return ()
    vertices = frozenset(each.id for each in facts.vertices)
    ask = partial(source.fatal_errors, vertices, lost_ms - FATAL_BEFORE_MS, deadline_seconds=DEEP_SECONDS)
    return _attempt(unknown, "fatal", ask) or ()


def _lost_topics(
    source: HasJobDetails, job: JobAssessment, detail: JobDetail | None, unknown: dict[str, str]
) -> tuple[LostTopic, ...]:
    """Asked for only where its sources read nothing: it costs the end of a log or two."""
    if job.facts is None or detail is None or not reads_nothing(job.facts):
        return ()
    managers = list(dict.fromkeys(one.taskmanager for each in detail.vertices for one in each.subtasks))
    ids = [each for each in managers if each]
    ask = partial(lost_topics, source, ids, topics_of(detail), job.facts.seen_ms, deadline_seconds=DEEP_SECONDS)
    return _attempt(unknown, "lost_topics", ask) or ()


def _twins(observation: Observation, job: JobAssessment, source: HasJobDetails | None) -> tuple[Twin, ...]:
    """With `source`, the topics that a few of them read are asked for."""
    found = twins_of(job.facts, observation.snapshot.jobs) if job.facts else ()
    asked = []
    for each in found[:TWINS]:
        detail = _attempt({}, "", partial(source.detail, each.id, deadline_seconds=DEEP_SECONDS)) if source else None
        topics = None if detail is None else topics_of(detail)
        asked.append(Twin(each.id, each.started_ms, topics))
    return tuple(asked)


def _attempt(unknown: dict[str, str], part: str, ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except FlinkopsError as problem:
        unknown[part] = problem.line()
        return None


def _named(name: str, text: str | None) -> dict[str, str]:
    return {} if text is None else {name: text}


def _newest_log(source: HasJobDetails, taskmanager_id: str) -> str:
    logs = [each for each in source.taskmanager_logs(taskmanager_id) if each.name.endswith(".log")]
    newest = max(logs, key=lambda each: (each.modified_ms or 0, each.name), default=None)
    return source.taskmanager_log(taskmanager_id, newest.name) if newest else ""


def _identity(job: JobAssessment) -> _Run:
    return (job.key, job.id)


def _is_new(observation: Observation, job: JobAssessment) -> bool:
    """It runs, and no earlier poll of this run is remembered."""
    samples = [each for each in observation.history.get(job.key, ()) if each.job_id == job.id]
    return job.state == JobState.RUNNING and len(samples) < 2


def _evidence(
    observation: Observation,
    job: JobAssessment,
    *,
    detail: JobDetail | None = None,
    flames: Sequence[FlameSample] = (),
    further: Further = NOTHING_FURTHER,
    unknown: dict[str, str],
) -> Evidence:
    where = job.cluster if job.facts is None else "/".join(flink_cluster(job.facts)[1:]) or job.cluster
    clusters = [each for each in observation.snapshot.clusters if each.name == where]
    cluster = clusters[0] if len(clusters) == 1 else None  # two contexts may have one of the same name
    if cluster is None:
        unknown["cluster"] = "its cluster's size is not known"
    if detail is not None and "taskmanagers" in detail.unknown:
        unknown["taskmanagers"] = detail.unknown["taskmanagers"]
    return gathered(
        observation.snapshot.taken_ms,
        job,
        observation.history.get(job.key, ()),
        detail=detail,
        flame_graphs=flames,
        storage=further.storage,
        fatal=further.fatal,
        twins=further.twins,
        lost_topics=further.lost_topics,
        cluster=cluster,
        changes=recent_changes(of_facts(job.facts), observation.snapshot.taken_ms) if job.facts else (),
        unknown=unknown,
    )


def from_observation(observation: Observation) -> list[Evidence]:
    """What a recording, or a snapshot without anything else, tells of each job."""
    why = "a recording holds snapshots only"
    return [
        _evidence(observation, job, unknown={"detail": why, "flame_graphs": why})
        for job in observation.assessment.jobs
        if job.facts is not None
    ]
