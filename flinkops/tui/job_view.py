"""One job as lines: reasons, the trace card, the five signals over time. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flinkops.model.assessment import Backlog, JobAssessment
from flinkops.model.history import JobSample
from flinkops.model.reasons import Subject
from flinkops.outside.shell import shell_word
from flinkops.render.cells import (
    LEVEL_ROLE,
    absent_cell,
    count_cell,
    known_signals,
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
from flinkops.render.columns import row_text
from flinkops.render.delivery_card import CardLine, card_lines, delivers
from flinkops.render.glyphs import Glyphs, sparkline
from flinkops.render.lines import Line, Span, fit, line
from flinkops.render.text import human_bytes, human_count, human_rate, human_ratio, human_seconds
from flinkops.tui.choice import Choice
from flinkops.tui.context import Context
from flinkops.tui.links import Links
from flinkops.tui.view import View


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


def reason_lines(job: JobAssessment, view: View, context: Context, *, limit: int) -> list[Line]:
    """Why it is not ok, the worst first: sign, text, since when."""
    lines: list[Line] = []
    reasons = job.health.reasons
    for reason in reasons[:limit]:
        since = since_text(reason.since_ms, view.taken_ms)
        spans: list[Span] = [
            (f"  {context.glyphs.level(reason.level)} ", LEVEL_ROLE[reason.level]),
            (tidy(reason.text), "text"),
        ]
        if since:
            spans.append((f"  {since}", "dim"))
        lines.append(tuple(spans))
    if len(reasons) > limit:
        lines.append(line(f"    and {len(reasons) - limit} more: enter opens the job", "dim"))
    return lines


def chain_lines(job: JobAssessment, *, limit: int) -> list[Line]:
    """How the newest failure came about, the outermost exception first; nothing where it has no chain."""
    told = job.facts.exceptions[0].message.splitlines() if job.facts and job.facts.exceptions else []
    if len(told) < 2 or not any(each.code.subject in _OF_FAILURES for each in job.health.reasons):
        return []
    shown = told if len(told) <= limit else [told[0], "…", *told[-(limit - 2) :]]
    return [line(f"    {tidy(each)}", "dim") for each in shown]


_OF_FAILURES = (Subject.LIFECYCLE, Subject.RESTARTS)


# ---- the trace card


def card_items(job: JobAssessment, glyphs: Glyphs) -> list[tuple[str, Line]]:
    """What a person wants to read of a job at once, in the order they think of it."""
    if delivers(job):
        shown_id = ("id", line(tidy(job.id)))
        return [shown_id, *((each.label, _card_line(each)) for each in card_lines(job))]

    def why(path: str, shown: Line) -> Line:
        missing = job.absent(path)
        return shown if missing is None else (*absent_cell(job, path, glyphs), (f" {tidy(missing.reason)}", "dim"))

    facts = job.facts
    checkpoints = facts.checkpoints if facts else None
    late = f"{human_count(job.late_records)} ({human_ratio(job.late_ratio)})" if job.late_records is not None else None
    backend = checkpoints.state_backend if checkpoints else None
    assessed = job.checkpoints
    return [
        ("id", line(tidy(job.id))),
        ("parallelism", _parallelism(job)),
        ("state backend", value_cell(tidy(backend) if backend else None)),
        ("records in/s", why("records_in_per_second", rate_cell(job.records_in_per_second))),
        ("event-time skew", why("event_time_skew_seconds", seconds_cell(job.event_time_skew_seconds))),
        ("state size", why("state_bytes", size_cell(job.state_bytes))),
        *([("backlog", _backlog(job.backlog))] if job.backlog else []),
        ("dropped/s (unchanged)", why("records_dropped_per_second", rate_cell(job.records_dropped_per_second))),
        ("window late dropped", why("late_records", value_cell(late))),
        ("Iceberg commit", _commit(job, glyphs)),
        ("checkpoint duration", why("checkpoints", seconds_cell(assessed.duration_seconds if assessed else None))),
        ("status", _status(job)),
    ]


def _backlog(found: Backlog) -> Line:
    """How much waits before the sources, whether that gets less, and when it is gone."""
    shown = count_cell(found.records)
    if found.change_per_second is None or not found.records:
        return shown
    sign = "+" if found.change_per_second >= 0 else ""
    moves = f" {sign}{human_rate(found.change_per_second)}"
    left = f", gone in {human_seconds(found.catch_up_seconds)}" if found.catch_up_seconds is not None else ""
    return (*shown, (f"{moves}{left}", "warning" if found.change_per_second > 0 else "dim"))


def _card_line(each: CardLine) -> Line:
    shown = line(tidy(each.value), "dim" if each.why else "text")
    return (*shown, (f" {tidy(each.why)}", "dim")) if each.why else shown


def _parallelism(job: JobAssessment) -> Line:
    top = job.facts.max_parallelism if job.facts else None
    return (*count_cell(job.parallelism), (f" of at most {top}", "dim")) if top else count_cell(job.parallelism)


def _commit(job: JobAssessment, glyphs: Glyphs) -> Line:
    if job.commits is None or "iceberg" not in job.commits:
        missing = job.absent("commits")
        return (
            (*absent_cell(job, "commits", glyphs), (f" {tidy(missing.reason)}", "dim")) if missing else value_cell(None)
        )
    commit = job.commits["iceberg"]
    age = f" {short_age(commit.age_seconds)} ago" if commit.age_seconds is not None else ""
    return ((commit.status, "critical" if commit.status == "FAILED" else "text"), (age, "dim"))


def _status(job: JobAssessment) -> Line:
    spans: list[Span] = list(state_cell(job.state))
    if job.uptime_seconds is not None:
        spans.append((f" for {human_seconds(job.uptime_seconds)}", "dim"))
    if job.restarts:
        spans.append((f", {human_count(job.restarts)} restarts", "warning"))
    if job.lifecycle_state:
        spans.append((f", {tidy(job.lifecycle_state)}", "dim"))
    if job.facts is not None and job.facts.resource is not None and job.facts.resource.blue_green_state:
        spans.append((f", {tidy(job.facts.resource.blue_green_state)}", "warning"))
    return tuple(spans)


def card(job: JobAssessment, context: Context, *, cells: int) -> list[Line]:
    """The trace card in as many columns as there is room for, filled downwards."""
    (_, first), *items = card_items(job, context.glyphs)
    columns = 1 if cells < 72 else 2 if cells < 150 else 3
    height = -(-len(items) // columns)
    each = cells // columns
    lines: list[Line] = [((f"{'id':<22}", "dim"), *first)]
    for row in range(height):
        spans: list[Span] = []
        for column in range(columns):
            index = column * height + row
            if index < len(items):
                label, shown = items[index]
                fitted = fit(shown, each - 24, ellipsis=context.glyphs.ellipsis)
                spans += [(f"{label:<22}", "dim"), *fitted, ("  ", "dim")]
        lines.append(tuple(spans))
    return lines


# ---- the five signals

Format = Callable[[float | None], str]


@dataclass(frozen=True)
class Signal:
    """One of the five: its value in a sample, now, and the limit it is measured against."""

    name: str
    subject: Subject
    form: Format
    past: Callable[[JobSample], float | None]
    now: Callable[[JobAssessment], float | None]
    limit: Callable[[JobAssessment], float | None]


SIGNALS = (
    Signal("latency p99", Subject.LATENCY, human_seconds, lambda s: s.latency_p99_seconds,
           lambda j: j.processing_latency_seconds.p99 if j.processing_latency_seconds else None,
           lambda j: j.limits.latency_p99_seconds),
    Signal("event-time skew", Subject.EVENT_TIME, human_seconds, lambda s: s.skew_seconds,
           lambda j: j.event_time_skew_seconds, lambda j: j.limits.skew_seconds),
    Signal("state size", Subject.STATE, human_bytes, lambda s: s.state_bytes, lambda j: j.state_bytes,
           lambda j: j.limits.state_bytes),
    Signal("backpressure", Subject.BACKPRESSURE, human_ratio, lambda s: s.backpressured_ratio,
           lambda j: j.backpressure.ratio if j.backpressure else None, lambda j: j.limits.backpressure_ratio),
    Signal("checkpoint", Subject.CHECKPOINTS, human_seconds, lambda s: s.checkpoint_duration_seconds,
           lambda j: j.checkpoints.duration_seconds if j.checkpoints else None,
           lambda j: j.facts.checkpoints.timeout_seconds if j.facts and j.facts.checkpoints else None),
)  # fmt: skip
LIMIT_CELLS = 14


def signal_lines(job: JobAssessment, samples: Sequence[JobSample], context: Context, *, cells: int) -> list[Line]:
    """Five sparklines, each with its value now, limit, scale, window, and what changed over it."""
    limits = LIMIT_CELLS if cells >= 100 else 0
    room = max(8, cells - 16 - 10 - 19 - 18 - limits)
    shown = list(samples[-room:])
    window = short_age((shown[-1].at_ms - shown[0].at_ms) / 1000) if len(shown) > 1 else None
    lines: list[Line] = []
    for signal in SIGNALS:
        form = signal.form
        values = [signal.past(sample) for sample in shown]
        known = [value for value in values if value is not None]
        top = 1.0 if form is human_ratio else max(known, default=0.0)
        floor = min(known, default=0.0) if form is human_bytes else 0.0  # a size moves little beside itself
        scale = f"{form(floor) if floor else 0}..{form(top)}" if known else ""
        change = f"{_signed(known[-1] - known[0], form)} in {window}" if len(known) > 1 and window else ""
        now, limit = signal.now(job), signal.limit(job)
        role = role_about(job, signal.subject)
        of_limit = f"limit {form(limit)}" if limit is not None else ""
        lines.append(
            (
                (f"{signal.name:<16}", "dim"),
                (f"{form(now):>9} ", "dim" if now is None else "strong" if role == "text" else role),
                (f"{of_limit:<{limits}}" if limits else "", "dim"),
                (sparkline(values, room, context.glyphs, floor=floor, top=top), "spark"),
                (f" {scale:<18}", "dim"),
                (change, "dim"),
            )
        )
    return lines


def _signed(change: float, form: Format) -> str:
    return ("+" if change >= 0 else "-") + form(abs(change))


# ---- what can be copied, and links


def selector(job: JobAssessment) -> str:
    """How a command names this job: namespace/name when it has one; its id where that would be an option."""
    chosen = f"{job.namespace}/{job.name}" if job.namespace else job.name
    return shell_word(job.id if chosen.startswith("-") else chosen)


def job_copies(job: JobAssessment, view: View | None) -> list[Choice]:
    """Row, name, id, savepoint path, the commands that show or do the same."""
    checkpoints = job.facts.checkpoints if job.facts else None
    savepoint = checkpoints.latest_savepoint if checkpoints else None
    completed = checkpoints.latest_completed if checkpoints else None
    choices = [
        Choice("row", row_text(job, view.taken_ms if view else 0)),
        Choice("name", job.name),
        Choice("id", job.id),
    ]
    if savepoint and savepoint.external_path:
        choices.append(Choice("savepoint path", savepoint.external_path))
    if completed and completed.external_path:
        choices.append(Choice("checkpoint path", completed.external_path))
    target = selector(job) + _place(job, view)
    choices += [
        Choice("command: status", f"flinkops status {target} -o json"),
        Choice("command: doctor", f"flinkops doctor {target}"),
        Choice("command: savepoint", f"flinkops savepoint create {target}"),
    ]
    return choices


def _place(job: JobAssessment, view: View | None) -> str:
    cluster = view.clusters.get(job.cluster) if view else None
    from flinkops.act.backends import options_of

    return "".join(f" {shell_word(one)}" for one in options_of(job.kind, cluster)) if cluster else ""


def job_links(job: JobAssessment, view: View | None, links: Links) -> list[Choice]:
    """Pages about the job elsewhere, and Flink's own where its address is known."""
    elsewhere = [Choice(name, address) for name, address in links.of(job)]
    cluster = view.clusters.get(job.cluster) if view else None
    if cluster is None or not cluster.ui_url:
        return elsewhere
    base = cluster.ui_url.rstrip("/")
    return [
        *elsewhere,
        Choice("Flink UI: job", f"{base}/#/job/running/{job.id}/overview"),
        Choice("Flink UI: checkpoints", f"{base}/#/job/running/{job.id}/checkpoints"),
        Choice("Flink UI: exceptions", f"{base}/#/job/running/{job.id}/exceptions"),
    ]
