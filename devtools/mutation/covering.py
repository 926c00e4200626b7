"""Which tests run a line: what `test_lines` recorded, also after the code and some tests have changed since."""

import ast
import difflib
import hashlib
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coverage import CoverageData

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
        """The tests that run the line, the fastest first.

        A line outside functions (a constant, a default) runs once, at the import, for all; for it, those that run a
        line which names the constant, or the function or class that it belongs to.
        """
        lines = self.lines.get(path, {})
        around = _around((self.root / path).read_text(encoding="utf-8"), line)
        owners = [node for node in around if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        # Some lines leave no trace (`break`, `continue`, a folded constant): the least statement around that does.
        traces = (lines.get(line, set()), *(_any(lines, _extent(node)) for node in around))
        found = next((tests for tests in traces if tests), set())
        if not any(isinstance(owner, ast.FunctionDef) and owner.body[0].lineno <= line for owner in owners):
            found = found.union(*(_any(lines, _extent(owner)) for owner in owners))
            found = found.union(*(self._naming(name) for name in _defined(around[0], owners)))
            if OF_EVERY_CLASS in self.seconds:
                found = found | {OF_EVERY_CLASS}
        return sorted(found, key=lambda test: (self.seconds.get(test, 0.0), test))

    def _naming(self, name: str) -> set[str]:
        word = re.compile(rf"\b{re.escape(name)}\b")
        found: set[str] = set()
        for path, lines in self.lines.items():
            for number, text in enumerate((self.root / path).read_text(encoding="utf-8").splitlines(), 1):
                if word.search(text):
                    found |= lines.get(number, set())
        return found


def _any(lines: dict[int, set[str]], numbers: Iterable[int]) -> set[str]:
    return set().union(*(lines.get(number, set()) for number in numbers))


def _extent(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _around(text: str, line: int) -> list[ast.stmt]:
    """The statements that have this line, the inmost first."""
    around = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt) and line in _extent(node)] or [
        # A decorator stands before its definition's first line.
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and any(decorator.lineno <= line <= (decorator.end_lineno or line) for decorator in node.decorator_list)
    ]
    return sorted(around, key=lambda node: node.lineno, reverse=True)


def _defined(statement: ast.stmt, owners: Sequence[ast.stmt]) -> list[str]:
    """What a statement at the import gives a name to."""
    names = [node.name for node in owners if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    names += [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return names


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
