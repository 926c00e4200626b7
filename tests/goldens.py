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
