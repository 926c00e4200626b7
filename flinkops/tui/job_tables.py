"""The tables of one job: vertices, checkpoints, exceptions, rescales, configuration. Columns and rows, pure."""

import textwrap
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from flinkops.model.assessment import JobAssessment, VertexAssessment
from flinkops.model.detail import JobDetail
from flinkops.model.facts import CheckpointFacts, ExceptionFacts, RescaleFacts, VertexFacts
from flinkops.model.graph import topological
from flinkops.render.cells import (
    count_cell,
    moment_text,
    percent_cell,
    rate_cell,
    seconds_cell,
    size_cell,
    state_cell,
    tidy,
    tidy_setting,
    value_cell,
)
from flinkops.render.glyphs import Glyphs, lanes, usage_bar
from flinkops.render.lines import Line, Role, join, line
from flinkops.render.text import human_count, human_seconds
from flinkops.tui.context import Context
from flinkops.tui.grid import Column

Intro = Callable[[JobAssessment], list[Line]]


@dataclass(frozen=True)
class Tab:
    """One table of a job: what it is called, its columns, its rows, and a line or two above it."""

    name: str
    title: str
    columns: Callable[[Context], Sequence[Column[Any]]]
    key: Callable[[Any], Hashable]
    rows: Callable[[JobAssessment, Context], Sequence[Any]]
    empty: str
    intro: Intro = lambda job: []


# ---- vertices


@dataclass(frozen=True)
class VertexRow:
    """A vertex with its place in the graph."""

    of: VertexAssessment
    facts: VertexFacts | None
    lane: str
    bottleneck: str | None


def vertex_rows(job: JobAssessment, context: Context) -> list[VertexRow]:
    """In the order data flows, with the graph's lanes beside them."""
    facts = {vertex.id: vertex for vertex in job.facts.vertices} if job.facts else {}
    by_id = {vertex.id: vertex for vertex in job.vertices}
    inputs = {i: tuple(up for up in facts[i].upstream if up in by_id) if i in facts else () for i in by_id}
    known = [(vertex, inputs[vertex]) for vertex in topological(inputs)]
    drawn = lanes(known, context.glyphs)
    bottleneck = job.backpressure.bottleneck if job.backpressure else None
    return [
        VertexRow(by_id[i], facts.get(i), lane,
                  bottleneck.why if bottleneck and bottleneck.vertex in (i, by_id[i].name) else None)
        for (i, _), lane in zip(known, drawn, strict=True)
    ]  # fmt: skip


def vertex_columns(context: Context) -> list[Column[VertexRow]]:
    """The usage bar is the worst subtask's: busy, backpressured, idle."""
    glyphs = context.glyphs
    c = Column[VertexRow]
    return [
        c("vertex", "VERTEX", lambda r: _vertex_name(r, context), 22, comfortable=48, grow_to=90),
        c("status", "STATUS", lambda r: state_cell(r.facts.status if r.facts else "UNKNOWN"), 9, priority=4),
        c("par", "PAR", lambda r: count_cell(r.of.parallelism or None), 3, "right"),
        c("bar", f"{glyphs.busy}BUSY {glyphs.pressed}BP {glyphs.idle}IDLE",
          lambda r: usage_bar(r.of.busy_ratio, r.of.backpressured_ratio, 15, glyphs), 15),
        c("busy", "BUSY", lambda r: _busy(r, glyphs), 4, "right", priority=1),
        c("bp", "BP", lambda r: percent_cell(r.of.backpressured_ratio, _loaded(r.of.backpressured_ratio)), 4,
          "right", priority=1),
        c("idle", "IDLE", lambda r: percent_cell(r.of.idle_ratio, "dim"), 4, "right", priority=3),
        c("in", "IN/S", lambda r: rate_cell(r.of.records_in_per_second), 8, "right", priority=1),
        c("out", "OUT/S", lambda r: rate_cell(r.of.records_out_per_second), 8, "right", priority=2),
        c("delay", "SKEW", _delay, 9, "right", priority=2),
        c("spread", "WM SPREAD", lambda r: seconds_cell(r.of.watermark_spread_seconds, "dim"), 9, "right", priority=5),
        c("keys", "KEYS", lambda r: count_cell(r.of.state_keys, "dim"), 9, "right", priority=5),
        c("why", "BOTTLENECK", lambda r: line(tidy(r.bottleneck), "warning") if r.bottleneck else (), 20, priority=7,
          grow_to=60),
    ]  # fmt: skip


def _vertex_name(row: VertexRow, context: Context) -> Line:
    return ((row.lane + " ", "accent"), (tidy(row.of.name), "strong" if row.bottleneck else "text"))


def _busy(row: VertexRow, glyphs: Glyphs) -> Line:
    if row.facts is not None and row.facts.source_is_legacy:
        return line(glyphs.dash, "dim")
    return percent_cell(row.of.busy_ratio, _loaded(row.of.busy_ratio))


def _loaded(ratio: float | None) -> Role:
    return "warning" if ratio is not None and ratio >= 0.8 else "text"


