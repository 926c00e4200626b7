"""The last hours of the fleet on disk, in case somebody wants them: a recording that forgets its beginning.

One file a process, for its owner alone, never larger than MAX_BYTES; removed when the process ends normally. What was
killed leaves its file: the hour before a crash is what is needed.
"""

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flinkops.errors import FlinkopsError, OperationFailed
from flinkops.model.facts import FleetSnapshot
from flinkops.ownership import make_private
from flinkops.recording import Recorder, copy_frames, is_recording, newest_frame_ms
from flinkops.user_folders import state_folder

MAX_BYTES = 64 * 1024 * 1024
SUFFIX = ".kept.rec"
_SLACK = 1.25
"""The file is cut when it is longer than wanted by so much: cutting copies it."""
FRAMES_A_GROUP = 20
"""A cut begins at a whole snapshot."""
ABANDONED_SECONDS = 7 * 86_400.0


class Kept(NamedTuple):
    """A kept recording: whose, and of when its newest snapshot is."""

    path: Path
    pid: int
    newest_ms: int


def kept_folder() -> Path:
    """Where `status --keep` keeps them. Raises UsageError where there is no home folder."""
    return state_folder() / "kept"


class Keeper:
    """Takes snapshots; used by one thread at a time. When the disk is full, it says so once, and keeps nothing more."""

    def __init__(self, seconds: float, folder: Path, say: Callable[[str], None], *, max_bytes: int = MAX_BYTES) -> None:
        """Raises FlinkopsError when the file cannot be made."""
        self._keep_ms = round(seconds * 1000)
        self._max_bytes = max_bytes
        self._say = say
        try:
            make_private(folder)
        except OSError as problem:
            raise OperationFailed(f"cannot keep snapshots in {folder}: {problem.strerror}") from None
        _remove_abandoned(folder)
        self.path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._recorder: Recorder | None = Recorder(self.path, frames_a_group=FRAMES_A_GROUP)
        self._size = 0
        self._first_ms: int | None = None

    def __call__(self, snapshot: FleetSnapshot) -> None:
        """Keep it; never raises for a disk that is full."""
        if self._recorder is None:
            return
        try:
            self._size += self._recorder.write(snapshot)
            self._first_ms = snapshot.taken_ms if self._first_ms is None else self._first_ms
            if self._size > self._max_bytes or snapshot.taken_ms - self._first_ms > self._keep_ms * _SLACK:
                self._cut(snapshot.taken_ms)
        except (FlinkopsError, OSError) as problem:
            reason = problem.line() if isinstance(problem, FlinkopsError) else problem.strerror
            self._say(f"flinkops: snapshots are not kept any more: {reason}")
            self.close()

    def close(self) -> None:
        """Remove the file; a second time does nothing."""
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None
            self.path.unlink(missing_ok=True)

    def _cut(self, now_ms: int) -> None:
        """A new file with the end of the old one in its place: what is wanted of the time, half of the room at most."""
        if self._recorder is None:
            return
        self._recorder.close()
        part = self.path.with_suffix(".part")
        try:
            copied = copy_frames(self.path, part, since_ms=now_ms - self._keep_ms, most_bytes=self._max_bytes // 2)
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)
        self._size, self._first_ms = copied.size, copied.first_ms
        self._recorder = Recorder(self.path, frames_a_group=FRAMES_A_GROUP)


def write_last(target: Path, seconds: float, folder: Path) -> tuple[Kept, int]:
    """The end of the newest kept recording as a recording of its own: which one it was, and its number of snapshots.

    Raises OperationFailed when nobody keeps one or it cannot be written, UsageError when the target is there.
    """
    found = kept_in(folder)
    if not found:
        raise OperationFailed(
            f"nobody keeps snapshots in {folder}", next_step="flinkops status --keep 2h, or flinkops exporter --keep 2h"
        )
    newest = max(found, key=lambda kept: kept.newest_ms)
    copied = copy_frames(newest.path, target, since_ms=newest.newest_ms - round(seconds * 1000), most_bytes=MAX_BYTES)
    return newest, copied.frames


def kept_in(folder: Path) -> list[Kept]:
    """Those that hold a snapshot, in no order; empty where there is no such folder."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        number = path.name.partition("-")[0]
        if number.isdecimal() and is_recording(path) and (newest_ms := newest_frame_ms(path)) is not None:
            found.append(Kept(path, int(number), newest_ms))
    return found


def _remove_abandoned(folder: Path) -> None:
    """Of processes that were killed, when nobody has wanted their files for a week."""
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()
        except OSError:
            continue
