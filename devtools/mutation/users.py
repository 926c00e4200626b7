"""Who uses what is made at the import: a constant, a field's default, a table, a class, the head of a function.

Its line runs once, for all tests. Those that can see it change run a line that names it: in its module, or in one that
imports it. Where such a line is at the import, too (a table of tables, a default that is a constant), its users are
asked for in turn, one step further away.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

FURTHEST = 4
"""Steps: behind these nearly every test uses nearly everything."""


@dataclass(frozen=True)
class Symbol:
    """A name that a module makes, or the field of one of its classes."""

    path: str
    name: str
    owner: str = ""
    """The class of a field."""


@dataclass
class Module:
    """What a file makes, imports and names."""

    tree: ast.Module
    names: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    """Name -> what it is read from (`` for itself, or the name before the dot), and the line."""
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Local name -> the file that it is from, and its name there; `` for the module itself."""


class Users:
    """Of all names in the given files, which are paths below the root."""

    def __init__(self, root: Path, paths: Iterable[str]) -> None:
        self.modules = {path: _module((root / path).read_text(encoding="utf-8")) for path in paths}
        for module in self.modules.values():
            module.imported = dict(self._imports(module.tree))

    def near(self, path: str, line: int) -> Iterator[tuple[int, str, int]]:
        """Lines of functions that use what this line at the import makes: steps away, file, line. The nearest first."""
        found = self._made(path, line)
        asked = set(found)
        for steps in range(FURTHEST):
            further: list[Symbol] = []
            for symbol in found:
                for user, where in self._uses(symbol):
                    function = function_at(self.modules[user].tree, where)
                    if function is None:
                        further += self._made(user, where)
                        continue
                    yield steps, user, where
                    if user.startswith("tests/") and not function.name.startswith("test"):
                        further.append(Symbol(user, function.name))  # a helper: its users are the tests
            found = [symbol for symbol in dict.fromkeys(further) if symbol not in asked]
            asked.update(found)

    def _made(self, path: str, line: int) -> list[Symbol]:
        """What the statement at this line gives a name to, and the classes around it."""
        around = statements_at(self.modules[path].tree, line)
        classes = [node.name for node in around if isinstance(node, ast.ClassDef)]
        if not around or isinstance(around[0], ast.ClassDef):
            return [Symbol(path, name) for name in classes]
        owner = classes[0] if classes else ""
        return [Symbol(path, name, owner) for name in _given(around[0])] + [Symbol(path, name) for name in classes]

    def _uses(self, symbol: Symbol) -> Iterator[tuple[str, int]]:
        for path, module in self.modules.items():
            for local in self._local(path, module, symbol):
                for before, line in module.names.get(local[1], ()):
                    if symbol.owner or before == local[0]:
                        yield path, line

    def _local(self, path: str, module: Module, symbol: Symbol) -> Iterator[tuple[str, str]]:
        """How a file calls it: the name before the dot and the name."""
        if path == symbol.path or symbol.owner:
            yield "", symbol.name
        for local, (origin, name) in module.imported.items():
            if origin == symbol.path and not symbol.owner and name in {symbol.name, ""}:
                yield (local, symbol.name) if not name else ("", local)

    def _imports(self, tree: ast.Module) -> Iterator[tuple[str, tuple[str, str]]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for each in node.names:
                    local = each.asname or each.name
                    if inner := self._file(f"{node.module}.{each.name}"):
                        yield local, (inner, "")
                    elif origin := self._file(node.module):
                        yield local, (origin, each.name)

    def _file(self, module: str) -> str:
        base = module.replace(".", "/")
        return next((path for path in (f"{base}.py", f"{base}/__init__.py") if path in self.modules), "")


def _module(text: str) -> Module:
    module = Module(ast.parse(text))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                module.names[node.id].append(("", node.lineno))
        elif isinstance(node, ast.Attribute):
            before = node.value.id if isinstance(node.value, ast.Name) else "."
            module.names[node.attr].append((before, node.end_lineno or node.lineno))
        elif isinstance(node, ast.keyword) and node.arg:
            module.names[node.arg].append((".", node.lineno))
        elif isinstance(node, ast.ImportFrom):  # what is given on to others under the same name
            for each in node.names:
                module.names[each.asname or each.name].append(("", node.lineno))
    return module


def _given(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.ImportFrom):
        return [each.asname or each.name for each in statement.names]
    return [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def extent(node: ast.stmt) -> range:
    """The lines of a statement, those of its decorators among them."""
    decorators = getattr(node, "decorator_list", ())
    return range(min([node.lineno, *(each.lineno for each in decorators)]), (node.end_lineno or node.lineno) + 1)


def bodies(node: ast.stmt) -> set[int]:
    """The lines of the functions in a definition, without their heads: what of it runs after the import."""
    functions = [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return set()
    return {line for each in functions for line in range(each.body[0].lineno, (each.end_lineno or each.lineno) + 1)}


def statements_at(tree: ast.Module, line: int) -> list[ast.stmt]:
    """The statements that have this line, the inmost first."""
    found: list[ast.stmt] = []
    inside: Iterable[ast.AST] = tree.body
    while here := next((node for node in inside if isinstance(node, ast.stmt) and line in extent(node)), None):
        found.append(here)
        inside = (node for each in ast.iter_child_nodes(here) for node in _statements(each))
    return found[::-1]


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The node where it is a statement, or those in a branch of one."""
    if isinstance(node, ast.stmt):
        yield node
    elif isinstance(node, ast.ExceptHandler | ast.match_case):
        yield from node.body


def function_at(tree: ast.Module, line: int) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The outmost function whose body, not head, has this line."""
    functions = [each for each in statements_at(tree, line) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return next((each for each in reversed(functions) if each.body[0].lineno <= line), None)
