"""Faults of the Flink Kubernetes operator by its version, which plans and diagnoses both must know."""

import re
from typing import Literal, NamedTuple

Strikes = Literal["upgrade", "session-job", "blue-green", "savepoints", "deletion"]


class OperatorBug(NamedTuple):
    """Versions from ``since`` on, before ``fixed``, have it."""

    issue: str
    since: tuple[int, ...]
    fixed: tuple[int, ...]
    effect: str
    strikes: Strikes = "upgrade"


# First fixed release; found by the fix's commit in the operator's release branches. FLINK-39618, a deadlock of
# deletions, came and went between 1.14.0 and 1.15.0: it is in no release. 1.16.0 stands for main, not yet released.
_BUGS = (
    OperatorBug(
        "FLINK-40119",
        (1, 14),
        (1, 16, 0),
        "may delete the running child at once in the transition after an aborted one",
        "blue-green",
    ),
    OperatorBug(
        "FLINK-40092",
        (1, 14),
        (1, 16, 0),
        "may stay TRANSITIONING although the new child runs and the old one is deleted",
        "blue-green",
    ),
    OperatorBug("FLINK-37766", (0,), (1, 15, 0), "may never end the deletion of a session job", "deletion"),
    OperatorBug(
        "FLINK-39439", (0,), (1, 15, 0), "forgets a savepoint whose disposal failed: its files stay", "savepoints"
    ),
    OperatorBug("FLINK-38858", (0,), (1, 14, 0), "may submit a session job twice after a failed one", "session-job"),
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


def operator_bugs(version: str | None, *strikes: Strikes) -> list[OperatorBug]:
    """Those that this version has, and that strike in one of these; none where the version is not known."""
    numbers, wanted = version_numbers(version), strikes or ("upgrade",)
    return [bug for bug in _BUGS if numbers and bug.since <= numbers < bug.fixed and bug.strikes in wanted]
