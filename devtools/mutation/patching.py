"""A changed function put into modules that are imported already: twice as fast as to import all of them again."""

import functools
import inspect
import sys
import warnings
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any


def changed_function(before: str, after: str, path: str) -> CodeType | None:
    """The code of the function in which two sources of a module differ; None where it is not one function's body alone.

    Defaults, decorators, constants and classes are made at the import: these are nobody's body. Nor is a function
    inside of a function: where the outer one was called at the import, the inner one is there already.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # a mutant may compare a literal by identity
        old, new = (dict(_functions(compile(source, path, "exec"))) for source in (before, after))
    differing = [name for name in old if old[name] != new.get(name)]
    if len(differing) != 1 or old.keys() != new.keys():
        return None
    (name,) = differing
    return new[name] if list(_inner(old[name])) == list(_inner(new[name])) else None


_COMPREHENSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}


def _inner(code: CodeType) -> Iterator[CodeType]:
    """The functions that it makes; what a comprehension runs in is part of it."""
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_name in _COMPREHENSIONS:
                yield from _inner(each)
            else:
                yield each


def _functions(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    """The functions of a module and of its classes, those inside of functions left out."""
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_flags & inspect.CO_OPTIMIZED:
                yield f"{each.co_qualname} {each.co_firstlineno}", each
            else:
                yield from _functions(each)


def patch(path: str, code: CodeType) -> bool:
    """Put the code into the function of that name in the module of that file; False where it cannot be found."""
    module = next((each for each in tuple(sys.modules.values()) if _file(each).endswith(f"/{path}")), None)
    function = None if module is None else _function(module, code.co_qualname.split("."))
    if function is None or function.__code__.co_freevars != code.co_freevars:
        return False
    function.__code__ = code
    return True


def _file(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or ""


def _function(module: ModuleType, names: list[str]) -> FunctionType | None:
    found: Any = module
    for name in names:
        found = inspect.getattr_static(found, name, None)
    for _ in range(5):
        if isinstance(found, FunctionType) and not hasattr(found, "__wrapped__"):
            return found if found.__code__.co_qualname == ".".join(names) else None
        found = _inside(found)
    return None


def _inside(found: Any) -> Any:
    """What a property, a method or a decorator holds."""
    if isinstance(found, property):
        return found.fget
    if isinstance(found, functools.cached_property):
        return found.func
    return getattr(found, "__wrapped__", None) or getattr(found, "__func__", None)
