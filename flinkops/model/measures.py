"""Measures: signals that are one number of a job. One entry here is all that makes one.

From its entry a measure gets its Flink metric asked, a field of the status document with a reason where it is null, a
column of screens, tables and CSV, a metric of the exporter, a limit by job class, reasons of health with hysteresis, an
alert, and its row in docs/signals.md. Signals that are more than a number over the vertices of one poll (the latency
with its method, the checkpoints) have a module of their own in ``assess/``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from flinkops.model.facts import Spread, VertexFacts
from flinkops.model.numbers import total, worst
from flinkops.model.reasons import ReasonCode

Unit = Literal["seconds", "bytes", "ratio", "records", "count"]


@dataclass(frozen=True)
class FlinkMetric:
    """A metric that no other part reads: of the task itself, or of each of its operators.

    ``scale`` turns Flink's unit into ours.
    """

    name: str
    of: Literal["task", "operator"] = "task"
    scale: float = 1.0


@dataclass(frozen=True)
class LimitAlert:
    """The alert for a limit that is crossed for 15 minutes; its runbook is ``docs/runbooks/NAME.md``."""

    name: str
    summary: str  # follows the job's name
    meaning: str


@dataclass(frozen=True)
class Limit:
    """``key`` is the limit's name in ``[classes.NAME]`` of flinkops.toml; ``default`` None: not asked."""

    key: str
    high: ReasonCode
    unknown: ReasonCode
    default: float | None = None
    alert: LimitAlert | None = None


@dataclass(frozen=True)
class Measure:
    """One number of a job, over its vertices.

    ``name`` carries the unit: it is the field in JSON and CSV, and ``flinkops_job_NAME`` for Prometheus. ``fact`` is
    what each vertex says (by default its ``metric``), ``over_subtasks`` and ``over_vertices`` combine it. ``label`` is
    its name in a sentence, ``meaning`` what it is, in one line. ``csv_place`` is the next free one.
    """

    name: str
    label: str
    meaning: str
    unit: Unit
    title: str
    csv_place: int
    flink_name: str = ""
    metric: FlinkMetric | None = None
    fact: Callable[[VertexFacts], Spread | None] | None = None
    over_subtasks: Callable[[Spread | None], float | None] = worst
    over_vertices: Callable[[Sequence[float]], float] = max
    limit: Limit | None = None
    short_title: str = ""
    priority: int = 9

    @property
    def of_flink(self) -> str:
        """The Flink metric that it is made of."""
        return self.metric.name if self.metric else self.flink_name

    def of_vertex(self, vertex: VertexFacts) -> Spread | None:
        """What one vertex says."""
        return self.fact(vertex) if self.fact else vertex.measured.get(self.name)


PENDING_RECORDS = Measure(
    name="pending_records",
    label="backlog",
    meaning="records that its sources have not read yet, over all sources",
    unit="records",
    title="BACKLOG",
    csv_place=25,
    flink_name="pendingRecords",
    fact=lambda vertex: vertex.pending_records,
    over_subtasks=total,
    over_vertices=sum,
    priority=6,
    limit=Limit(
        "backlog",
        ReasonCode.BACKLOG_HIGH,
        ReasonCode.BACKLOG_UNKNOWN,
        alert=LimitAlert(
            "FlinkJobBacklogHigh",
            "its sources are far behind",
            "More records wait in the sources' systems than the job's class allows.",
        ),
    ),
)
MEASURES: tuple[Measure, ...] = (
    PENDING_RECORDS,
    Measure(
        name="source_idle_seconds",
        label="idle time of a source",
        meaning="how long the source that waits the longest has had nothing to read",
        unit="seconds",
        title="SOURCE IDLE",
        csv_place=26,
        short_title="IDLE",
        flink_name="sourceIdleTime",
        fact=lambda vertex: vertex.source_idle_seconds,
    ),
    Measure(
        name="busy_ratio",
        label="busy time",
        meaning="share of time that the busiest subtask is busy",
        unit="ratio",
        title="BUSY",
        csv_place=27,
        flink_name="busyTimeMsPerSecond",
        fact=lambda vertex: vertex.busy_ratio,
    ),
    Measure(
        name="mailbox_latency_seconds",
        label="mailbox latency",
        meaning="how long checkpoints and timers wait for the thread of a task, p99 of the worst subtask",
        unit="seconds",
        title="MAILBOX",
        csv_place=28,
        metric=FlinkMetric("mailboxLatencyMs_p99", scale=0.001),
    ),
)
"""As the document, the tables and the columns have them, in this order."""
