"""Tests in parts that take about as long, each a pytest of its own; as a pytest plugin: a part's files, and their time.

Workers of pytest-xdist each collect all tests, 4.5 s of CPU, and each report goes through another process: a quarter of
the quick tests' CPU. A part collects only its own. It names their folder and leaves out the others: for each file that
is named on the command line pytest goes through the whole folder again, half of a part's collection.
"""

import json
import os
from collections import Counter, defaultdict
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
    """The heaviest first, each to the part that has least so far.

    The files of a small folder stay together: they import the same, such as textual, half a second in each part.
    """
    share = sum(heavy.values()) / parts
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for path in heavy:
        folders[str(Path(path).parent)].append(path)
    blocks = [(sum(heavy[path] for path in paths), sorted(paths)) for paths in folders.values()]
    small = [block for block in blocks if block[0] <= share]
    alone = [(heavy[path], [path]) for weight, paths in blocks if weight > share for path in paths]
    dealt_out: list[list[str]] = [[] for _ in range(parts)]
    loads = [0.0] * parts
    for weight, paths in sorted([*small, *alone], key=lambda block: (-block[0], block[1])):
        least = loads.index(min(loads))
        dealt_out[least] += paths
        loads[least] += weight
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


class OnlyFiles:
    """Leaves out the files that are not these, and the folders that have none of them."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._wanted = {*files, *(folder for file in files for folder in file.parents)}

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Of pytest."""
        return None if collection_path in self._wanted else True


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write, and what to collect."""
    parser.addoption("--seconds-file", type=Path)
    parser.addoption("--part-files", help=f"relative paths, parted by {os.pathsep}")


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is added up, or left out, unless somebody wants it."""
    path = config.getoption("--seconds-file")
    if path is not None:
        config.pluginmanager.register(_Seconds(path), "flinkops-seconds")
    files = config.getoption("--part-files")
    if files is not None:
        only = OnlyFiles([config.rootpath / each for each in files.split(os.pathsep)])
        config.pluginmanager.register(only, "flinkops-part")


def arguments_of(name: str, parts: int, for_pytest: Sequence[str]) -> list[list[str]]:
    """Of each part's pytest; whoever names files or folders gets one part of these."""
    if any((REPOSITORY / each.partition("::")[0]).exists() for each in for_pytest):
        return [[*(f"--ignore=tests/{folder}" for folder in _ELSEWHERE), *for_pytest]]
    return [
        [
            *("-p", "devtools.test_parts", f"--part-files={os.pathsep.join(files)}"),
            *(for_pytest or [f"--seconds-file={seconds_file(name, number)}"]),
            "tests",
        ]
        for number, files in enumerate(split(name, parts))
    ]
