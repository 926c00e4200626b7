"""Plans about folders, which ask no Flink cluster: removing what nobody refers to, copying a savepoint. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from flinkops.clock import iso_utc
from flinkops.model.plan import Plan, Step, Target
from flinkops.model.quantities import human_bytes
from flinkops.plan.identity import Stamp
from flinkops.plan.orphans import UnitFiles
from flinkops.plan.step_inputs import CopySavepoint, DeleteOrphans

SOURCE: Final = "storage"
"""In the place of a cluster's name."""
KIND: Final = "storage"
"""The kind of a target that is a folder, not a job."""


class FolderDeletion(NamedTuple):
    """What goes of one folder, and where its files are listed."""

    folder: str
    units: tuple[UnitFiles, ...]
    list_file: str
    digest: str


def plan_deletion(
    deletions: Sequence[FolderDeletion], stamp: Stamp, *, why: Sequence[str], refused: Sequence[str]
) -> Plan:
    """One step a folder; `refused` was found outside."""
    steps = tuple(
        Step(f"delete-{number}", DeleteOrphans(one.folder, one.list_file, one.digest))
        for number, one in enumerate(deletions, 1)
    )
    return Plan(
        id=stamp.plan_id,
        verb="storage-delete",
        target=Target(source=SOURCE, job_name="", job_id="", kind=KIND),
        created_ms=stamp.now_ms,
        diff=tuple(_line(one.folder, unit) for one in deletions for unit in one.units),
        requested_mode="delete",
        effective_mode="fail" if refused else "delete",
        why=tuple(why),
        risks=("files that were deleted cannot be brought back",) if steps else (),
        refused=tuple(refused),
        steps=() if refused else steps,
        severe=True,
        command=stamp.command,
    )


def _line(folder: str, unit: UnitFiles) -> str:
    written = iso_utc(unit.newest_ms) or "at an unknown time"
    size = human_bytes(unit.total_bytes)
    return f"- {unit.unit.path} in {folder} ({len(unit.files)} files, {size}, written {written})"


def plan_copy(path: str, target: str, stamp: Stamp, *, what: str, refused: Sequence[str]) -> Plan:
    """Copy a savepoint to `target`, its new path; `what` says what it is made of, `refused` was found outside."""
    return Plan(
        id=stamp.plan_id,
        verb="savepoint-copy",
        target=Target(source=SOURCE, job_name="", job_id="", kind=KIND),
        created_ms=stamp.now_ms,
        diff=(f"+ {target}",),
        requested_mode="copy",
        effective_mode="fail" if refused else "copy",
        why=(f"{path}: {what}",),
        refused=tuple(refused),
        steps=() if refused else (Step("copy", CopySavepoint(path, target)),),
        command=stamp.command,
    )