def _delay(row: VertexRow) -> Line:
    state = row.of.watermark_state
    if state == "finished":
        return line("ended", "dim")
    if state == "none-yet":
        return line("none yet", "warning")
    return seconds_cell(row.of.skew_seconds)


# ---- checkpoints


def checkpoint_columns(context: Context) -> list[Column[CheckpointFacts]]:
    """Newest first."""
    glyphs = context.glyphs
    signs: dict[str, tuple[str, Role]] = {
        "COMPLETED": (glyphs.ok, "ok"),
        "FAILED": (glyphs.critical, "critical"),
        "IN_PROGRESS": (glyphs.arrow, "accent"),
    }

    def status(row: CheckpointFacts) -> Line:
        sign, role = signs[row.status]
        return ((f"{sign} {row.status.lower().replace('_', ' ')}", role),)

    c = Column[CheckpointFacts]
    return [
        c("id", "CHECKPOINT", lambda r: line(f"{r.id}{' savepoint' if r.is_savepoint else ''}"), 14),
        c("status", "STATUS", status, 13),
        c("at", "BEGAN", lambda r: value_cell(_when(r.triggered_ms)), 9),
        c("took", "TOOK", lambda r: seconds_cell(r.duration_seconds), 7, "right"),
        c("size", "FULL", lambda r: size_cell(r.state_size_bytes), 8, "right"),
        c("increment", "WRITTEN", lambda r: size_cell(r.checkpointed_size_bytes), 8, "right", priority=1),
        c("acks", "ACKS", lambda r: value_cell(_acks(r)), 8, "right", priority=2),
        c("what", "FAILURE OR PATH", _outcome, 16, priority=3, grow_to=140),
    ]


def _when(at_ms: int | None) -> str | None:
    from flinkops.clock import iso_utc

    text = iso_utc(at_ms)
    return text[11:19] + "Z" if text else None


def _acks(row: CheckpointFacts) -> str | None:
    return None if row.subtasks is None else f"{row.acknowledged_subtasks or 0}/{row.subtasks}"


def _outcome(row: CheckpointFacts) -> Line:
    if row.failure:
        return line(tidy(row.failure), "critical")
    return line(tidy(row.external_path), "dim") if row.external_path else ()


def checkpoint_rows(job: JobAssessment, context: Context) -> Sequence[CheckpointFacts]:
    """Of the assessment when it keeps them, else Flink's own history."""
    facts = job.facts.checkpoints if job.facts else None
    return job.recent_checkpoints or (facts.history if facts else ())


def checkpoint_intro(job: JobAssessment) -> list[Line]:
    """Health in words, and what the job was restored from."""
    facts = job.facts.checkpoints if job.facts else None
    lines: list[Line] = []
    if (health := job.checkpoints) is not None:
        lines.append(_checkpoint_health(job))
        if health.failure:
            lines.append((("  last failure: ", "dim"), (tidy(health.failure), "critical")))
    restored = job.restored or (facts.restored if facts else None)
    if restored:
        what = "savepoint" if restored.is_savepoint else "checkpoint"
        path = tidy(restored.external_path or "path unknown")
        lines.append(((f"  restored from {what} {restored.id} ", "dim"), (path, "text")))
    return lines


def phase_lines(detail: JobDetail, most: int) -> list[Line]:
    """Where the time of the newest finished checkpoint went, the slowest vertex first."""
    if why := detail.unknown.get("checkpoint_phases"):
        return [(("  phases unknown: ", "unknown"), (tidy(why), "text"))]
    lines: list[Line] = []
    for number, phases in enumerate(detail.checkpoint_phases[:most]):
        parts = [
            line(f"{name} {human_seconds(seconds)}")
            for name, seconds in (
                ("in all", phases.end_to_end_seconds), ("start delay", phases.start_delay_seconds),
                ("alignment", phases.alignment_seconds), ("sync", phases.sync_seconds),
                ("async", phases.async_seconds),
            )
        ]  # fmt: skip
        missing = (phases.subtasks or 0) - (phases.acknowledged or 0)
        if missing > 0:
            parts.append(line(f"{missing} of {phases.subtasks} subtasks did not acknowledge", "warning"))
        which = f"  checkpoint {detail.phases_of}, slowest: " if number == 0 else "  then: "
        lines.append(((which, "dim"), *join(parts, ", "), ("  ", "text"), (tidy(phases.vertex), "strong")))
    return lines


def _checkpoint_health(job: JobAssessment) -> Line:
    health, facts = job.checkpoints, job.facts.checkpoints if job.facts else None
    assert health is not None
    age, interval = human_seconds(health.age_seconds), human_seconds(health.interval_seconds)
    return join(
        [
            line(f"  {health.status.lower()}", "critical" if health.status == "FAILED" else "text"),
            line(f"last completed {age} ago, every {interval}"),
            line(f"timeout {human_seconds(facts.timeout_seconds)}", "dim") if facts else (),
            line(f"{human_count(health.completed)} completed, {human_count(health.failed)} failed", "dim"),
            line(f"{health.failed_in_a_row} failed in a row", "critical") if health.failed_in_a_row else (),
        ],
        "; ",
    )


