"""docs/tui.md lists the columns and the keys that there are."""

import os
from pathlib import Path

from flinkops.render.columns import COLUMNS
from flinkops.tui.dialogs import PLACE_TITLES
from flinkops.tui.keys import KEYS

PAGE = Path(__file__).parents[2] / "docs" / "tui.md"
BEGIN, END = "<!-- keys: made from flinkops/tui/keys.py; a test compares -->\n", "<!-- keys end -->"


BEGIN_COLUMNS = "<!-- columns: made from flinkops/render/columns.py; a test compares -->\n"
END_COLUMNS = "<!-- columns end -->"


def column_table() -> str:
    rows = ["| column | on a screen | in CSV | is |", "|---|---|---|---|"]
    rows += [
        f"| {each.title} | {each.screen_title} | {f'`{each.csv}`' if each.csv else ''} | {each.meaning} |"
        for each in COLUMNS
    ]
    return "\n".join(rows) + "\n"


def test_the_page_lists_the_columns() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN_COLUMNS)
    shown, after = rest.split(END_COLUMNS)
    if os.environ.get("FLINKOPS_UPDATE_GOLDEN"):
        PAGE.write_text(before + BEGIN_COLUMNS + column_table() + END_COLUMNS + after, encoding="utf-8")
        return
    assert shown == column_table(), "FLINKOPS_UPDATE_GOLDEN=1 writes it"


def key_table() -> str:
    rows = ["| where | key | does |", "|---|---|---|"]
    rows += [f"| {PLACE_TITLES[key.where]} | `{key.shown}` | {key.help} |" for key in KEYS]
    return "\n".join(rows) + "\n"


def test_the_page_lists_the_keys() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    shown, after = rest.split(END)
    if os.environ.get("FLINKOPS_UPDATE_GOLDEN"):
        PAGE.write_text(before + BEGIN + key_table() + END + after, encoding="utf-8")
        return
    assert shown == key_table(), "FLINKOPS_UPDATE_GOLDEN=1 writes it"
    for picture in ("fleet", "job"):
        assert f"screenshots/{picture}.svg" in text
        assert (PAGE.parent / "screenshots" / f"{picture}.svg").exists()
