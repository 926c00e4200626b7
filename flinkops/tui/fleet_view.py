"""The fleet as lines and columns. Pure: an observation in, text out."""

from dataclasses import dataclass, field

from flinkops.model.assessment import LEVEL_ORDER, JobAssessment, Level
from flinkops.model.facts import ClusterFacts, JobKey, SourceStatus
from flinkops.model.observation import Observation
from flinkops.model.reasons import Subject
from flinkops.render.cells import (
    LEVEL_ROLE,
    count_cell,
    known_signals,
    level_cell,
    percent_cell,
    rate_cell,
    role_about,
    seconds_cell,
    short_age,
    since_text,
    size_cell,
    state_cell,
    tidy,
    value_cell,
)
from flinkops.render.glyphs import sparkline
from flinkops.render.lines import Line, Span, ends, join, line
from flinkops.render.text import human_bytes, human_rate, human_seconds
from flinkops.tui.context import Context
from flinkops.tui.grid import Column
from flinkops.tui.job_view import reason_lines, signal_lines

STALE_FACTOR = 3
"""A row is stale when its data is older than this many refresh intervals."""


@dataclass(frozen=True)
class View:
    """One observation, ready to be asked by key. Made off the screen's thread."""

    observation: Observation
    stale_after_seconds: float
    by_key: dict[JobKey, JobAssessment] = field(default_factory=dict)
    lost_sources: frozenset[str] = frozenset()
    clusters: dict[str, ClusterFacts] = field(default_factory=dict)

    @staticmethod
    def of(observation: Observation, *, interval_seconds: float) -> "View":
        """Index the observation."""
        assessment = observation.assessment
        stale_after = max(15.0, STALE_FACTOR * interval_seconds)
        return View(
            observation=observation,
            stale_after_seconds=stale_after,
            by_key={job.key: job for job in assessment.jobs},
            lost_sources=frozenset(s.name for s in assessment.sources if not _answers(s, stale_after)),
            clusters={cluster.name: cluster for cluster in observation.snapshot.clusters},
        )

    @property
    def taken_ms(self) -> int:
        """When it was looked."""
        return self.observation.assessment.taken_ms

    @property
    def jobs(self) -> tuple[JobAssessment, ...]:
        """Worst first."""
        return self.observation.assessment.jobs

    def is_stale(self, job: JobAssessment) -> bool:
        """Whether its data is old: its source did not answer, or long ago."""
        return job.cluster in self.lost_sources or (job.data_age_seconds or 0.0) > self.stale_after_seconds

    @property
    def disconnected(self) -> bool:
        """No source answered."""
        sources = self.observation.assessment.sources
        return bool(sources) and not self.pending and len(self.lost_sources) == len({s.name for s in sources})

    @property
    def pending(self) -> int:
        """Sources that are still being asked for the first time."""
        return sum(source.pending for source in self.observation.assessment.sources)

    def age_seconds(self, now_ms: int) -> float | None:
        """Of the newest data in the picture; None when no source ever gave any."""
        since_look = max(0.0, (now_ms - self.taken_ms) / 1000)
        ages = [s.age_seconds for s in self.observation.assessment.sources if s.age_seconds is not None]
        if self.disconnected:
            return min(ages) + since_look if ages else None
        return since_look

    def first_error(self) -> str:
        """Of the sources that do not answer."""
        errors = (source.error for source in self.observation.assessment.sources if source.state != "ok")
        return next((error for error in errors if error), "no reason given")


def _answers(source: SourceStatus, stale_after_seconds: float) -> bool:
    """It does, if too slowly for all of it: then each row says by its own age how good it is."""
    if source.state == "stale":
        return source.age_seconds is not None and source.age_seconds <= stale_after_seconds
    return source.state == "ok"


def certainty(job: JobAssessment, view: View) -> Line:
    """How sure the row is: age of data, how many of the five signals are known, measured or estimated."""
    if view.is_stale(job):
        age = job.data_age_seconds
        old = "age unknown" if age is None else f"data {short_age(age)} old"
        return line(f"not sure: {old}", "unknown")
    known = known_signals(job)
    if known < 5:
        return line(f"partly sure: {known} of 5 signals", "warning" if known else "unknown")
    latency = job.processing_latency_seconds
    how = {"markers": "latency from markers", "estimated": "latency estimated"}.get(latency.method if latency else "")
    return line(f"sure: 5 of 5 signals{f', {how}' if how else ''}", "dim")


