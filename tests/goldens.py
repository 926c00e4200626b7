"""Files that hold what the code decides, to be read as a difference when it changes."""

import os
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def updating() -> bool:
    """Golden files are to be written, not compared."""
    return bool(os.environ.get("FLINKOPS_UPDATE_GOLDEN"))


def same_as_golden(name: str, text: str) -> None:
    """Compare with the file of that name; FLINKOPS_UPDATE_GOLDEN=1 writes it instead."""
    path = FOLDER / name
    if updating():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    if text == kept:
        return
    known = set(kept.splitlines())
    differing = [line for line in text.splitlines() if line not in known]
    raise AssertionError(
        f"{name} differs, first at {differing[:3]}; FLINKOPS_UPDATE_GOLDEN=1 writes it: read the change"
    )


def numbers_of(text: str) -> str:
    """The numbers in a sentence, in their order: its words may change."""
    return " ".join(re.findall(r"\d[\d.,]*", text))


def same_as_part(page: Path, name: str, made_from: str, text: str) -> None:
    """The same for the part of a page between ``<!-- NAME: made from FILE; a test compares -->`` and its end."""
    begin, end = f"<!-- {name}: made from {made_from}; a test compares -->\n", f"<!-- {name} end -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    shown, after = rest.split(end)
    if updating():
        page.write_text(before + begin + text + end + after, encoding="utf-8")
        return
    assert shown == text, f"{page.name} is not what {made_from} says; FLINKOPS_UPDATE_GOLDEN=1 writes it"
