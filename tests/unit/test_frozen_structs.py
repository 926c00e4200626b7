"""What flows through the pure core cannot be changed in place."""

import importlib
import pkgutil
from collections.abc import Iterator

import msgspec

PURE = ("assess", "autoscale", "diagnose", "model", "observability", "plan", "render")


def structs() -> Iterator[type[msgspec.Struct]]:
    for package in PURE:
        top = importlib.import_module(f"flinkops.{package}")
        for each in pkgutil.walk_packages(top.__path__, f"{top.__name__}."):
            for value in vars(importlib.import_module(each.name)).values():
                if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == each.name:
                    yield value


def test_every_struct_is_frozen() -> None:
    found = list(structs())
    assert len(found) > 100
    assert [struct.__qualname__ for struct in found if not struct.__struct_config__.frozen] == []
