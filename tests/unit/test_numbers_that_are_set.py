"""Every number and switch that the core sets at its import, in one file: a limit, a width, a default of a field.

Each of them is a decision, of which most have a test of what it does. Here is what it is: none changes unseen.
`FLINKOPS_UPDATE_GOLDEN=1 pytest tests/unit/test_numbers_that_are_set.py` writes the file: read the difference.
"""

import ast
import dataclasses
import importlib
import inspect
import math
import pkgutil
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from tests.goldens import same_as_golden

CORE = ("assess", "autoscale", "diagnose", "observability", "plan", "render")


def test_every_number_is_the_one_that_was_meant() -> None:
    lines = [line for module in modules() for line in sorted(set(numbers_of(module)))]
    assert len(lines) > 500
    same_as_golden("numbers.txt", "".join(f"{line}\n" for line in lines))


def modules() -> Iterator[ModuleType]:
    for package in CORE:
        top = importlib.import_module(f"flinkops.{package}")
        yield top
        for each in pkgutil.walk_packages(top.__path__, f"{top.__name__}."):
            yield importlib.import_module(each.name)


def numbers_of(module: ModuleType) -> Iterator[str]:
    for name in made_in(module):
        value = inspect.unwrap(made) if callable(made := getattr(module, name, None)) else made
        inside = defaults(value) if inspect.isclass(value) or inspect.isfunction(value) else leaves(value, "")
        for path, number in inside:
            yield f"{module.__name__.removeprefix('flinkops.')} {name}{path} {number!r}"


def made_in(module: ModuleType) -> list[str]:
    """The names that the file itself gives a number, or something with one; what is only reckoned has none."""
    found: list[str] = []
    for node in ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body:
        if not any(isinstance(each, ast.Constant) and isinstance(each.value, int | float) for each in ast.walk(node)):
            continue
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
    return found


def defaults(made: Any) -> Iterator[tuple[str, Any]]:
    """Of the parameters of a function, of the fields and the methods of a class."""
    if inspect.isfunction(made):
        for name, parameter in inspect.signature(made).parameters.items():
            if parameter.default is not inspect.Parameter.empty:
                yield from leaves(parameter.default, f"({name})")
        return
    for name, value in vars(made).items():
        method = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(method):
            if name == "__init__" and dataclasses.is_dataclass(made):
                continue  # made of the fields, which are below
            yield from ((f".{name}{path}", number) for path, number in defaults(method))
        elif not name.startswith("_"):
            yield from leaves(value, f".{name}")
    if issubclass(made, msgspec.Struct):
        for field in msgspec.structs.fields(made):
            yield from leaves(field.default, f".{field.name}")
    elif dataclasses.is_dataclass(made):
        for each in dataclasses.fields(made):
            yield from leaves(each.default, f".{each.name}")


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The numbers in what a name holds, with the way to each; of texts, functions and classes nothing."""
    if isinstance(value, bool | int | float):
        yield path, value if not isinstance(value, float) or math.isnan(value) else float(f"{value:.12g}")
        return
    for key, each in parts(value):
        yield from leaves(each, f"{path}.{getattr(key, '__name__', key)}")


def parts(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, msgspec.Struct) or (dataclasses.is_dataclass(value) and not inspect.isclass(value)):
        fields = value.__struct_fields__ if isinstance(value, msgspec.Struct) else vars(value)
        return [(name, getattr(value, name)) for name in fields]
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, Set):
        return [("", each) for each in value]
    names = getattr(value, "_fields", range(len(value)) if isinstance(value, tuple | list) else ())
    return list(zip(names, value, strict=True)) if names and not inspect.isclass(value) else []
