"""The examples in docstrings are run: they are documentation that must stay true."""

import doctest
import importlib
from pathlib import Path

import pytest

import flinkops

PACKAGE = Path(flinkops.__file__).parent


def modules() -> list[str]:
    """The modules that show an example, by name."""
    paths = sorted(path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text("utf-8"))
    return [".".join(("flinkops", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in paths]


@pytest.mark.parametrize("name", modules())
def test_its_examples_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


def test_there_are_examples() -> None:
    assert len(modules()) >= 30
