"""What a file under a folder of savepoints and checkpoints belongs to, by Flink's own names. Pure.

Names: ``AbstractFsCheckpointStorageAccess`` (``JOB/chk-N``, ``JOB/shared``, ``JOB/taskowned``,
``savepoint-SIX-RANDOM``) and ``StateChangeFsUploader`` (``JOB/dstl``) of Flink.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

UnitKind = Literal["savepoint", "checkpoint", "shared", "taskowned", "changelog"]

_JOB = re.compile(r"[0-9a-f]{32}")
_SAVEPOINT = re.compile(r"savepoint-([0-9a-f]{6})-[0-9a-f]+")
_CHECKPOINT = re.compile(r"chk-\d+")
_BY_FILE: Final[dict[str, UnitKind]] = {"shared": "shared", "taskowned": "taskowned", "dstl": "changelog"}
_KEY = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}/chk-\d+(?!\d)|savepoint-[0-9a-f]{6}-[0-9a-f]+")
_JOB_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_BETWEEN_PATHS = re.compile(r"""["'\\\x00-\x1f\x7f]+""")
_SNAPSHOT = re.compile(r"/(?:chk-\d++|savepoint-[0-9a-f]{6}-[0-9a-f]++)")
_SCHEME_BEFORE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:\Z")
_LONGEST_SCHEME = 32


class Unit(msgspec.Struct, frozen=True):
    """What is kept or goes as a whole: a snapshot's folder, or one file that several checkpoints may share.

    ``key``: by what other places speak of it, wherever the folder is: with entropy its files lie in several.
    ``job``: the job's id, or its first six digits.
    """

    kind: UnitKind
    path: str
    key: str
    job: str

    @property
    def is_snapshot(self) -> bool:
        """Whether it is a folder with a ``_metadata`` of its own."""
        return self.kind in ("savepoint", "checkpoint")


def unit_of(path: str) -> Unit | None:
    """What the file at this path belongs to; None: nothing that Flink names so.

    >>> unit_of("sp/savepoint-1a2b3c-00ff/x").key, unit_of("c/" + "a" * 32 + "/chk-7/_metadata").path[-5:]
    ('savepoint-1a2b3c-00ff', 'chk-7')
    >>> unit_of("ha/completedCheckpoint1")
    """
    parts = path.split("/")
    for at, part in enumerate(parts[:-1]):
        if (found := _SAVEPOINT.fullmatch(part)) is not None:
            return Unit("savepoint", "/".join(parts[: at + 1]), part, found[1])
        if _JOB.fullmatch(part) is None or at + 2 >= len(parts):
            continue
        below = parts[at + 1]
        if _CHECKPOINT.fullmatch(below):
            return Unit("checkpoint", "/".join(parts[: at + 2]), f"{part}/{below}", part)
        if (kind := _BY_FILE.get(below)) is not None:
            return Unit(kind, path, path, part)
    return None


def tail_of(path: str) -> str:
    """The part of a file's path that is the same however its storage is reached: by a link, a mount, another scheme.

    From the job's id on, or from the savepoint's name; the whole path where Flink names it otherwise.

    >>> tail_of("/mnt/c/" + "a" * 32 + "/shared/1")[:4], tail_of("/x/savepoint-1a2b3c-00ff/y"), tail_of("/x/y")
    ('aaaa', 'savepoint-1a2b3c-00ff/y', '/x/y')
    """
    unit = unit_of(path)
    if unit is None:
        return path
    start = len(unit.path) - len(unit.key) if unit.is_snapshot else path.index(f"/{unit.job}/") + 1
    return path[start:]


def keys_in(text: str) -> frozenset[str]:
    """The keys of all snapshots that a text speaks of."""
    return frozenset(_KEY.findall(text))


def job_ids_in(text: str) -> frozenset[str]:
    """All that may be job ids."""
    return frozenset(_JOB_ID.findall(text))


def paths_in(text: str) -> Iterator[str]:
    """The paths of snapshots that a text holds: from its first slash, with the scheme before it, to their names."""
    yield from dict.fromkeys(path for piece in _BETWEEN_PATHS.split(text) for path in _paths_of(piece))


def _paths_of(piece: str) -> Iterator[str]:
    after = 0
    for found in _SNAPSHOT.finditer(piece):
        slash = piece.find("/", after, found.start())
        if slash >= 0:
            scheme = _SCHEME_BEFORE.search(piece, max(after, slash - _LONGEST_SCHEME), slash)
            yield piece[scheme.start() if scheme else slash : found.end()]
            after = found.end()
