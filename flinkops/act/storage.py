"""Savepoints as files: is everything there? Only local folders can be read; the rest stays unknown."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from flinkops.act.savepoint_metadata import MetadataError, SavepointMetadata, parse_metadata
from flinkops.model.places import METADATA_FILE
from flinkops.paths import is_file, is_folder

Verdict = Literal["ok", "bad", "unknown"]
_MAX_METADATA_BYTES = 256 * 1024 * 1024
_SHOWN_PROBLEMS = 20


class SavepointCheck(msgspec.Struct, frozen=True):
    """What was found at a savepoint's path. Unknown: it could not be read from here, which is not bad."""

    path: str
    verdict: Verdict
    why: str
    metadata: SavepointMetadata | None = None
    problems: tuple[str, ...] = ()
    total_bytes: int | None = None


def check_savepoint(path: str) -> SavepointCheck:
    """Parses ``_metadata`` at `path` (a folder, the file itself, or a URI) and finds every file it names."""
    folder = local_folder(path)
    if folder is None:
        scheme = urlsplit(path).scheme
        return SavepointCheck(path, "unknown", f"storage {scheme}: is not reachable from here")
    try:
        if not is_folder(folder):
            return _absent(path, folder)
        metadata = parse_metadata(_read_metadata(folder))
    except FileNotFoundError:
        return SavepointCheck(path, "bad", f"there is no {METADATA_FILE} in it")
    except OSError as problem:
        return SavepointCheck(path, "unknown", f"it cannot be read from here: {problem.strerror or problem}")
    except MetadataError as problem:
        return SavepointCheck(path, "bad", f"its {METADATA_FILE} is not usable: {problem}")
    return _check_files(path, folder, metadata)


def local_folder(path: str) -> Path | None:
    """The folder on this machine that a path or ``file:`` URI means; None for other storage.

    >>> local_folder("file:///data/sp/_metadata"), local_folder("s3://bucket/sp")
    (PosixPath('/data/sp'), None)
    """
    parts = urlsplit(path)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        return None
    text = "/" + path.partition(":")[2].lstrip("/") if parts.scheme else path
    # Flink escapes a path or not, depending on where it shows it: the one that is there is meant.
    forms = [Path(form) for form in dict.fromkeys((text, unquote(text)))]
    found = next((form for form in forms if is_file(form) or is_folder(form)), None)
    found = found or next((form for form in forms if is_folder(form.parent)), forms[0])
    return found.parent if found.name == METADATA_FILE else found


def savepoints_in(
    directory: str, job_id: str, *, since_seconds: float, until_seconds: float = float("inf")
) -> list[str]:
    """Savepoints of a job written into this folder in that time, newest first; empty where it is out of reach.

    Flink names them ``savepoint-<first six of the job id>-<random>``.
    """
    folder = local_folder(directory)
    if folder is None:
        return []
    written: list[tuple[float, str]] = []
    for metadata in folder.glob(f"savepoint-{job_id[:6]}-*/{METADATA_FILE}"):
        with suppress(OSError):
            at_seconds = metadata.stat().st_mtime
            if since_seconds <= at_seconds < until_seconds:
                written.append((at_seconds, f"{directory.rstrip('/')}/{metadata.parent.name}"))
    return [path for _, path in sorted(written, reverse=True)]


def newer_beside(checkpoint: str) -> list[str]:
    """Complete checkpoints (``chk-<number>``) in the same folder with greater numbers, greatest first.

    REST tells of a checkpoint seconds late, and Flink has then disposed of the one before. Empty where the folder is
    out of reach.
    """
    root, _, name = checkpoint.rstrip("/").removesuffix(f"/{METADATA_FILE}").rpartition("/")
    folder, number = local_folder(root), _checkpoint_number(name)
    if folder is None or number is None:
        return []
    found = [_checkpoint_number(one.parent.name) for one in folder.glob(f"chk-*/{METADATA_FILE}")]
    return [f"{root}/chk-{one}" for one in sorted((one for one in found if one and one > number), reverse=True)]


def _checkpoint_number(name: str) -> int | None:
    digits = name.removeprefix("chk-")
    return int(digits) if name.startswith("chk-") and digits.isascii() and digits.isdigit() else None


def _absent(path: str, folder: Path) -> SavepointCheck:
    """A folder that is not there is bad news only when the place it should be in is."""
    if folder.parent.is_dir():
        return SavepointCheck(path, "bad", "there is no such folder")
    return SavepointCheck(path, "unknown", f"{folder.parent} does not exist on this machine: the storage is elsewhere")


def _open_at_once(path: str, flags: int) -> int:
    """A pipe in the place of a file has nothing to read; it is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read_metadata(folder: Path) -> bytes:
    with open(folder / METADATA_FILE, "rb", opener=_open_at_once) as file:
        content = file.read(_MAX_METADATA_BYTES + 1)
    if len(content) > _MAX_METADATA_BYTES:
        raise MetadataError("it is larger than any that Flink writes")
    return content


def _check_files(path: str, folder: Path, metadata: SavepointMetadata) -> SavepointCheck:
    problems: list[str] = []
    unknown: list[str] = []
    total_bytes = metadata.inline_bytes
    for file in metadata.files:
        if file.relative:
            place: Path | None = folder / file.path
            if not _is_inside(folder, file.path):
                problems.append(f"{file.path}: points out of the savepoint")
                continue
        else:
            place = _local_file(file.path)
        if place is None:
            unknown.append(file.path)
            continue
        try:
            size_bytes = place.stat().st_size
        except FileNotFoundError:
            problems.append(f"{file.path}: missing")
            continue
        except OSError as problem:
            unknown.append(f"{file.path}: {problem.strerror or problem}")
            continue
        total_bytes += size_bytes
        if size_bytes < file.end_bytes or (file.exact and size_bytes != file.end_bytes):
            problems.append(f"{file.path}: {size_bytes} bytes, {file.end_bytes} expected")
    count = len(metadata.files)
    if problems:
        why, verdict = f"{len(problems)} of the {count} files it names are missing or damaged", "bad"
    elif unknown:
        why, verdict = f"{len(unknown)} of the {count} files it names are out of reach from here", "unknown"
    else:
        why, verdict = f"{count} files, {total_bytes} bytes of state, all there", "ok"
    known_total = total_bytes if verdict == "ok" else None
    return SavepointCheck(path, verdict, why, metadata, tuple(problems[:_SHOWN_PROBLEMS]), known_total)  # type: ignore[arg-type]


def _is_inside(folder: Path, relative: str) -> bool:
    return (folder / relative).resolve().is_relative_to(folder.resolve())


def _local_file(path: str) -> Path | None:
    folder = local_folder(path)
    return None if folder is None else folder
