"""Faults of the Flink Kubernetes operator by its version, which plans and diagnoses both must know."""

import re
from typing import NamedTuple


class OperatorBug(NamedTuple):
    """Versions from ``since`` on, before ``fixed``, have it."""

    issue: str
    since: tuple[int, ...]
    fixed: tuple[int, ...]
    effect: str


# First fixed release; found by the fix's commit in the operator's release branches.
_BUGS = (
    OperatorBug("FLINK-38033", (1, 11), (1, 12, 1), "may dispose of the upgrade's own savepoint"),
    OperatorBug("FLINK-39270", (1, 10), (1, 15, 0), "may restore an old savepoint when the JobManager is slow to stop"),
    OperatorBug("FLINK-35857", (0,), (1, 10, 0), "may restart a failed job without its latest checkpoint"),
)


def version_numbers(text: str | None) -> tuple[int, ...]:
    """The numbers of a version; none where it is no version.

    >>> version_numbers("v1.12.1-rc"), version_numbers("latest")
    ((1, 12, 1), ())
    """
    match = re.match(r"v?(\d+(?:\.\d+)*)", text or "")
    return tuple(int(one) for one in match[1].split(".")) if match else ()


def dotted(version: tuple[int, ...]) -> str:
    """The inverse of :func:`version_numbers`."""
    return ".".join(str(one) for one in version)


def operator_bugs(version: str | None) -> list[OperatorBug]:
    """Those that this version has; none where it is not known."""
    numbers = version_numbers(version)
    return [bug for bug in _BUGS if numbers and bug.since <= numbers < bug.fixed]
