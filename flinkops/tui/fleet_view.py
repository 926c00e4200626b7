"""The fleet as lines and columns. Pure: an observation in, text out."""

from functools import partial

from flinkops.model.assessment import JobAssessment, Level
from flinkops.render.cells import LEVEL_ROLE, level_cell, since_text, tidy
from flinkops.render.columns import COLUMNS, FleetColumn, RowContext
from flinkops.render.lines import Line, Span, ends, join, line
from flinkops.tui.context import Context
from flinkops.tui.grid import Column
from flinkops.tui.job_view import certainty, reason_lines, signal_lines
from flinkops.tui.view import View


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
    reason = worst.health.reasons[0].cell if worst.health.reasons else worst.state
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


def grid_columns(row: RowContext) -> list[Column[JobAssessment]]:
    """The fleet's columns as the grid draws them; `row` is replaced field by field with each observation."""
    return [
        Column(
            column.id, column.screen_title, partial(_drawn, column, row), column.width, column.align,
            sort=column.sort, priority=column.priority, comfortable=column.comfortable, grow_to=column.grow_to,
            descending=column.descending,
        )
        for column in COLUMNS
    ]  # fmt: skip


def _drawn(column: FleetColumn, row: RowContext, job: JobAssessment) -> Line:
    return column.shown(job, row)


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
