"""A timeline as the contract's document, as CSV, and as text for people."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from flinkops.clock import iso_utc
from flinkops.model.timeline import Entry, Timeline
from flinkops.outside.text import clean, clean_cell
from flinkops.render.text import pad

SCHEMA_VERSION = 1
COLUMNS = ("at", "job", "kind", "source", "text")
_DATE_CELLS, _SECOND_CELLS = 10, 19


def timeline_document(timeline: Timeline) -> dict[str, Any]:
    """As plain values, oldest first."""
    return {
        "schema_version": SCHEMA_VERSION,
        "since": iso_utc(timeline.since_ms),
        "until": iso_utc(timeline.until_ms),
        "entries": [entry_document(each) for each in timeline.entries],
        "not_covered": [{"source": each.source, "why": each.why} for each in timeline.not_covered],
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    """One of them."""
    return {
        "at": iso_utc(entry.at_ms),
        "cluster": entry.cluster,
        "namespace": entry.namespace,
        "job": entry.job,
        "kind": entry.kind,
        "source": entry.source,
        "text": entry.text,
    }


def timeline_csv(timeline: Timeline) -> str:
    """A row an entry; a spreadsheet must not take a text for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([clean_cell(cell) for cell in _cells(each)] for each in timeline.entries)
    return out.getvalue().rstrip("\n")


def timeline_lines(timeline: Timeline) -> Iterator[str]:
    """For people: a line an entry, the date where it changes, and at the end what is not covered."""
    rows = [_cells(each) for each in timeline.entries]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    day = ""
    for row in rows:
        if row[0][:_DATE_CELLS] != day:
            day = row[0][:_DATE_CELLS]
            yield day
        time = row[0][_DATE_CELLS + 1 : _SECOND_CELLS]
        cells = [pad(cell, width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        yield "  ".join([f"  {time}Z", *cells, row[-1]])
    if not rows:
        yield "nothing is known to have happened"
    if timeline.not_covered:
        yield "not covered:"
        yield from (clean(f"  {each.source}: {each.why}") for each in timeline.not_covered)


def _cells(entry: Entry) -> tuple[str, ...]:
    # Each text by itself: what begins in one would end in the next, and leave a secret there.
    name = f"{clean(entry.namespace)}/{clean(entry.job)}" if entry.namespace else clean(entry.job)
    return (iso_utc(entry.at_ms) or "?", name, entry.kind, entry.source, clean(entry.text))