# ---- exceptions, rescales, configuration


def exception_columns(context: Context) -> list[Column[ExceptionFacts]]:
    """Root cause first: Flink's newest root exception."""
    c = Column[ExceptionFacts]
    return [
        c("at", "EXCEPTION", lambda r: value_cell(_when(r.at_ms)), 9),
        c("name", "TYPE", lambda r: line(tidy(r.name.rsplit(".", 1)[-1]), "critical"), 26),
        c("message", "MESSAGE", lambda r: line(tidy(r.message)), 30, grow_to=200),
        c("vertex", "VERTEX", lambda r: value_cell(tidy(r.vertex) if r.vertex else None, "dim"), 24, priority=1),
        c("tm", "TASKMANAGER", lambda r: value_cell(tidy(r.taskmanager) if r.taskmanager else None, "dim"), 20,
          priority=2),
    ]  # fmt: skip


def rescale_columns(context: Context) -> list[Column[RescaleFacts]]:
    """Newest first."""
    c = Column[RescaleFacts]
    return [
        c("at", "RESCALE", lambda r: value_cell(_when(r.started_ms)), 9),
        c("took", "TOOK", lambda r: seconds_cell((r.ended_ms - r.started_ms) / 1000 if r.ended_ms else None), 8,
          "right"),
        c("state", "STATE", lambda r: line(tidy(r.state), "ok" if r.state == "COMPLETED" else "warning"), 12),
        c("cause", "CAUSE", lambda r: line(tidy(r.cause)), 24, grow_to=60),
        c("reason", "REASON", lambda r: value_cell(tidy(r.reason) if r.reason else None), 14, grow_to=60),
    ]  # fmt: skip


def configuration_columns(context: Context) -> list[Column[tuple[str, str]]]:
    """Key and value, secrets masked."""
    c = Column[tuple[str, str]]
    return [
        c("key", "SETTING", lambda r: line(tidy(r[0])), 34, grow_to=60),
        c("value", "VALUE", lambda r: line(tidy_setting(*r), "strong"), 20, grow_to=160),
    ]


def unknown_columns(context: Context) -> list[Column[tuple[str, str]]]:
    """What is not known of this job, as the JSON names it, and why."""
    c = Column[tuple[str, str]]
    return [
        c("path", "NOT KNOWN", lambda r: line(tidy(r[0]), "unknown"), 34, grow_to=50),
        c("why", "BECAUSE", lambda r: line(tidy(r[1])), 30, grow_to=200),
    ]


def row_lines(row: msgspec.Struct | tuple[str, str], cells: int) -> list[Line]:
    """A row in full: every fact of it, long ones over several lines."""
    if isinstance(row, tuple):
        pairs: list[tuple[str, object]] = [("setting", row[0]), ("value", tidy_setting(*row))]
    else:
        pairs = list(msgspec.structs.asdict(row).items())
    lines: list[Line] = []
    for name, shown in pairs:
        text = moment_text(shown) if name.endswith("_ms") and isinstance(shown, int) else tidy(str(shown))
        label = name.removesuffix("_ms").replace("_", " ")
        if shown is None:
            lines.append(((f"{label:<24}", "dim"), *value_cell(None)))
            continue
        pieces = textwrap.wrap(text, max(20, cells - 24)) or [""]
        lines += [((f"{label if n == 0 else '':<24}", "dim"), (piece, "text")) for n, piece in enumerate(pieces)]
    return lines


def _absences(job: JobAssessment, _: object) -> list[tuple[str, str]]:
    """What is not known, and after it what this job cannot have."""
    none = [(path, f"does not apply: {why}") for path, why in sorted(job.not_applicable.items())]
    return [*sorted(job.unknown.items()), *none]


TABS: tuple[Tab, ...] = (
    Tab("vertices", "vertices", vertex_columns, lambda r: r.of.id, vertex_rows, "no vertices known"),
    Tab("checkpoints", "checkpoints", checkpoint_columns, lambda r: (r.id, r.is_savepoint), checkpoint_rows,
        "no checkpoint known", checkpoint_intro),
    Tab("exceptions", "exceptions", exception_columns, lambda r: (r.at_ms, r.name, r.vertex, r.taskmanager),
        lambda job, _: job.facts.exceptions if job.facts else (), "no exception reported by Flink"),
    Tab("rescales", "rescales", rescale_columns, lambda r: r.started_ms,
        lambda job, _: job.facts.rescales if job.facts else (),
        "none reported (needs the adaptive scheduler and web.adaptive-scheduler.rescale-history.size)"),
    Tab("configuration", "config", configuration_columns, lambda r: r[0],
        lambda job, _: sorted(job.facts.configuration.items()) if job.facts else (), "no setting known"),
    Tab("unknown", "unknown", unknown_columns, lambda r: r[0], _absences,
        "everything is known"),
)  # fmt: skip
"""In the order of their keys 1, 2, 3 …"""
