"""Which savepoints may go: never one in use, never the latest, never one whose use is not known."""

from collections.abc import Iterable, Sequence

import msgspec

from flinkops.errors import UsageError


class KnownSavepoint(msgspec.Struct, frozen=True):
    """One savepoint of a job. ``in_use`` says by what, or why that is not known; None: by nothing."""

    path: str
    taken_ms: int | None
    job_name: str
    job_id: str
    known_from: str  # Flink, the operator, a FlinkStateSnapshot, or the journal's plan id
    order: tuple[int, ...] = ()  # grows from older to newer, where more than their times is known of it
    size_bytes: int | None = None
    in_use: str | None = None
    snapshot: str | None = None  # the FlinkStateSnapshot that names it


def newest_first(savepoints: Iterable[KnownSavepoint]) -> tuple[KnownSavepoint, ...]:
    """By what is known of their order, then by the time when they were taken: by Flink's clock or by ours."""
    return tuple(sorted(savepoints, key=lambda one: (one.order, one.taken_ms or 0, one.path), reverse=True))


def prunable(
    savepoints: Sequence[KnownSavepoint], keep: int
) -> tuple[tuple[KnownSavepoint, ...], tuple[KnownSavepoint, ...]]:
    """What to delete and what to keep so that the `keep` newest stay; those in use stay as well.

    Raises UsageError for a `keep` under 1: the latest savepoint is what a job is brought back from.
    """
    if keep < 1:
        raise UsageError(f"--keep {keep}: at least the latest savepoint is kept")
    ordered = newest_first(savepoints)
    delete = tuple(one for one in ordered[keep:] if one.in_use is None)
    return delete, tuple(one for one in ordered if one not in delete)
