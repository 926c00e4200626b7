"""Savepoints and checkpoints as files: the metadata of one, and which of them a folder holds."""

import hashlib
from contextlib import suppress
from typing import Final
from urllib.parse import unquote

import msgspec

from flinkops.act.java_stream import MetadataError
from flinkops.model.places import METADATA_FILE
from flinkops.sources.storage.location import Location, savepoint_folder, without_entropy
from flinkops.sources.storage.port import Entry, OutOfReach, Storage
from flinkops.sources.storage.stores import Stores, place_of

MAX_METADATA_BYTES: Final = 256 * 1024 * 1024


class Absent(Exception):
    """The storage answers, and there is no such savepoint; the message says what is missing."""


class MetadataFile(msgspec.Struct, frozen=True):
    """A `_metadata` as it was read, and the folder that it lies in."""

    storage: Storage
    folder: Location
    content: bytes
    modified_ms: int | None

    def written_ms(self) -> int | None:
        """When it was written; asked for where the storage does not say so as it is read."""
        if self.modified_ms is not None:
            return self.modified_ms
        entry = self.storage.entry(self.folder.child(METADATA_FILE))
        return None if entry is None else entry.modified_ms

    def same_as(self, other: "MetadataFile") -> bool:
        """Whether nobody has written it since."""
        return hashlib.sha256(self.content).digest() == hashlib.sha256(other.content).digest()


def read_metadata_file(path: str, stores: Stores) -> MetadataFile:
    """The `_metadata` of a savepoint's folder, of that file itself, or of a URI of either.

    Flink escapes a path or not, depending on where it shows it: the one that is there is meant. Raises Absent,
    OutOfReach, and MetadataError for a file that is too large to be one.
    """
    folders = [savepoint_folder(place_of(form)) for form in dict.fromkeys((path, unquote(path)))]
    for folder in folders:
        storage = stores.at(folder)
        found = storage.read(folder.child(METADATA_FILE), 0, MAX_METADATA_BYTES + 1)
        if found is None:
            continue
        if len(found.raw) > MAX_METADATA_BYTES:
            raise MetadataError("it is larger than any that Flink writes")
        return MetadataFile(storage, folder, found.raw, found.modified_ms)
    raise _absence(folders, stores)


def _absence(folders: list[Location], stores: Stores) -> Absent | OutOfReach:
    answers: list[bool] = []
    trouble: OutOfReach | None = None
    for folder in folders:
        try:
            answers.append(stores.at(folder).is_folder(folder))
        except OutOfReach as problem:
            trouble = trouble or problem
    if trouble is not None and not answers:
        return trouble
    return Absent(f"there is no {METADATA_FILE} in it" if any(answers) else "there is no such folder")


def savepoints_in(
    directory: str, job_id: str, stores: Stores, *, since_seconds: float, until_seconds: float = float("inf")
) -> list[str]:
    """Savepoints of a job written into this folder in that time, newest first; empty where it is out of reach.

    Flink names them ``savepoint-<first six of the job id>-<random>``.
    """
    written: list[tuple[int, str]] = []
    with suppress(OutOfReach):
        root = without_entropy(_folder(directory, stores))
        storage = stores.at(root)
        base = _said(directory, root)
        for name in _folders(storage, root, f"savepoint-{job_id[:6]}-"):
            metadata = _entry(storage, root.child(name).child(METADATA_FILE))
            if metadata is None or metadata.modified_ms is None:
                continue
            if since_seconds <= metadata.modified_ms / 1000 < until_seconds:
                written.append((metadata.modified_ms, f"{base}/{name}"))
    return [path for _, path in sorted(written, reverse=True)]


def newer_beside(checkpoint: str, stores: Stores) -> list[str]:
    """Complete checkpoints (``chk-<number>``) in the same folder with greater numbers, greatest first.

    REST tells of a checkpoint seconds late, and Flink has then disposed of the one before. Empty where the folder is
    out of reach.
    """
    root, _, name = checkpoint.rstrip("/").removesuffix(f"/{METADATA_FILE}").rpartition("/")
    number = _checkpoint_number(name)
    if not root or number is None:
        return []
    found: list[int] = []
    with suppress(OutOfReach):
        folder = _folder(root, stores)
        storage = stores.at(folder)
        newer = (one for one in _folders(storage, folder, "chk-") if (_checkpoint_number(one) or 0) > number)
        found += [
            _checkpoint_number(one) or 0 for one in newer if _entry(storage, folder.child(one).child(METADATA_FILE))
        ]
    return [f"{root}/chk-{one}" for one in sorted(found, reverse=True)]


def _folder(directory: str, stores: Stores) -> Location:
    """The folder, escaped or not, as it is there."""
    forms = [place_of(form) for form in dict.fromkeys((directory, unquote(directory)))]
    if len(forms) == 1:
        return forms[0]
    return next((one for one in forms if stores.at(one).is_folder(one)), forms[0])


def _said(directory: str, root: Location) -> str:
    """The folder as it was given; less the marker for entropy, which no savepoint's path has."""
    given = directory.rstrip("/")
    if root == without_entropy(place_of(given)) != place_of(given):
        return f"{given.partition('://')[0]}://{root.root}/{root.path}"
    return given


def _folders(storage: Storage, folder: Location, starts_with: str) -> list[str]:
    pages = storage.pages(folder, starts_with=starts_with)
    return [entry.name for page in pages for entry in page if entry.is_folder]


def _entry(storage: Storage, place: Location) -> Entry | None:
    """None also where just this one cannot be read."""
    try:
        return storage.entry(place)
    except OutOfReach:
        return None


def _checkpoint_number(name: str) -> int | None:
    digits = name.removeprefix("chk-")
    return int(digits) if name.startswith("chk-") and digits.isascii() and digits.isdigit() else None
