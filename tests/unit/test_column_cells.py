"""Every column with its place and each job's cell with its role; tables and answers at the edges of their widths.

`FLINKOPS_UPDATE_GOLDEN=1 pytest tests/unit/test_column_cells.py` writes the file anew: read the difference.
"""

from collections.abc import Iterator

import pytest

from flinkops.render.cells import short_age, since_text
from flinkops.render.columns import COLUMNS, RowContext
from flinkops.render.glyphs import UNICODE, usage_bar
from flinkops.render.text import truncate
from tests.goldens import same_as_golden
from tests.unit.builders import NOW_MS
from tests.unit.test_status_golden import built


def test_every_column_and_cell_is_as_it_was() -> None:
    same_as_golden("columns.txt", "".join(f"{line}\n" for line in cells()))


def cells() -> Iterator[str]:
    fleet = built()
    row = RowContext(now_ms=NOW_MS, glyphs=UNICODE)
    for each in COLUMNS:
        yield (
            f"== {each.id} {each.title!r} {each.short_title!r} {each.align}, width {each.width}/{each.comfortable}/"
            f"{each.grow_to}, priority {each.priority}, {'down' if each.descending else 'up'}, csv {each.csv} "
            f"{each.csv_place}, {'screen' if each.screen_only else 'all'} {each.path}"
        )
        for job in fleet.jobs:
            sort = each.sort(job) if each.sort else None
            yield f"{job.name}: {each.shown(job, row)} sort {sort!r} csv {each.plain_value(job)!r}"


@pytest.mark.parametrize(
    ("text", "cells", "cut"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("abcd", 1, "…"), ("abcd", 0, ""), ("", 0, "")]
)
def test_truncated(text: str, cells: int, cut: str) -> None:
    assert truncate(text, cells) == cut


@pytest.mark.parametrize("busy", [None, 0.0, 0.04, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("pressed", [None, 0.0, 0.024, 0.025, 0.3, 0.6, 1.0])
def test_a_bar_is_as_long_as_it_is_wide(busy: float | None, pressed: float | None) -> None:
    assert sum(len(part) for part, _ in usage_bar(busy, pressed, 10, UNICODE)) == 10


@pytest.mark.parametrize(
    ("ratio", "cells"), [(0.0, 0), (0.024, 0), (0.025, 1), (0.1, 1), (0.149, 1), (0.16, 2), (1, 10)]
)
def test_a_little_is_shown_as_a_little(ratio: float, cells: int) -> None:
    assert sum(len(part) for part, role in usage_bar(ratio, None, 10, UNICODE) if role == "busy") == cells


def test_ages_at_the_edges_of_their_units() -> None:
    assert [short_age(age) for age in (-1.0, 0.4, 0.6, 59.4, 59.95, 3_599.0, 3_600.0)] == [
        "0s", "0s", "1s", "59s", "1m", "59m", "1h"
    ]  # fmt: skip
    assert since_text(NOW_MS - 59_949, NOW_MS) == "since 07:59Z (60s)"
    assert since_text(NOW_MS - 59_950, NOW_MS) == "since 07:59Z (1m)"
    assert since_text(None, NOW_MS) is None
