"""What the lock files pin, and what each package is there for. Standard library only."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from devtools.bootstrap import REPOSITORY

_PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*])?==([^ ;\\]+)(?: ; ([^\\]*?))?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"^\s*#\s+(?:via\s+)?(\S.*)$")
_PROJECT = "flinkops"


@dataclass
class Pin:
    """One package. ``via`` are the packages that want it; the project itself by its groups: "" for its own, "dev"."""

    name: str
    version: str
    marker: str = ""
    """Where it counts, as in a requirement; empty: everywhere."""
    hashes: list[str] = field(default_factory=list)
    via: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)


def read_lock(path: Path) -> list[Pin]:
    """The pins of a lock file, as uv writes them, in its order."""
    pins: list[Pin] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if (pinned := _PINNED.match(line)) is not None:
            pins.append(Pin(pinned[1], pinned[2], pinned[3] or ""))
        elif (found := _HASH.search(line)) is not None:
            pins[-1].hashes.append(found[1])
        elif pins and (via := _VIA.match(line)) is not None and via[1] != "via":
            _note(pins[-1], via[1])
    return pins


def _note(pin: Pin, reason: str) -> None:
    name, _, where = reason.partition(" ")
    if name in (_PROJECT, "-r"):
        pin.groups.add(where.partition("pyproject.toml:")[2].rstrip(")"))
    else:
        pin.via.add(name)


def wanted_by(pins: list[Pin], names: set[str]) -> set[str]:
    """These packages and all that they want, by name."""
    found = set(names)
    while more := {pin.name for pin in pins if pin.via & found} - found:
        found |= more
    return found


def lock(name: str) -> list[Pin]:
    """The pins of one of the repository's lock files."""
    return read_lock(REPOSITORY / "locks" / f"{name}.txt")


def requirements(name: str, packages: set[str]) -> list[str]:
    """These packages and all that they need, as pip reads them: each with its version and hashes in that lock file."""
    pins = lock(name)
    wanted = wanted_by(pins, packages)
    return [
        " ".join(
            [
                f"{pin.name}=={pin.version}{f' ; {pin.marker}' if pin.marker else ''}",
                *(f"--hash=sha256:{each}" for each in pin.hashes),
            ]
        )
        for pin in pins
        if pin.name in wanted
    ]
