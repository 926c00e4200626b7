"""The lists of files that nobody refers to, beside the journal: for their owner alone."""

import hashlib
from pathlib import Path

import msgspec

from flinkops.errors import OperationFailed
from flinkops.ownership import make_private
from flinkops.plan.orphan_list import OrphanList
from flinkops.plan.orphans import StoredFile, UnitFiles
from flinkops.private_file import write_private


class Deletion(msgspec.Struct, frozen=True):
    """The files that one plan removes from a folder; what a snapshot's folder is made of stands together."""

    folder: str
    files: tuple[StoredFile, ...]


def read_list(journal_folder: Path, folder: str) -> OrphanList | None:
    """What the last run wrote of this folder; None: nothing that can be read."""
    try:
        return msgspec.json.decode(_path(journal_folder, folder).read_bytes(), type=OrphanList)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def write_list(journal_folder: Path, current: OrphanList) -> Path:
    """Keep it for the next run. Raises OperationFailed."""
    return _write(_path(journal_folder, current.folder), msgspec.json.encode(current))


def write_deletion(journal_folder: Path, plan_id: str, folder: str, units: tuple[UnitFiles, ...]) -> tuple[Path, str]:
    """The files of a plan, metadata first of each snapshot: the path of the list and its digest."""
    files = [one for unit in units for one in sorted(unit.files, key=_metadata_first)]
    content = msgspec.json.encode(Deletion(folder, tuple(files)))
    path = _path(journal_folder, folder).with_suffix(f".{plan_id}.json")
    return _write(path, content), hashlib.sha256(content).hexdigest()


def read_deletion(path: str, digest: str) -> Deletion:
    """Raises OperationFailed for a list that is gone or was changed."""
    try:
        content = Path(path).read_bytes()
    except OSError as problem:
        raise OperationFailed(f"{path} cannot be read: {problem.strerror or problem}") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise OperationFailed(f"{path} was changed since the plan was made")
    return msgspec.json.decode(content, type=Deletion)


def _metadata_first(file: StoredFile) -> bool:
    return not file.path.endswith("/_metadata")


def _path(journal_folder: Path, folder: str) -> Path:
    digest = hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return journal_folder / "orphans" / f"{digest}.json"


def _write(path: Path, content: bytes) -> Path:
    try:
        make_private(path.parent)
        write_private(path, content)
    except OSError as problem:
        raise OperationFailed(f"{path} cannot be written: {problem.strerror or problem}") from None
    return path
