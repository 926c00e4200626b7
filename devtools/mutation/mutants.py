"""All mutants of a folder by cosmic-ray's operators, and a random sample that small changes of the code leave alone.

A *place* is what one family of operators changes: a comparison, an arithmetic operator, a number, a condition. A
comparison has seven mutants and a `+` eleven, most of them easy to kill, so the sample draws places and then one
mutant of each: no place counts more than another.
"""

import ast
import difflib
import functools
import hashlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

_WITH_ARGUMENTS = {"core/VariableReplacer", "core/VariableInserter"}  # random themselves
_EQUAL = {"core/ReplaceComparisonOperator_Is_Eq", "core/ReplaceComparisonOperator_IsNot_NotEq"}
"""What is compared by identity is a member of an enum, by its type: only what mypy refuses could tell them apart."""
_NODES = {
    "comparison", "factor", "not_test", "number", "keyword", "operator",
    "if_stmt", "while_stmt", "assert_stmt", "test", "except_clause", "for_stmt", "decorator", "decorators",
}  # fmt: skip
_PARAMETERS = {"parameters", "param", "lambdef", "typedargslist"}
_NO_OPERATION = set(",.:()[]{}=;") | {"->", ":=", "...", "@"}


@dataclass(frozen=True)
class Mutant:
    """One change of one place.

    `key` names it across changes elsewhere in the file: path, family, the line's text, the how many-th of its kind.
    """

    path: str
    operator: str
    occurrence: int
    line: int
    column: int
    key: str

    def source(self, root: Path) -> str:
        """The whole file with the change."""
        return _changed(_text(root / self.path), self.operator, self.occurrence)


@functools.cache
def _changed(text: str, operator: str, occurrence: int) -> str:
    changed = mutate_code(text, get_operator(operator)(), occurrence)
    if changed is None:
        raise ValueError(f"no occurrence {occurrence} of {operator}")
    return str(changed)


def changed_lines(before: str, after: str) -> list[str]:
    """The lines that differ, with `-` and `+` before them."""
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in found if line[:1] in "-+" and line[:3] not in {"---", "+++"}]


def sample(root: Path, folders: list[str], size: int, seed: int) -> tuple[list[Mutant], int]:
    """So many mutants, each of another place, in the order of their files; and how many places there are.

    A place's rank is the hash of its key and the seed. A changed line moves only itself in or out of the sample.
    """
    places = [place for folder in folders for path in _files(root, folder) for place in _places(root, path)]
    chosen: list[Mutant] = []
    for place in sorted(places, key=lambda mutants: _rank(seed, mutants[0].key)):
        if len(chosen) == size:
            break
        for mutant in sorted(place, key=lambda mutant: _rank(seed, f"{mutant.key} {mutant.operator}")):
            if _valid(mutant.source(root)):
                chosen.append(mutant)
                break
    return sorted(chosen, key=lambda mutant: (mutant.path, mutant.line, mutant.column)), len(places)


def _files(root: Path, folder: str) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / folder).rglob("*.py"))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _rank(seed: int, key: str) -> bytes:
    return hashlib.sha256(f"{seed} {key}".encode()).digest()


def _valid(source: str) -> bool:
    """Whether Python compiles it without a warning (`a is "text"`), which would fail every test (`filterwarnings`)."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compile(source, "mutant", "exec")
        except SyntaxError:
            return False
    return True


def _places(root: Path, path: str) -> list[list[Mutant]]:
    """The mutants of one file, those of one place together."""
    text = _text(root / path)
    lines = text.splitlines()
    types = _type_ranges(ast.parse(text))
    positions: defaultdict[tuple[str, int, int], list[tuple[str, int]]] = defaultdict(list)
    for operator, occurrence, (line, column) in _positions(text):
        if not any(start <= (line, column) < end for start, end in types):
            positions[operator.partition("/")[2].partition("_")[0], line, column].append((operator, occurrence))
    seen: Counter[str] = Counter()
    places = []
    for (family, line, column), changes in sorted(positions.items(), key=lambda item: (item[0][1:], item[0][0])):
        kind = f"{path} {family} {lines[line - 1].strip()}"
        seen[kind] += 1
        key = f"{kind} {seen[kind]}"
        places.append([Mutant(path, operator, occurrence, line, column, key) for operator, occurrence in changes])
    return places


def _positions(text: str) -> Iterator[tuple[str, int, tuple[int, int]]]:
    nodes = [node for node in ast_nodes(get_ast(text)) if _may_change(node)]
    for name in operator_names():
        if name in _WITH_ARGUMENTS | _EQUAL:
            continue
        operator, occurrence = get_operator(name)(), 0
        for node in nodes:
            for start, *_ in operator.mutation_positions(node):
                if not _parts_parameters(node) and (node.type != "except_clause" or _catches_names(node)):
                    yield name, occurrence, start
                occurrence += 1  # as cosmic-ray counts, which leaves none out


def _may_change(node: Any) -> bool:
    return node.type in _NODES and (node.type != "operator" or node.value not in _NO_OPERATION)


def _parts_parameters(node: Any) -> bool:
    """The `*` or `/` between parameters, which is no operator."""
    return node.type == "operator" and node.parent.type in _PARAMETERS


def _catches_names(node: Any) -> bool:
    """cosmic-ray cannot replace a dotted name, alone or among several."""
    caught = node.children[1]
    names = caught.children[1].children[::2] if caught.type == "atom" else [caught]
    return all(each.type == "name" for each in names)


def _type_ranges(tree: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where types stand: annotations, and `A | B` of types. Any change there fails at the import or does nothing."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            found.append(node.returns)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and _names_types(node):
            found.append(node)
    return [((e.lineno, e.col_offset), (e.end_lineno or e.lineno, e.end_col_offset or 0)) for e in found]


def _names_types(node: ast.expr) -> bool:
    match node:
        case ast.BinOp(left, ast.BitOr(), right):
            return _names_types(left) and _names_types(right)
        case ast.Name(name) | ast.Attribute(attr=name):
            return (name[:1].isupper() and not name.isupper()) or name in {"str", "int", "float", "bool", "bytes"}
        case ast.Subscript(value):
            return _names_types(value)
        case ast.Constant(None):
            return True
    return False
