"""docs/tui.md lists the columns and the keys that there are."""

from pathlib import Path

from flinkops.render.columns import COLUMNS
from flinkops.tui.dialogs import PLACE_TITLES
from flinkops.tui.keys import KEYS
from tests.goldens import same_as_part

PAGE = Path(__file__).parents[2] / "docs" / "tui.md"


def column_table() -> str:
    rows = ["| column | on a screen | in CSV | is |", "|---|---|---|---|"]
    rows += [
        f"| {each.title} | {each.screen_title} | {f'`{each.csv}`' if each.csv else ''} | {each.meaning} |"
        for each in COLUMNS
    ]
    return "\n".join(rows) + "\n"


def test_the_page_lists_the_columns() -> None:
    same_as_part(PAGE, "columns", "flinkops/render/columns.py", column_table())


def key_table() -> str:
    rows = ["| where | key | does |", "|---|---|---|"]
    rows += [f"| {PLACE_TITLES[key.where]} | `{key.shown}` | {key.help} |" for key in KEYS]
    return "\n".join(rows) + "\n"


def test_the_page_lists_the_keys() -> None:
    same_as_part(PAGE, "keys", "flinkops/tui/keys.py", key_table())
    text = PAGE.read_text(encoding="utf-8")
    for picture in ("fleet", "job"):
        assert f"screenshots/{picture}.svg" in text
        assert (PAGE.parent / "screenshots" / f"{picture}.svg").exists()
