"""Fleets of jobs that are healthy and not ours: what runs in one, as its file says."""

import re
from pathlib import Path
from typing import Any

import msgspec

FOLDER = Path(__file__).parent
FLEETS = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


class ForeignJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One job; exactly one of ``sql``, ``entry``, ``python``, ``price`` and ``lab`` says what it is.

    ``sql`` is a query whose rows go to ``into``, or are counted and dropped; ``sink`` is a statement before it.
    ``entry`` is a class of Flink's examples, ``python`` a file of PyFlink's, ``price`` the command of one of our jobs,
    ``lab`` the knobs of LabJob. ``feeds`` is a topic that gets scrapes. ``true_findings``: codes that are right about
    it, and why. ``shown_as``: the name that a program gives itself, whatever it is told.
    """

    about: str = ""
    sql: str | None = None
    sink: str | None = None
    into: str | None = None
    batch: bool = False
    entry: str | None = None
    arguments: list[str] = []
    python: str | None = None
    price: list[str] | None = None
    feeds: str | None = None
    lab: dict[str, Any] | None = None
    configuration: dict[str, str] = {}
    true_findings: dict[str, str] = {}
    shown_as: str = ""


class Fleet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Jobs by name; ``tables`` are statements that those in SQL share."""

    about: str
    jobs: dict[str, ForeignJob]
    tables: str = ""


_RATE = re.compile(r"('rows-per-second' = ')(\d+)'")


def fleet(name: str, times: int = 1) -> Fleet:
    """The fleet of one file; its shared tables give so many times the rows. Raises msgspec.ValidationError."""
    found = msgspec.toml.decode((FOLDER / f"{name}.toml").read_bytes(), type=Fleet)
    faster = _RATE.sub(lambda rate: f"{rate[1]}{int(rate[2]) * times}'", found.tables)
    return msgspec.structs.replace(found, tables=faster)
