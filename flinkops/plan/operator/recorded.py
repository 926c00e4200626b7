"""Savepoints that the operator has recorded in a resource's status, or Flink, and which stopped the job. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from flinkops.model.facts import JobFacts
from flinkops.model.json_reading import items, section
from flinkops.model.operator_marks import LAST_STATE_DUMMY


def pending_savepoint(status: Mapping[str, Any]) -> bool:
    """Whether the operator is taking a savepoint (by its own trigger id)."""
    info = section(section(status, "jobStatus"), "savepointInfo")
    return bool(info.get("triggerId"))


def last_savepoint(status: Mapping[str, Any]) -> str | None:
    """``savepointInfo.lastSavepoint.location``."""
    info = section(section(status, "jobStatus"), "savepointInfo")
    location = section(info, "lastSavepoint").get("location")
    return None if location is None else str(location)


def recorded_savepoint(status: Mapping[str, Any]) -> str | None:
    """The state that a stopped job would be restored from: newer field first."""
    path = section(status, "jobStatus").get("upgradeSavepointPath")
    if path is not None:
        return None if path == LAST_STATE_DUMMY else str(path)
    return last_savepoint(status)


class TakenSavepoint(NamedTuple):
    """A savepoint that the operator has taken. ``at_ms`` 0: it does not say when."""

    path: str
    at_ms: int


def recorded_savepoints(status: Mapping[str, Any]) -> list[TakenSavepoint]:
    """All that the resource still knows, whatever they were taken for; what names none, or no text, is left out."""
    job_status = section(status, "jobStatus")
    path = job_status.get("upgradeSavepointPath")
    found = [TakenSavepoint(path, 0)] if isinstance(path, str) and path != LAST_STATE_DUMMY else []
    for one in _listed(job_status):
        location, at_ms = one.get("location"), one.get("timeStamp")
        if isinstance(location, str) and location and location not in [each.path for each in found]:
            found.append(TakenSavepoint(location, at_ms if type(at_ms) is int and at_ms > 0 else 0))
    return found


def _listed(job_status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those of ``savepointInfo``, the last one first."""
    info = section(job_status, "savepointInfo")
    return [section(info, "lastSavepoint"), *items(info, "savepointHistory")]


def stop_savepoints(status: Mapping[str, Any]) -> list[TakenSavepoint]:
    """Those with which it stopped the job, newest first; operator 1.7 keeps a history of them.

    ``upgradeSavepointPath`` where the operator writes it; else those of trigger type UPGRADE.
    """
    job_status = section(status, "jobStatus")
    path = job_status.get("upgradeSavepointPath")
    if path is not None:
        return [] if path == LAST_STATE_DUMMY else [TakenSavepoint(str(path), 0)]
    found = [
        TakenSavepoint(str(one["location"]), int(one.get("timeStamp") or 0))
        for one in _listed(job_status)
        if one.get("triggerType") == "UPGRADE" and one.get("location")
    ]
    return sorted(dict.fromkeys(found), key=lambda one: -one.at_ms)


def lost_stop_savepoint(status: Mapping[str, Any], known: str | None = None) -> str | None:
    """The savepoint that stopped the job, where something else is recorded as the state to restore; else None.

    `known` is that savepoint where it was seen elsewhere (by Flink, in the journal). Operator 1.7, seen on a real one:
    the last checkpoint, or what the job was started from, may be recorded over the savepoint that stopped the job.
    Flink drops that checkpoint when the job has stopped, and the next start crash-loops, or repeats what was done.
    """
    recorded = section(section(section(status, "jobStatus"), "savepointInfo"), "lastSavepoint")
    if known is not None:
        restores = recorded_savepoint(status)
        return None if restores is not None and _folder(restores) == _folder(known) else known
    newest = next(iter(stop_savepoints(status)), None)
    if newest is None or recorded.get("triggerType") == "UPGRADE":
        return None
    if _folder(str(recorded.get("location") or "")) == _folder(newest.path):
        return None
    return newest.path if int(recorded.get("timeStamp") or 0) < newest.at_ms else None


def _folder(path: str) -> str:
    """The last part of a path: savepoints have unique names, and their roots are spelled in several ways."""
    return path.rstrip("/").rpartition("/")[2]


def stopped_with(job: JobFacts) -> str | None:
    """The savepoint that a job was stopped with, as Flink has it: the last that a FINISHED job did."""
    points = job.checkpoints
    if job.state != "FINISHED" or points is None:
        return None
    known = (*points.history, *filter(None, [points.latest_savepoint]))
    last = max((one for one in known if one.status == "COMPLETED"), key=lambda one: one.id, default=None)
    return last.external_path if last is not None and last.is_savepoint else None
