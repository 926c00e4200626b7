"""docs/tui.md lists the keys that there are."""

import os
from pathlib import Path

from flinkops.tui.dialogs import PLACE_TITLES
from flinkops.tui.keys import KEYS

PAGE = Path(__file__).parents[2] / "docs" / "tui.md"
BEGIN, END = "<!-- keys: made from flinkops/tui/keys.py; a test compares -->\n", "<!-- keys end -->"


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
