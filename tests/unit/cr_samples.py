"""Recorded custom resources (real operators 1.7.0 and 1.15.0) and pods of deployments that did not come up."""

import copy
import functools
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "cr_samples"
OPERATORS = ("1.7.0", "1.15.0")


def recorded(operator: str) -> dict[str, Any]:
    """``resources`` (number -> FlinkDeployment, in the order of time), ``events``, ``snapshots``."""
    return _read(f"operator-{operator}.json")


def resource(operator: str, number: int) -> dict[str, Any]:
    """One recorded FlinkDeployment, free to change."""
    found: dict[str, Any] = copy.deepcopy(recorded(operator)["resources"][f"{number:02d}"])
    return found


def case(name: str) -> Any:
    """What operator 1.15.0 with Flink 2.3.0 had at one of the situations of ``cases-1.15.0.json``, free to change."""
    return copy.deepcopy(_read("cases-1.15.0.json")[name])


def blue_green() -> list[dict[str, Any]]:
    """A pair of operator 1.15 with Flink 2.3 (``pair``, ``blue``, ``green``), from change to change, free to change.

    An upgrade from blue to green, then one to an image that does not exist, which flinkops aborted. Managed fields and
    ``env.java.opts.all`` are left out.
    """
    content: list[dict[str, Any]] = json.loads((FOLDER / "blue-green-1.15.0.json").read_text(encoding="utf-8"))
    return content


def stuck() -> dict[str, Any]:
    """``pods`` and ``events`` of: no-image, too-big (64 cores), greedy (out of memory), and count, which runs."""
    return _read("stuck.json")


def quota() -> dict[str, Any]:
    """``pods`` and ``quotas`` of a native deployment on Flink 1.20 that waits for a second TaskManager, of 2 pods.

    Flink's request for the pod is refused (403): there is no third pod, and no event.
    """
    return copy.deepcopy(_read("quota.json"))


@functools.cache
def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return content