def headline(view: View, context: Context, cells: int) -> Line:
    """What is broken, since when, how sure: the first line of the screen."""
    glyphs = context.glyphs
    total = len(view.jobs)
    if not total and view.disconnected:
        return line(f"{glyphs.critical} no source answers: {tidy(view.first_error())}", "critical")
    if not total and view.pending:
        return line(f"no jobs so far, {view.pending} sources are still being asked", "unknown")
    if not total:
        return line("no jobs", "unknown")
    worst = view.jobs[0]
    level = worst.health.level
    broken = sum(job.health.level == level for job in view.jobs)
    role = LEVEL_ROLE[level]
    if level == "ok":
        return line(f"{glyphs.ok} all {total} job{'s' * (total > 1)} ok", "ok")
    reason = worst.health.reasons[0].text if worst.health.reasons else worst.state
    when = since_text(worst.health.since_ms, view.taken_ms)
    left: list[Span] = [
        (f"{glyphs.level(level)} {broken} of {total} {level}", role),
        (f" {glyphs.dot} ", "dim"),
        (tidy(worst.name), "strong"),
        (": " + tidy(reason), "text"),
    ]
    right = join([line(when) if when else (), certainty(worst, view)], f" {glyphs.dot} ")
    if cells < 100:  # the reason stands again below the table, the time and the sureness do not
        right = line(when.split("(")[0].strip() if when else "") if when else ()
    return ends(tuple(left), right, cells, ellipsis=glyphs.ellipsis)


def counts(view: View, context: Context) -> Line:
    """How many jobs of each level."""
    found: dict[Level, int] = {"critical": 0, "unknown": 0, "warning": 0, "ok": 0}
    for job in view.jobs:
        found[job.health.level] += 1
    return join(
        line(f"{context.glyphs.level(level)} {number} {level}", LEVEL_ROLE[level] if number else "dim")
        for level, number in found.items()
    )


def columns(context: Context, history: "HistoryOf") -> list[Column[JobAssessment]]:
    """The fleet's columns, the important ones first; see Column for which stay on a narrow terminal."""
    glyphs = context.glyphs
    c = Column[JobAssessment]
    return [
        c("health", "HEALTH", lambda j: level_cell(j.health.level, glyphs), 10,
          sort=lambda j: LEVEL_ORDER[j.health.level]),
        c("since", "FOR", lambda j: _for(j, history.now_ms), 4, "right", rank=2,
          sort=lambda j: j.health.since_ms, descending=True),
        c("job", "JOB", lambda j: _name(j, context, history), 17, sort=lambda j: j.name.casefold(), flex=True,
          widest=44),
        c("namespace", "NAMESPACE", lambda j: value_cell(_cleaned(j.namespace), "dim"), 12, rank=8,
          sort=lambda j: j.namespace),
        c("cluster", "CLUSTER", lambda j: value_cell(_cleaned(j.cluster), "dim"), 14, rank=7,
          sort=lambda j: j.cluster),
        c("state", "STATE", lambda j: state_cell(j.state), 10, rank=3, sort=lambda j: j.state),
        c("why", "WHY", _why, 24, rank=4, flex=True, wish=50, widest=70),
        c("in", "IN/S", lambda j: rate_cell(j.records_in_per_second), 7, "right",
          sort=lambda j: j.records_in_per_second, rank=1, descending=True),
        c("trend", "IN, TREND", lambda j: _trend(j, context, history), 12, "right", rank=9),
        c("p99", "P99", _latency, 7, "right", rank=1, descending=True,
          sort=lambda j: j.processing_latency_seconds and j.processing_latency_seconds.p99),
        c("skew", "SKEW", lambda j: seconds_cell(j.event_time_skew_seconds, role_about(j, Subject.EVENT_TIME)), 7,
          "right", sort=lambda j: j.event_time_skew_seconds, rank=1, descending=True),
        c("state_size", "SIZE", lambda j: size_cell(j.state_bytes, role_about(j, Subject.STATE)), 7, "right",
          sort=lambda j: j.state_bytes, rank=1, descending=True),
        c("growth", "GROWTH/H", _growth, 9, "right", sort=lambda j: j.state_growth_bytes_per_hour, rank=7,
          descending=True),
        c("bp", "BP", _pressure, 5, "right", sort=lambda j: j.backpressure and j.backpressure.ratio, rank=1,
          descending=True),
        c("checkpoint", "CKPT", _checkpoint, 6, "right", rank=1, descending=True,
          sort=lambda j: j.checkpoints and j.checkpoints.duration_seconds),
        c("age", "CKPT AGE", lambda j: seconds_cell(j.checkpoints.age_seconds if j.checkpoints else None), 8, "right",
          sort=lambda j: j.checkpoints and j.checkpoints.age_seconds, rank=6, descending=True),
        c("dropped", "DROP/S", lambda j: rate_cell(j.records_dropped_per_second), 7, "right", rank=8,
          sort=lambda j: j.records_dropped_per_second, descending=True),
        c("restarts", "RST", lambda j: count_cell(j.restarts, "warning" if j.restarts else "dim"), 4, "right", rank=6,
          sort=lambda j: j.restarts, descending=True),
        c("parallelism", "PAR", lambda j: count_cell(j.parallelism, "dim"), 4, "right", rank=7,
          sort=lambda j: j.parallelism, descending=True),
        c("uptime", "UPTIME", lambda j: seconds_cell(j.uptime_seconds, "dim"), 7, "right", rank=9,
          sort=lambda j: j.uptime_seconds, descending=True),
    ]  # fmt: skip


