"""Signals of several parts: what the documentation says of each stands below its field, and is written from there."""

import ast
import inspect
from pathlib import Path

import msgspec
import pytest

from flinkops.model.assessment import Backlog, Checkpoints, Value
from tests.goldens import same_as_part

PAGE = Path(__file__).parents[2] / "docs" / "signals.md"
TABLES: dict[str, type[Value]] = {"checkpoints": Checkpoints, "backlog": Backlog}


def meanings(kind: type[Value]) -> dict[str, str]:
    """What stands below each field of a struct."""
    (of_class,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(of_class, ast.ClassDef)
    return {
        field.target.id: below.value.value
        for field, below in zip(of_class.body, of_class.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


@pytest.mark.parametrize("name", TABLES)
def test_the_page_has_a_row_for_each_part(name: str) -> None:
    found = meanings(TABLES[name])
    assert list(found) == [field.name for field in msgspec.structs.fields(TABLES[name])], "each field says what it is"
    rows = "".join(f"| `{name}.{field}` | {meaning} |\n" for field, meaning in found.items())
    same_as_part(PAGE, name, "flinkops/model/assessment.py", f"| value | is |\n|---|---|\n{rows}")
