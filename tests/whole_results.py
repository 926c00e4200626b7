"""What the pure functions return to a test is held whole, beside what the test asserts of it.

A test asserts what it is about: a limit is passed, a step is there. The rest of the same result (the other fields, the
texts, the order) is held by a golden file for each test module: a line a test, with the functions that were called and
a hash of all they returned or raised. Held are the modules that have a file in `golden/results`, and of these the tests
that have a line; property tests have none. `FLINKOPS_UPDATE_GOLDEN=1 pytest FILE...` (without `-n`) writes them;
an empty file begins a new one.
"""

import functools
import hashlib
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flinkops.diagnose.case import Case
from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import Evidence
from flinkops.diagnose.rules import RULES
from flinkops.model.assessment import FleetAssessment
from flinkops.render.status_json import status_document
from flinkops.render.table import status_table
from tests.goldens import FOLDER, updating
from tests.variants import canonical

PACKAGES = tuple(f"flinkops.{name}." for name in ("assess", "autoscale", "diagnose", "observability", "plan", "render"))
MOST_CALLS = 60
"""Of one test; what is called more often, is called for another reason."""
_noted: list[tuple[str, Any]] | None = None
_wrapped: set[str] = set()


def held(request: pytest.FixtureRequest) -> Iterator[None]:
    """Around one test."""
    global _noted
    module = Path(str(request.path)).stem
    path = FOLDER / "results" / f"{module}.txt"
    if not _is_held(request, path):
        yield
        return
    _wrap_all()
    _noted = []
    failed_before = request.session.testsfailed
    yield
    noted, _noted = _noted, None
    if not noted or request.session.testsfailed != failed_before:
        return
    whole = canonical(noted)
    called = " ".join(f"{name}*{count}" for name, count in Counter(name for name, _ in noted).items())
    line = f"{called} | {hashlib.sha256(whole.encode()).hexdigest()[:8]}"
    lines = _lines(path)
    if updating():
        lines[request.node.name] = line
        text = "".join(f"{name} | {each}\n" for name, each in sorted(lines.items()))
        path.write_text(text, encoding="utf-8")
    kept = lines.get(request.node.name)
    assert kept in {None, line}, (
        f"not what it was ({kept}), outside of what the test asserts; FLINKOPS_UPDATE_GOLDEN=1 writes {path}: {whole}"
    )


def _is_held(request: pytest.FixtureRequest, path: Path) -> bool:
    if hasattr(request.function, "hypothesis") or "scaled" in {mark.name for mark in request.node.iter_markers()}:
        return False
    return path.is_file()


@functools.cache
def _lines(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: rest for name, _, rest in (line.partition(" | ") for line in lines)}


def _wrap_all() -> None:
    """The test modules' own names for the functions; those of the code stay."""
    for name, module in tuple(sys.modules.items()):
        if name.startswith("tests.") and name not in _wrapped:
            _wrapped.add(name)
            _wrap(module)


def _wrap(module: ModuleType) -> None:
    for name, each in tuple(vars(module).items()):
        if inspect.isfunction(each) and f"{each.__module__}.".startswith(PACKAGES):
            setattr(module, name, _noting(each))


def _asked(evidence: Evidence) -> list[Any]:
    case = Case(evidence)
    for rule in RULES.values():
        rule.judge(case)
    return case.asked


def _noting(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        if _noted is None or len(_noted) >= MOST_CALLS:
            return function(*args, **keywords)
        place = len(_noted)
        try:
            found = function(*args, **keywords)
        except Exception as problem:
            _noted.insert(place, (function.__name__, f"{type(problem).__name__}: {problem}"))
            raise
        if isinstance(found, Iterator):
            found = list(found)
            _noted.insert(place, (function.__name__, found))
            return iter(found)
        _noted.insert(place, (function.__name__, found))
        if isinstance(found, Evidence):  # made to ask one rule: it is told what all of them make of it
            _noted.append(("diagnose", (diagnose(found), _asked(found))))
        elif isinstance(found, FleetAssessment):
            _noted.append(("shown", (status_document(found), status_table(found, wide=True))))
        return found

    return call
