"""The columns of the fleet: the one list that the screens, the tables, CSV and copied rows are drawn from.

A new column is one entry here; each measure (model/measures.py) is one by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flinkops.model.assessment import LEVEL_ORDER, JobAssessment, NotApplicable
from flinkops.model.facts import JobKey
from flinkops.model.history import JobSample
from flinkops.model.measures import MEASURES, Measure, Unit
from flinkops.model.reasons import Subject
from flinkops.render.cells import (
    LEVEL_ROLE,
    absent_cell,
    count_cell,
    percent_cell,
    rate_cell,
    role_about,
    seconds_cell,
    short_age,
    size_cell,
    state_cell,
    tidy,
    value_cell,
)
from flinkops.render.glyphs import Glyphs, sparkline
from flinkops.render.lines import Align, Line, Role, line, plain
from flinkops.render.text import human_bytes, human_seconds

Plain = str | int | float | None
TABLE_PRIORITY = 5
"""`-o table` has the columns up to this priority, `-o wide` all."""
NONE = "-"
"""There is none, and that is known: no namespace, no bottleneck."""
TREND_CELLS = 12


@dataclass
class RowContext:
    """What cells are drawn with besides the job. A screen replaces the fields at each observation."""

    now_ms: int = 0
    glyphs: Glyphs | None = None  # None: text without signs
    noted: frozenset[JobKey] = frozenset()
    history: Mapping[JobKey, Sequence[JobSample]] = field(default_factory=dict)


@dataclass(frozen=True)
class FleetColumn:
    """One column. `meaning`: what it is, for docs/tui.md.

    `cell` is what people see, with its role; `sort` the plain value behind it, by which rows are sorted and which CSV
    has: None where unknown. `priority` 0 is always shown; the highest give way first on a narrow screen. `width` is in
    terminal cells; `grow_to`: it takes room that is left, up to so many; `comfortable`: the width it should have before
    the least important columns get room. `csv` is its name there, with the unit, and `csv_place` where it stands:
    scripts cut by position, so that a new column takes the next free number. `path` is where the document says why the
    value is missing: what does not apply to a job is shown as a dash.
    """

    id: str
    title: str
    meaning: str
    cell: Callable[[JobAssessment, RowContext], Line]
    sort: Callable[[JobAssessment], Any] | None
    width: int
    short_title: str = ""
    align: Align = "right"
    priority: int = 0
    comfortable: int = 0
    grow_to: int = 0
    descending: bool = True
    csv: str = ""
    csv_place: int = 0
    csv_value: Callable[[JobAssessment], Plain] | None = None
    screen_only: bool = False
    path: str = ""

    @property
    def screen_title(self) -> str:
        """Where cells are scarce."""
        return self.short_title or self.title

    def shown(self, job: JobAssessment, row: RowContext) -> Line:
        """The cell, or a dash for what this job cannot have."""
        absent = job.absent(self.path) if self.path else None
        return absent_cell(job, self.path, row.glyphs) if isinstance(absent, NotApplicable) else self.cell(job, row)

    def plain_value(self, job: JobAssessment) -> Plain:
        """For CSV: no unit, None where unknown."""
        value = self.csv_value or self.sort
        plain_value: Plain = value(job) if value else None
        return tidy(plain_value) if isinstance(plain_value, str) else plain_value


def _health(job: JobAssessment, row: RowContext) -> Line:
    level = job.health.level
    return line(f"{row.glyphs.level(level)} {level}" if row.glyphs else level, LEVEL_ROLE[level])


def _since(job: JobAssessment, row: RowContext) -> Line:
    since = job.health.since_ms
    if since is None and job.health.level == "ok":
        return ()
    return value_cell(None if since is None else short_age((row.now_ms - since) / 1000), "dim")


def _name(job: JobAssessment, row: RowContext) -> Line:
    note: Line = ((row.glyphs.note + " ", "accent"),) if row.glyphs and job.key in row.noted else ()
    return (*note, (tidy(job.name), "strong" if job.health.level == "critical" else "text"))


def _trend(job: JobAssessment, row: RowContext) -> Line:
    samples = row.history.get(job.key, ())[-TREND_CELLS:]
    rates = [sample.records_in_per_second for sample in samples]
    return line(sparkline(rates, TREND_CELLS, row.glyphs), "spark") if row.glyphs else ()


def _p99_seconds(job: JobAssessment) -> float | None:
    return job.processing_latency_seconds.p99 if job.processing_latency_seconds else None


def _latency(job: JobAssessment, row: RowContext) -> Line:
    latency = job.processing_latency_seconds
    if latency is None or latency.p99 is None:
        return value_cell(None)
    sign = "" if latency.method == "measured" else "~"
    return line(sign + human_seconds(latency.p99), role_about(job, Subject.LATENCY))


def _growth(job: JobAssessment, row: RowContext) -> Line:
    growth = job.state_growth_bytes_per_hour
    if growth is None:
        return value_cell(None)
    return line(("+" if growth >= 0 else "-") + human_bytes(abs(growth)), role_about(job, Subject.STATE))


def _pressure_ratio(job: JobAssessment) -> float | None:
    return job.backpressure.ratio if job.backpressure else None


def _bottleneck_name(job: JobAssessment) -> str:
    return job.backpressure.bottleneck.vertex if job.backpressure and job.backpressure.bottleneck else ""


def _bottleneck(job: JobAssessment, row: RowContext) -> Line:
    if job.backpressure is None:
        return value_cell(None)
    name = tidy(_bottleneck_name(job))
    return line(name, role_about(job, Subject.BACKPRESSURE)) if name else line(NONE, "dim")


def _checkpoint(job: JobAssessment, row: RowContext) -> Line:
    checkpoints = job.checkpoints
    if checkpoints is None:
        return value_cell(None)
    role = role_about(job, Subject.CHECKPOINTS)
    if checkpoints.status in ("FAILED", "DISABLED", "NONE"):
        return line({"FAILED": "failed", "DISABLED": "off", "NONE": "none"}[checkpoints.status], role)
    return seconds_cell(checkpoints.duration_seconds, role)


def _why_text(job: JobAssessment) -> str:
    reasons = job.health.reasons
    more = f" (+{len(reasons) - 1})" if len(reasons) > 1 else ""
    return reasons[0].text + more if reasons else ""


def _why(job: JobAssessment, row: RowContext) -> Line:
    reasons = job.health.reasons
    if not reasons:
        return ()
    more = f"  +{len(reasons) - 1}" if len(reasons) > 1 else ""
    return ((tidy(reasons[0].cell), "text"), (more, "dim")) if more else line(tidy(reasons[0].cell))


_CELLS: dict[Unit, Callable[[float | None, Role], Line]] = {
    "seconds": seconds_cell,
    "bytes": size_cell,
    "ratio": percent_cell,
}


def _measure_column(measure: Measure) -> FleetColumn:
    cell = _CELLS.get(measure.unit, count_cell)

    def role(job: JobAssessment) -> Role:
        return role_about(job, measure.limit.high.subject) if measure.limit else "text"

    return FleetColumn(
        measure.name,
        measure.title,
        measure.meaning,
        lambda job, _: cell(job.measures.get(measure.name), role(job)),
        lambda job: job.measures.get(measure.name),
        7,
        short_title=measure.short_title,
        priority=measure.priority,
        csv=measure.name,
        csv_place=measure.csv_place,
        path=measure.name,
    )


C = FleetColumn
COLUMNS: tuple[FleetColumn, ...] = (
    C("health", "HEALTH", "the worst reason's level",
      _health, lambda j: LEVEL_ORDER[j.health.level], 10, align="left", descending=False,
      csv="health", csv_place=1, csv_value=lambda j: j.health.level),
    C("since", "FOR", "how long it has that health",
      _since, lambda j: j.health.since_ms, 4, priority=2, csv="health_since_ms", csv_place=23),
    C("job", "JOB", "its name; a sign before it: a note",
      _name, lambda j: j.name.casefold(), 17, align="left", comfortable=24, grow_to=44, descending=False,
      csv="name", csv_place=2, csv_value=lambda j: j.name),
    C("namespace", "NAMESPACE", "in Kubernetes; `-`: none",
      lambda j, _: line(tidy(j.namespace or NONE), "dim"), lambda j: j.namespace or NONE, 12,
      align="left", priority=8, descending=False, csv="namespace", csv_place=3),
    C("cluster", "CLUSTER", "the source that it comes from",
      lambda j, _: line(tidy(j.cluster), "dim"), lambda j: j.cluster, 14, align="left",
      priority=7, descending=False, csv="cluster", csv_place=4),
    C("state", "STATE", "Flink's job state",
      lambda j, _: state_cell(j.state), lambda j: j.state, 10, align="left", priority=3,
      descending=False, csv="state", csv_place=5),
    C("uptime", "UPTIME", "since it began to run",
      lambda j, _: seconds_cell(j.uptime_seconds, "dim"), lambda j: j.uptime_seconds, 7,
      priority=9, csv="uptime_seconds", csv_place=6, path="uptime_seconds"),
    C("parallelism", "PARALLELISM", "the highest of its vertices",
      lambda j, _: count_cell(j.parallelism, "dim"), lambda j: j.parallelism, 4,
      short_title="PAR", priority=7, csv="parallelism", csv_place=7),
    C("restarts", "RESTARTS", "since it was submitted",
      lambda j, _: count_cell(j.restarts, "warning" if j.restarts else "dim"),
      lambda j: j.restarts, 4, short_title="RST", priority=6, csv="restarts", csv_place=8),
    C("in", "IN/S", "records per second that its sources read",
      lambda j, _: rate_cell(j.records_in_per_second), lambda j: j.records_in_per_second, 7,
      priority=1, csv="records_in_per_second", csv_place=9, path="records_in_per_second"),
    C("trend", "IN, TREND", "the same over the last polls",
      _trend, None, TREND_CELLS, priority=9, screen_only=True),
    C("out", "OUT/S", "records per second that its sinks write",
      lambda j, _: rate_cell(j.records_out_per_second), lambda j: j.records_out_per_second, 7,
      priority=6, csv="records_out_per_second", csv_place=10, path="records_out_per_second"),
    C("dropped", "DROPPED/S", "records per second that the job drops as unchanged",
      lambda j, _: rate_cell(j.records_dropped_per_second),
      lambda j: j.records_dropped_per_second, 7, short_title="DROP/S", priority=8, csv="records_dropped_per_second",
      csv_place=11, path="records_dropped_per_second"),
    C("late", "LATE", "share of late records",
      lambda j, _: percent_cell(j.late_ratio, role_about(j, Subject.LATE_RECORDS)),
      lambda j: j.late_ratio, 6, priority=7, csv="late_ratio", csv_place=12, path="late_ratio"),
    C("p99", "P99", "processing latency; `~`: not measured by the job itself",
      _latency, _p99_seconds, 7, priority=1, csv="processing_latency_p99_seconds", csv_place=13,
      path="processing_latency_seconds.p99"),
    C("skew", "SKEW", "event-time skew: now minus watermark",
      lambda j, _: seconds_cell(j.event_time_skew_seconds, role_about(j, Subject.EVENT_TIME)),
      lambda j: j.event_time_skew_seconds, 7, priority=1, csv="event_time_skew_seconds", csv_place=14,
      path="event_time_skew_seconds"),
    C("state_size", "STATE SIZE", "full size of the last completed checkpoint",
      lambda j, _: size_cell(j.state_bytes, role_about(j, Subject.STATE)),
      lambda j: j.state_bytes, 7, short_title="SIZE", priority=1, csv="state_bytes", csv_place=15, path="state_bytes"),
    C("growth", "GROWTH/H", "of the state, in bytes per hour",
      _growth, lambda j: j.state_growth_bytes_per_hour, 9, priority=7,
      csv="state_growth_bytes_per_hour", csv_place=16, path="state_growth_bytes_per_hour"),
    C("bp", "BACKPRESSURE", "backpressured time of the worst subtask",
      lambda j, _: percent_cell(_pressure_ratio(j), role_about(j, Subject.BACKPRESSURE)),
      _pressure_ratio, 5, short_title="BP", priority=1, csv="backpressure_ratio", csv_place=17,
      path="backpressure"),
    C("bottleneck", "BOTTLENECK", "the vertex that causes backpressure; `-`: none",
      _bottleneck, lambda j: _bottleneck_name(j) or None, 12, align="left", priority=8,
      grow_to=30, descending=False, csv="bottleneck", csv_place=18, csv_value=_bottleneck_name),
    C("checkpoint", "CHECKPOINT", "how long the last one took; or failed, off, none",
      _checkpoint, lambda j: j.checkpoints and j.checkpoints.duration_seconds, 6,
      short_title="CKPT", priority=1, csv="checkpoint_duration_seconds", csv_place=24, path="checkpoints"),
    C("age", "CHECKPOINT AGE", "since the last completed one",
      lambda j, _: seconds_cell(j.checkpoints.age_seconds if j.checkpoints else None),
      lambda j: j.checkpoints and j.checkpoints.age_seconds, 8, short_title="CKPT AGE", priority=6,
      csv="checkpoint_age_seconds", csv_place=19, path="checkpoints.age_seconds"),
    *map(_measure_column, MEASURES),
    C("flink", "FLINK", "version",
      lambda j, _: value_cell(tidy(j.flink_version) if j.flink_version else None, "dim"),
      lambda j: j.flink_version, 6, align="left", priority=9, descending=False, csv="flink_version", csv_place=20),
    C("id", "ID", "Flink's job id",
      lambda j, _: line(tidy(j.id), "dim"), lambda j: j.id, 8, align="left", priority=9, grow_to=32,
      descending=False, csv="id", csv_place=21),
    C("why", "WHY", "the worst reason, and how many more there are",
      _why, None, 24, align="left", priority=4, comfortable=50, grow_to=70, csv="why", csv_place=22,
      csv_value=_why_text),
)  # fmt: skip
"""As screens and tables have them, from left to right."""
TEXT_COLUMNS = tuple(column for column in COLUMNS if not column.screen_only)
CSV_COLUMNS = tuple(sorted((column for column in COLUMNS if column.csv), key=lambda column: column.csv_place))


def row_texts(job: JobAssessment, now_ms: int, columns: Sequence[FleetColumn] = TEXT_COLUMNS) -> list[str]:
    """The cells of one job as text, unknown as a question mark."""
    row = RowContext(now_ms=now_ms)
    return [plain(column.shown(job, row)) for column in columns]


def titles_text() -> str:
    """The titles over rows of `row_text`."""
    return "\t".join(column.title for column in TEXT_COLUMNS)


def row_text(job: JobAssessment, now_ms: int) -> str:
    """One row for the clipboard or a file, separated by tabs."""
    return "\t".join(row_texts(job, now_ms))
