"""Which tests run a line: what `test_lines` recorded, also after the code and some tests have changed since."""

import ast
import difflib
import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from coverage import CoverageData

from devtools.mutation import PACKAGES
from devtools.mutation.report import OF_EVERY_NUMBER
from devtools.mutation.users import FURTHEST, Users, bodies, extent, function_at, statements_at

OF_EVERY_CLASS = "tests/unit/test_frozen_structs.py::test_every_struct_is_frozen"
"""Asks each class how it was made, and runs none of its lines."""
_SOURCES, _TESTS = "sources.json", "tests.json"


@dataclass
class Covering:
    """The tests of each line of each file, as the files are now, and each test's seconds."""

    root: Path
    lines: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    at_import: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    seconds: dict[str, float] = field(default_factory=dict)

    def tests(self, path: str, line: int) -> list[str]:
        """The tests that can see the line: the nearest first, of these the ones that import its module, the fastest.

        A line of a function: those that run it. One at the import: those that use what it makes (`Users`).
        """
        steps = self._running(path, line) if self._in_function(path, line) else self._using(path, line)
        knowing = {module for module in set(map(module_of, steps)) if path in self._imported_by(module)}

        def order(test: str) -> tuple[int, bool, float, str]:
            return steps[test], module_of(test) not in knowing, self.seconds.get(test, 0.0), test

        return sorted(steps, key=order)

    def _in_function(self, path: str, line: int) -> bool:
        return function_at(self._users.modules[path].tree, line) is not None

    def _running(self, path: str, line: int) -> dict[str, int]:
        """Some lines leave no trace (`break`, `continue`, a folded constant): the least statement around that does."""
        lines = self.lines.get(path, {})
        around = statements_at(self._users.modules[path].tree, line)
        traces = (lines.get(line, set()), *(_any(lines, extent(node)) for node in around))
        return dict.fromkeys(next((tests for tests in traces if tests), set()), 0)

    def _using(self, path: str, line: int) -> dict[str, int]:
        found: dict[str, int] = {}
        around = statements_at(self._users.modules[path].tree, line)
        for steps, node in enumerate(around):
            found |= dict.fromkeys(_any(self.lines.get(path, {}), bodies(node)) - found.keys(), steps)
        for steps, user, where in self._users.near(path, line):
            tests = self._running(user, where) if user in self.lines else self._of_function(user, where)
            for test in tests:
                found[test] = min(steps, found.get(test, steps))
        if any(isinstance(node, ast.ClassDef) for node in around) and OF_EVERY_CLASS in self.seconds:
            found[OF_EVERY_CLASS] = 0
        if found and OF_EVERY_NUMBER in self.seconds:
            found[OF_EVERY_NUMBER] = FURTHEST + 1
        return found or dict.fromkeys(self.lines.get(path, {}).get(line, ()), 0)

    def _of_function(self, path: str, line: int) -> list[str]:
        function = function_at(self._users.modules[path].tree, line)
        return self._ids.get((path, function.name), []) if function else []

    def _imported_by(self, module: str) -> set[str]:
        known = self._users.modules.get(module)
        return {origin for origin, _ in known.imported.values()} if known else set()

    @cached_property
    def _users(self) -> Users:
        tests = (str(each.relative_to(self.root)) for each in (self.root / "tests").rglob("*.py"))
        ours = (
            str(each.relative_to(self.root))
            for name in PACKAGES
            for each in (self.root / "flinkops" / name).rglob("*.py")
        )
        return Users(self.root, dict.fromkeys([*self.lines, *sorted(ours), *sorted(tests)]))

    @cached_property
    def _ids(self) -> dict[tuple[str, str], list[str]]:
        """The tests of a function of a module: with parameters it has several."""
        found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for test in self.seconds:
            module, _, names = test.partition("::")
            found[module, names.partition("[")[0].rpartition("::")[2]].append(test)
        return dict(found)


def module_of(test: str) -> str:
    """The file of a node id."""
    return test.partition("::")[0]


def _any(lines: dict[int, set[str]], numbers: Iterable[int]) -> set[str]:
    return set().union(*(lines.get(number, set()) for number in numbers))


def keep(root: Path, folder: Path, sources: list[str], modules: list[str]) -> None:
    """Note beside a recording what it was made of."""
    texts = {path: (root / path).read_text(encoding="utf-8") for path in sources}
    (folder / _SOURCES).write_text(json.dumps(texts), encoding="utf-8")
    (folder / _TESTS).write_text(json.dumps({path: digest(root / path) for path in modules}), encoding="utf-8")


def digest(*paths: Path) -> str:
    """Of what the files hold."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


def recordings(folder: Path) -> list[Path]:
    """The finished ones, the oldest first; an interrupted one is removed."""
    found = []
    for each in sorted(folder.glob("*/")):
        if (each / _TESTS).is_file():
            found.append(each)
        else:
            shutil.rmtree(each)
    return found


def recorded(folder: Path) -> dict[str, str]:
    """The digest of each test module as last recorded."""
    found: dict[str, str] = {}
    for each in recordings(folder):
        found |= json.loads((each / _TESTS).read_text(encoding="utf-8"))
    return found


def load(root: Path, folder: Path) -> Covering:
    """All recordings, of each test module the newest, with the lines where they are now."""
    covering = Covering(root)
    newest = {module: each for each in recordings(folder) for module in json.loads((each / _TESTS).read_text())}
    for each in recordings(folder):
        modules = {module for module, where in newest.items() if where == each}
        for seconds in each.glob("seconds.*.json"):
            found = json.loads(seconds.read_text(encoding="utf-8")).items()
            covering.seconds |= {test: took for test, took in found if test.partition("::")[0] in modules}
        sources: dict[str, str] = json.loads((each / _SOURCES).read_text(encoding="utf-8"))
        for data in each.glob(".coverage.*"):
            _add(covering, CoverageData(basename=str(data)), sources, modules)
    return covering


def _add(covering: Covering, data: CoverageData, sources: dict[str, str], modules: set[str]) -> None:
    data.read()
    for measured in data.measured_files():
        path = next((path for path in sources if measured.endswith(f"/{path}")), None)
        if path is None or not (covering.root / path).is_file():
            continue
        moved = _moved(sources[path], (covering.root / path).read_text(encoding="utf-8"))
        for line, tests in data.contexts_by_lineno(measured).items():
            if line in moved:
                if "" in tests:
                    covering.at_import[path].add(moved[line])
                wanted = {test for test in tests if test.partition("::")[0] in modules}
                covering.lines[path][moved[line]] |= wanted


def _moved(before: str, after: str) -> dict[int, int]:
    """Where each line of the text before is now; a changed one is where it was replaced."""
    where: dict[int, int] = {}
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    for kind, start, end, new, new_end in matcher.get_opcodes():
        if kind in {"equal", "replace"}:
            where |= {start + i + 1: min(new + i, new_end - 1) + 1 for i in range(end - start)}
    return where
