"""Tests in parts that take about as long, each a pytest of its own; as a pytest plugin: how long each file took.

Workers of pytest-xdist each collect all tests, 4.5 s of CPU, and each report goes through another process: a quarter of
the quick tests' CPU. A part collects only its own.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from devtools.bootstrap import REPOSITORY

_KEPT = REPOSITORY / ".pytest_cache" / "seconds"
_ELSEWHERE = ("local", "cluster", "chaos")


def split(name: str, parts: int) -> list[list[str]]:
    """The files of tests that need neither a fleet nor a cluster; `name` is whose times of the last run are used."""
    paths = sorted(
        path
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        if path.relative_to(REPOSITORY / "tests").parts[0] not in _ELSEWHERE
    )
    sizes = {str(path.relative_to(REPOSITORY)): path.stat().st_size for path in paths}
    return dealt(weights(sizes, last_seconds(name)), parts)


def weights(sizes: Mapping[str, int], seconds: Mapping[str, float]) -> dict[str, float]:
    """How long each file takes: as in the last run, and as others of its size where it was not in that."""
    known = [path for path in sizes if path in seconds]
    of_a_byte = sum(seconds[path] for path in known) / sum(sizes[path] for path in known) if known else 1.0
    return {path: seconds.get(path, size * of_a_byte) for path, size in sizes.items()}


def dealt(heavy: Mapping[str, float], parts: int) -> list[list[str]]:
    """The heaviest first, each to the part that has least so far."""
    dealt_out: list[list[str]] = [[] for _ in range(parts)]
    loads = [0.0] * parts
    for path in sorted(heavy, key=lambda each: (-heavy[each], each)):
        least = loads.index(min(loads))
        dealt_out[least].append(path)
        loads[least] += heavy[path]
    return [sorted(part) for part in dealt_out if part]


def seconds_file(name: str, part: int) -> Path:
    """Where a part keeps how long its files took, for the next run."""
    return _KEPT / f"{name}-{part}.json"


def last_seconds(name: str) -> dict[str, float]:
    """By file; what cannot be read is not known."""
    found: dict[str, float] = {}
    for path in sorted(_KEPT.glob(f"{name}-*.json")):
        try:
            found |= json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            continue
    return found


class _Seconds:
    """Adds up how long the tests of each file take, and writes it down at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid.partition("::")[0]] += report.duration  # type: ignore[assignment]

    def pytest_sessionfinish(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._seconds), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write."""
    parser.addoption("--seconds-file", type=Path)


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is added up unless somebody wants it."""
    path = config.getoption("--seconds-file")
    if path is not None:
        config.pluginmanager.register(_Seconds(path), "flinkops-seconds")


def arguments_of(name: str, parts: int, for_pytest: Sequence[str]) -> list[list[str]]:
    """Of each part's pytest; whoever names files or folders gets one part of these."""
    if any((REPOSITORY / each.partition("::")[0]).exists() for each in for_pytest):
        return [[*(f"--ignore=tests/{folder}" for folder in _ELSEWHERE), *for_pytest]]
    kept = [] if for_pytest else ["-p", "devtools.test_parts"]
    return [
        [*kept, *([f"--seconds-file={seconds_file(name, number)}"] if kept else []), *for_pytest, *files]
        for number, files in enumerate(split(name, parts))
    ]
