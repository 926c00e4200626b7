"""One job's evidence with what several rules ask of it: its graph, how long it runs, which polls count."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from flinkops.diagnose.evidence import Evidence
from flinkops.model.detail import FlameGraph, TaskManagerDetail
from flinkops.model.facts import CheckpointFacts, JobFacts, VertexFacts
from flinkops.model.findings import Condition, FirstMove, Relation, Unit
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from flinkops.model.numbers import amount, total, worst
from flinkops.outside.shell import shell_word

START_UP_SECONDS = 45.0
"""So long after a start or a rescale a job catches up, and its caches, keys and compiled code fill."""
WORKING_OFF_SECONDS = 60.0
WORKED_OFF_RATIO = 0.1
"""What waits has fallen by so much over the polls of the last minute, and rose at none: it is gone in 9 min at most."""
SAVEPOINT_SECONDS = 30.0
"""So long after a savepoint its extra work still shows in rates over a minute."""
WORTH_A_LAG_SECONDS = 10.0
"""Flink's metrics are so old at most (as in assess.backpressure)."""
HIGH_BACKPRESSURE_RATIO = 0.5
"""Flink's own limit of "high" (JobVertexBackPressureHandler)."""
BUSY_RATIO = 0.7
"""A subtask that works this share of its time is near what it can do (as in assess.backpressure)."""


class NextStep(NamedTuple):
    """What to run, and which action that plans."""

    command: str
    move: FirstMove | None = None


