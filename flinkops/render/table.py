"""Tables for people, and the forms that scripts cut with simple tools."""

import csv
import io
from collections.abc import Callable, Sequence

from flinkops.model.assessment import FleetAssessment, JobAssessment
from flinkops.outside.text import clean_cell
from flinkops.render.columns import CSV_COLUMNS, TABLE_PRIORITY, TEXT_COLUMNS, Plain, row_texts
from flinkops.render.status_json import status_json, status_jsonl, status_yaml
from flinkops.render.text import clean, pad, truncate, width

_GAP = "  "
_COLOURS = {"critical": "31;1", "warning": "33", "unknown": "35", "ok": "32"}


def status_table(fleet: FleetAssessment, *, wide: bool = False, cells: int | None = None, colour: bool = False) -> str:
    """The fleet, worst first, one line a job; cut to `cells` (a terminal's width) when given."""
    if not fleet.jobs:
        return "no jobs"
    columns = [column for column in TEXT_COLUMNS if wide or column.priority <= TABLE_PRIORITY]
    rows = [row_texts(job, fleet.taken_ms, columns) for job in fleet.jobs]
    titles = [column.title for column in columns]
    lines = layout(titles, rows, [column.align == "right" for column in columns], cells)
    if colour:
        lines[1:] = [_coloured(line, job) for line, job in zip(lines[1:], fleet.jobs, strict=True)]
    return "\n".join(lines)


def layout(
    titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], cells: int | None = None
) -> list[str]:
    """Lines of aligned columns, the titles first. The last column takes what is left; all are safe to print."""
    table = [list(titles), *([clean(text) for text in row] for row in rows)]
    widths = [max(width(row[index]) for row in table) for index in range(len(titles))]
    lines = []
    for row in table:
        line = _GAP.join(pad(text, widths[index], right=right[index]) for index, text in enumerate(row)).rstrip()
        lines.append(line if cells is None else truncate(line, cells))
    return lines


def _coloured(line: str, job: JobAssessment) -> str:
    """The line with its first word, the level, in colour: never the only sign of it."""
    level = job.health.level
    return f"\x1b[{_COLOURS[level]}m{level}\x1b[0m{line[len(level) :]}" if line.startswith(level) else line


def status_csv(fleet: FleetAssessment) -> str:
    """All columns with plain values; empty where unknown."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["taken_ms", *(column.csv for column in CSV_COLUMNS)])
    for job in fleet.jobs:
        writer.writerow([fleet.taken_ms, *(_cell(column.plain_value(job)) for column in CSV_COLUMNS)])
    return out.getvalue().rstrip("\n")


def _cell(value: Plain) -> Plain:
    return clean_cell(value) if isinstance(value, str) else value


def status_names(fleet: FleetAssessment) -> str:
    """The names, as JOB takes them."""
    return "\n".join(clean(f"{job.namespace}/{job.name}" if job.namespace else job.name) for job in fleet.jobs)


FORMATS: dict[str, Callable[[FleetAssessment], str]] = {
    "json": status_json,
    "jsonl": status_jsonl,
    "yaml": status_yaml,
    "csv": status_csv,
    "name": status_names,
    "table": status_table,
    "wide": lambda fleet: status_table(fleet, wide=True),
}
"""How an assessment is written for those that do not read it on a terminal."""
