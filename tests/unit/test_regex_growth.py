"""Every regular expression takes time that grows with the text and no faster: what it is given comes from outside.

The texts are made of the expression's own parts, repeated, with an end that it does not expect.
"""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

import pytest

import flinkops
from devtools.bootstrap import REPOSITORY

FOLDERS = ("flinkops", "jobs/price_alerts/dispatcher")
SHORT = 400
ENDS = ("", "\x00", "!", " ")


@dataclass(frozen=True)
class Used:
    """An expression, and whether it is searched for in a text or held against its beginning only."""

    pattern: re.Pattern[Any]
    searches: bool = True


def compiled() -> dict[str, Used]:
    """Of the modules that can be imported here: what they hold, also in tuples and dictionaries."""
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(flinkops.__path__, "flinkops.")
        if not module.name.startswith("flinkops.local") and not module.name.endswith("__main__")
    ]
    return used_by((module, Path(str(module.__file__)).read_text("utf-8")) for module in modules)


def used_by(modules: Iterable[tuple[ModuleType, str]]) -> dict[str, Used]:
    """The patterns of modules, each with its source, which says what it does with a name, imported or its own."""
    patterns: dict[str, re.Pattern[Any]] = {}
    methods: dict[str, set[str]] = {}
    for module, source in modules:
        called: dict[str, set[str]] = {}
        for name, method in re.findall(r"\b([A-Z_]{2,})\.([a-z]{3,9})\b", source):
            called.setdefault(name, set()).add(method)
        for name, value in vars(module).items():
            for pattern in _patterns_in(value):
                text = str(pattern.pattern)
                patterns[text] = pattern
                # In a tuple it is used under another name: as if searched for.
                methods.setdefault(text, set()).update(called.get(name, ()) if pattern is value else {"search"})
    return {text: Used(pattern, searches=_searches(methods[text])) for text, pattern in patterns.items()}


def _searches(methods: set[str]) -> bool:
    """Also where no use was found."""
    return not methods or not methods <= {"match", "fullmatch", "pattern"}


def _patterns_in(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _patterns_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _patterns_in(item)


def written() -> dict[str, Used]:
    """What is written out in a call of `re`, wherever it stands."""
    found: dict[str, Used] = {}
    for folder in FOLDERS:
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
                    first = node.args[0]
                    if isinstance(first, ast.Constant) and isinstance(first.value, (str, bytes)):
                        how = ast.unparse(node.func).removeprefix("re.")
                        found[str(first.value)] = Used(re.compile(first.value), how not in ("match", "fullmatch"))
    return found


@cache
def patterns() -> dict[str, Used]:
    """All of them."""
    return {**written(), **compiled()}


PARTS = 8
"""For as many workers as there may be."""


def parts(tree: Any) -> Iterator[str]:
    """A text for each piece of an expression: its letters, one of each class, sequences as they stand."""
    run = ""
    for code, argument in tree:
        if code is codes.LITERAL:
            run += chr(argument)
            continue
        if run:
            yield run
            run = ""
        yield from _inside(code, argument)
    if run:
        yield run


def _inside(code: Any, argument: Any) -> Iterator[str]:
    if code is codes.IN:
        yield from (member for member in map(_member, argument) if member)
    elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        yield from parts(argument[2])
    elif code is codes.BRANCH:
        for branch in argument[1]:
            yield from parts(branch)
    elif code is codes.SUBPATTERN:
        yield from parts(argument[3])
    elif code in (codes.ASSERT, codes.ASSERT_NOT):
        yield from parts(argument[1])
    elif code is codes.ATOMIC_GROUP:
        yield from parts(argument)
    elif code in (codes.ANY, codes.NOT_LITERAL):
        yield "a"


def _member(member: Any) -> str:
    code, argument = member
    if code is codes.LITERAL:
        return chr(argument)
    if code is codes.RANGE:
        return chr(argument[0])
    if code is codes.CATEGORY:
        kinds = {codes.CATEGORY_DIGIT: "7", codes.CATEGORY_SPACE: " ", codes.CATEGORY_WORD: "w"}
        return kinds.get(argument, ",")
    return "z"


def pumps(pattern: re.Pattern[Any]) -> list[str]:
    """The pieces, neighbouring pairs of them, and all of them in a row."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    pieces = list(dict.fromkeys(parts(parser.parse(text, pattern.flags & ~re.DEBUG & ~re.UNICODE))))
    pairs = [one + other for one, other in pairwise(pieces)]
    return list(dict.fromkeys([*pieces[:60], *pairs[:60], "".join(pieces)[:200]]))


def seconds(used: Used, pump: str, end: str, length: int) -> float:
    pattern = used.pattern
    text: Any = (pump * (length // len(pump) + 1))[:length] + end
    if isinstance(pattern.pattern, bytes):
        text = text.encode("utf-8", "replace")
    best = float("inf")
    for _ in range(2):
        began = time.thread_time()
        for _found in pattern.finditer(text) if used.searches else ():
            pass
        pattern.match(text)
        pattern.fullmatch(text)
        best = min(best, time.thread_time() - began)
    return best


def grows_too_fast(pattern: Used, pump: str, end: str) -> bool:
    """Measured again, longer, before it counts."""
    for short in (SHORT, 2 * SHORT, 3 * SHORT):
        if seconds(pattern, pump, end, 10 * short) <= 15 * max(seconds(pattern, pump, end, short), 1e-4):
            return False
    return True


@pytest.mark.thorough
@pytest.mark.parametrize("part", range(PARTS))
def test_ten_times_the_text_takes_at_most_fifteen_times_as_long(part: int) -> None:
    slow = [
        (text, pump, end)
        for text in sorted(patterns())[part::PARTS]
        for pump in pumps(patterns()[text].pattern)
        for end in ENDS
        if grows_too_fast(patterns()[text], pump, end)
    ]
    assert slow == []


@pytest.mark.thorough
def test_a_pattern_that_is_quadratic_is_found() -> None:
    pattern = Used(re.compile(r"x*x*y"), searches=False)
    assert any(grows_too_fast(pattern, pump, end) for pump in pumps(pattern.pattern) for end in ENDS)


def module_with(name: str, expression: str, source: str) -> tuple[ModuleType, str]:
    module = ModuleType(name)
    module.NAME = re.compile(expression)  # type: ignore[attr-defined]
    return module, source


def test_one_name_in_two_modules_is_two_patterns() -> None:
    found = used_by([module_with("one", "a", "NAME.fullmatch(text)"), module_with("other", "b", "NAME.search(text)")])
    assert (found["a"].searches, found["b"].searches) == (False, True)


def test_a_pattern_that_another_module_searches_for_is_searched_for() -> None:
    found = used_by([module_with("one", "a", "NAME.fullmatch(text)"), module_with("other", "a", "NAME.search(text)")])
    assert found["a"].searches


@pytest.mark.thorough
def test_they_are_all_there() -> None:
    assert len(patterns()) > 80