@dataclass(frozen=True)
class Case:
    """Evidence, read the same way by all rules."""

    evidence: Evidence
    asked: list[Condition] = field(default_factory=list, compare=False)
    """What the rules have asked so far, in their order: `above`, `at_least`, `below`, `at_most`, `holds` add to it."""

    def above(self, text: str, value: float | None, limit: float, unit: Unit | None = None) -> bool:
        """Whether the value is known and over the limit."""
        return self._ask(text, value, ">", limit, unit, value is not None and value > limit)

    def at_least(self, text: str, value: float | None, limit: float, unit: Unit | None = None) -> bool:
        """Whether the value is known and the limit is reached."""
        return self._ask(text, value, "≥", limit, unit, value is not None and value >= limit)

    def below(self, text: str, value: float | None, limit: float, unit: Unit | None = None) -> bool:
        """Whether the value is known and under the limit."""
        return self._ask(text, value, "<", limit, unit, value is not None and value < limit)

    def at_most(self, text: str, value: float | None, limit: float, unit: Unit | None = None) -> bool:
        """Whether the value is known and no more than the limit."""
        return self._ask(text, value, "≤", limit, unit, value is not None and value <= limit)

    def holds(self, text: str, fact: bool) -> bool:
        """The fact itself, noted as a question that was asked."""
        self.asked.append(Condition(text=text, met=fact))
        return fact

    def _ask(
        self, text: str, value: float | None, relation: Relation, limit: float, unit: Unit | None, met: bool
    ) -> bool:
        self.asked.append(Condition(text=text, met=met, value=value, relation=relation, limit=limit, unit=unit))
        return met

    @property
    def job(self) -> JobFacts:
        """Its facts."""
        return self.evidence.job

    @cached_property
    def graph(self) -> Graph:
        """Its vertices."""
        return Graph(self.job.vertices)

    @property
    def selector(self) -> str:
        """The job as an argument of a command, safe for a shell; its id where the name reads like an option."""
        name = f"{self.job.namespace}/{self.job.name}" if self.job.namespace else self.job.name
        return shell_word(self.job.id if name.startswith("-") or not name.isprintable() else name)

    @property
    def shown(self) -> NextStep:
        """The command that shows the job."""
        return NextStep(f"flinkops status {self.selector}")

    @property
    def rolled_back(self) -> NextStep:
        """The command that plans to undo the last change."""
        return NextStep(f"flinkops rollback {self.selector} --plan", FirstMove("rollback"))

    def upgrade_with(self, key: str, value: str) -> NextStep:
        """The command that plans a restart with this setting."""
        target = f"{key}={value}"
        command = f"flinkops upgrade {self.selector} --savepoint --set {shell_word(target)} --plan"
        return NextStep(command, FirstMove("upgrade", target))

    def scaled_to(self, vertex: VertexFacts, subtasks: int) -> NextStep:
        """The command that plans so many subtasks of the vertex."""
        target = f"{vertex.id}={subtasks}"
        command = f"flinkops rescale {self.selector} --vertex {shell_word(target)} --plan"
        return NextStep(command, FirstMove("rescale", target))

    def more_subtasks(self, vertex: VertexFacts) -> int:
        """Twice as many, no more than the state can be split into, nor than a source has partitions."""
        limits = (vertex.max_parallelism, vertex.source_partitions)
        known = [limit for limit in limits if limit is not None and limit > 0]
        return max(vertex.parallelism, min([2 * vertex.parallelism, *known]))

    def scaled_or_shown(self, vertex: VertexFacts | None) -> NextStep:
        """The command that plans more subtasks of the vertex; that which shows the job where it can have no more."""
        if vertex is None or (more := self.more_subtasks(vertex)) <= vertex.parallelism:
            return self.shown
        return self.scaled_to(vertex, more)

    @property
    def uptime_seconds(self) -> float | None:
        """Since it was last seen to switch to RUNNING."""
        since_ms = self.job.running_since_ms
        return None if since_ms is None else amount((self.job.seen_ms - since_ms) / 1000)

    @property
    def unsettled(self) -> str | None:
        """Why what is measured now is not yet the job's usual way: just started, rescaled; None when it is."""
        uptime = self.uptime_seconds
        if uptime is None:
            return "how long the job runs is not known"
        if uptime < START_UP_SECONDS:
            return f"the job runs for only {uptime:.0f} s: it may be starting up"
        for rescale in self.job.rescales[:1]:
            since = (self.job.seen_ms - (rescale.ended_ms or rescale.started_ms)) / 1000
            if since < START_UP_SECONDS:
                return f"the job was rescaled {max(0.0, since):.0f} s ago: it may be catching up"
        return None

    @cached_property
    def working_off(self) -> str | None:
        """That it reads faster than records arrive, and is done with what waits before long; None: not known to be."""
        since_ms = self.job.seen_ms - round(WORKING_OFF_SECONDS * 1000)
        waits = [
            (each.at_ms, each.pending_records)
            for each in self.polls
            if each.at_ms >= since_ms and each.pending_records is not None
        ]
        if len(waits) < 2 or any(later > earlier for (_, earlier), (_, later) in pairwise(waits)):
            return None
        lags = [each.emit_lag_seconds for each in self.polls if each.at_ms >= since_ms and each.emit_lag_seconds]
        if len(lags) > 1 and lags[-1] > lags[0]:  # of its last fetch: more has come since
            return None
        (first_ms, first), (last_ms, last) = waits[0], waits[-1]
        seconds = (last_ms - first_ms) / 1000
        if seconds <= 0 or first - last < WORKED_OFF_RATIO * first or not last:
            return None
        return f"it works off a backlog: {last:,.0f} records wait, {first:,.0f} did {seconds:.0f} s ago"

    @property
    def caught_up(self) -> str | None:
        """That nothing waits any more, and something did within the last minute, or it started so: None: not so.

        Flink's ratios and rates are means over that minute.
        """
        waits = [total(each.pending_records) for each in self.graph.sources]
        if not waits or any(each != 0 for each in waits):
            return None
        lags = [worst(each.source_emit_lag_seconds) for each in self.graph.sources]
        if any(lag is not None and lag >= WORTH_A_LAG_SECONDS for lag in lags):  # what waits is of its last fetch
            return None
        since_ms = self.job.seen_ms - round(WORKING_OFF_SECONDS * 1000)
        most = max((each.pending_records or 0 for each in self.past if each.at_ms >= since_ms), default=0)
        if most > 0:
            return f"it has worked off a backlog: nothing waits, {most:,.0f} records did within the last minute"
        uptime = self.uptime_seconds
        if uptime is not None and uptime < START_UP_SECONDS + WORKING_OFF_SECONDS:
            return "nothing waits, and the last minute, over which Flink measures, holds its start"
        return None

    @property
    def savepoint_near(self) -> bool:
        """A savepoint is under way, or has just been taken."""
        return any(_is_near(each, self.job.seen_ms) for each in self._checkpoints if each.is_savepoint)

    @property
    def _checkpoints(self) -> tuple[CheckpointFacts, ...]:
        facts = self.job.checkpoints
        return facts.history if facts else ()

    @cached_property
    def past(self) -> tuple[JobSample, ...]:
        """Earlier polls of this execution, oldest first."""
        since_ms = self.job.running_since_ms or 0
        return tuple(
            each
            for each in self.evidence.history
            if each.job_id == self.job.id and since_ms <= each.at_ms < self.job.seen_ms
        )

    @cached_property
    def polls(self) -> tuple[JobSample, ...]:
        """As `past`, with this poll where the history holds it."""
        now = [each for each in self.evidence.history if each.job_id == self.job.id and each.at_ms == self.job.seen_ms]
        return (*self.past, *now[-1:])

    @cached_property
    def bottleneck(self) -> VertexFacts | None:
        """The vertex that the assessment blames."""
        held = self.evidence.assessment.backpressure
        name = held.bottleneck.vertex if held and held.bottleneck else None
        return next((each for each in self.job.vertices if each.name == name), None) if name is not None else None

    def holds_up(self, vertex: VertexFacts) -> bool:
        """It is the one that the assessment blames."""
        return self.bottleneck is not None and self.bottleneck.id == vertex.id

    @property
    def held_ratio(self) -> float | None:
        """Backpressure of the worst subtask of the job."""
        held = self.evidence.assessment.backpressure
        return held.ratio if held else None

    @property
    def input_per_second(self) -> float | None:
        """What the sources take in."""
        return self.graph.taken_in_per_second

    @property
    def input_records(self) -> float | None:
        """All that they have taken in since their attempts began."""
        return self.graph.taken_in

    def flame_graph(self, vertex_id: str) -> FlameGraph | None:
        """On-CPU samples of one vertex, when they were asked for."""
        return next((each.graph for each in self.evidence.flame_graphs if each.vertex == vertex_id), None)

    @cached_property
    def taskmanagers(self) -> tuple[TaskManagerDetail, ...]:
        """Those that run this job's subtasks; all of the cluster where Flink does not say which."""
        detail = self.evidence.detail
        if detail is None:
            return ()
        ours = {each.taskmanager for vertex in detail.vertices for each in vertex.subtasks if each.taskmanager}
        return tuple(each for each in detail.taskmanagers if each.id in ours) or detail.taskmanagers

    def setting(self, *keys: str) -> str | None:
        """The first of these settings that the job has."""
        return next((self.job.configuration[key] for key in keys if key in self.job.configuration), None)

    def why_missing(self, part: str, otherwise: str) -> str:
        """Why a part of the evidence or of the assessment is not known."""
        for known in (self.evidence.unknown, self.evidence.assessment.unknown, self.job.unknown):
            if known.get(part):
                return known[part]
        return otherwise


def _is_near(savepoint: CheckpointFacts, now_ms: int) -> bool:
    ended_ms = savepoint.acknowledged_ms or savepoint.failed_ms
    if savepoint.status == "IN_PROGRESS" or ended_ms is None:
        return savepoint.status == "IN_PROGRESS"
    return now_ms - ended_ms < SAVEPOINT_SECONDS * 1000
