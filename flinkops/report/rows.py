"""What both forms of a report show of its timeline: numbered rows, repeats in one. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from flinkops.model.timeline import CHANGES, Entry, Kind
from flinkops.report.plot import Mark
from flinkops.report.values import JobReport, Report

ROWS = 400
"""What a person reads at most; the rest is counted."""
MARKED: frozenset[Kind] = (CHANGES - {"load"}) | {"end", "failure"}
"""What a plot shows as a line."""


class Row(NamedTuple):
    """One line of the table: the first of `times` equal entries, the last of which was at `last_ms`."""

    number: int
    entry: Entry
    job: str
    times: int
    last_ms: int


def rows(report: Report) -> list[Row]:
    """All of them, oldest first, numbered from 1: the same thing of the same job again counts as one."""
    groups: dict[tuple[str, str | None, str, Kind, str, str], list[Entry]] = {}
    for entry in report.timeline.entries:
        groups.setdefault((entry.cluster, entry.namespace, entry.job, entry.kind, entry.source, entry.text), []).append(
            entry
        )
    first = sorted(groups.values(), key=lambda same: same[0].at_ms)
    return [Row(number, same[0], _job(same[0]), len(same), same[-1].at_ms) for number, same in enumerate(first, 1)]


def marks(found: Sequence[Row], job: JobReport) -> list[Mark]:
    """Of one job, what its plots show."""
    return [
        Mark(row.entry.at_ms, row.number, row.entry.kind)
        for row in found
        if row.entry.kind in MARKED and row.job == job.name and row.entry.cluster == job.cluster
    ]


def _job(entry: Entry) -> str:
    return f"{entry.namespace}/{entry.job}" if entry.namespace else entry.job