@dataclass
class HistoryOf:
    """What the cells need besides the job: the observation of the moment. The screen replaces its fields."""

    view: View | None = None
    noted: frozenset[JobKey] = frozenset()

    @property
    def now_ms(self) -> int:
        """The time of the look."""
        return self.view.taken_ms if self.view else 0

    def trend(self, key: JobKey) -> list[float | None]:
        """Records in, look by look."""
        samples = self.view.observation.history.get(key, ()) if self.view else ()
        return [sample.records_in_per_second for sample in samples[-12:]]


def _cleaned(text: str | None) -> str | None:
    return tidy(text) if text else None


def _name(job: JobAssessment, context: Context, history: HistoryOf) -> Line:
    note: Line = ((context.glyphs.note + " ", "accent"),) if job.key in history.noted else ()
    return (*note, (tidy(job.name), "strong" if job.health.level == "critical" else "text"))


def _for(job: JobAssessment, now_ms: int) -> Line:
    since = job.health.since_ms
    if since is None and job.health.level == "ok":
        return ()
    return value_cell(None if since is None else short_age((now_ms - since) / 1000), "dim")


def _why(job: JobAssessment) -> Line:
    reasons = job.health.reasons
    if not reasons:
        return ()
    more = f"  +{len(reasons) - 1}" if len(reasons) > 1 else ""
    return ((tidy(reasons[0].text), "text"), (more, "dim"))


def _latency(job: JobAssessment) -> Line:
    latency = job.processing_latency_seconds
    if latency is None or latency.p99 is None:
        return value_cell(None)
    sign = "" if latency.method == "measured" else "~"
    return line(sign + human_seconds(latency.p99), role_about(job, Subject.LATENCY))


def _growth(job: JobAssessment) -> Line:
    growth = job.state_growth_bytes_per_hour
    if growth is None:
        return value_cell(None)
    return line(("+" if growth >= 0 else "-") + human_bytes(abs(growth)), role_about(job, Subject.STATE))


def _pressure(job: JobAssessment) -> Line:
    pressure = job.backpressure
    return percent_cell(pressure.ratio if pressure else None, role_about(job, Subject.BACKPRESSURE))


def _checkpoint(job: JobAssessment) -> Line:
    checkpoints = job.checkpoints
    if checkpoints is None:
        return value_cell(None)
    role = role_about(job, Subject.CHECKPOINTS)
    if checkpoints.status in ("FAILED", "DISABLED", "NONE"):
        return line({"FAILED": "failed", "DISABLED": "off", "NONE": "none"}[checkpoints.status], role)
    return seconds_cell(checkpoints.duration_seconds, role)


def _trend(job: JobAssessment, context: Context, history: HistoryOf) -> Line:
    return line(sparkline(history.trend(job.key), 12, context.glyphs), "spark")


def row_text(job: JobAssessment) -> str:
    """One row for the clipboard or a file: tab-separated, unknown as a question mark."""
    latency = job.processing_latency_seconds
    reason = job.health.reasons[0].text if job.health.reasons else ""
    cells = (
        job.health.level, job.namespace or "", job.name, job.cluster, job.id, job.state,
        human_rate(job.records_in_per_second), human_seconds(latency.p99 if latency else None),
        human_seconds(job.event_time_skew_seconds), human_bytes(job.state_bytes), reason,
    )  # fmt: skip
    return "\t".join(tidy(cell) for cell in cells)


def preview(job: JobAssessment, view: View, context: Context, *, cells: int, rows: int, note: str | None) -> list[Line]:
    """Below the table: the job under the cursor, with as much as the height allows."""
    reasons = reason_lines(job, view, context, limit=1 if rows < 30 else 3 if rows < 45 else 6)
    place = "/".join(tidy(part) for part in (job.cluster, job.namespace or "") if part)
    since = since_text(job.health.since_ms, view.taken_ms)
    title = join(
        [
            ((tidy(job.name), "strong"),),
            level_cell(job.health.level, context.glyphs),
            line(since, "dim") if since else (),
            certainty(job, view),
            line(place, "dim"),
        ],
        f" {context.glyphs.dot} ",
    )
    lines: list[Line] = [line(context.glyphs.rule * cells, "idle"), title, *reasons]
    if note:
        lines.append(((f"  {context.glyphs.note} ", "accent"), (tidy(note), "text")))
    if rows >= 45:
        samples = view.observation.history.get(job.key, ())
        lines += signal_lines(job, samples, context, cells=min(cells, 130))
    return lines
