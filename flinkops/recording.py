"""Snapshots in a file, and a file of snapshots as one more place where snapshots come from.

The file is a line that says what it is, then frames: a header with length, checksum and time, then a zlib-compressed
payload. Every 60th frame is a whole snapshot (JSON); the others hold what changed since the one before. A frame is
written by one system call, so that what was killed in the middle is readable up to its last full frame.
docs/poller.md has the format and what it costs.
"""

import fcntl
import os
import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import msgspec

from flinkops.errors import OperationFailed, Refused, UsageError
from flinkops.model.facts import FleetSnapshot
from flinkops.outside.export import Export
from flinkops.recording_changes import applied, changes

MAGIC = b"flinkops recording 1\n"
FRAMES_A_GROUP = 60
MAX_SNAPSHOT_BYTES = 512 * 1024 * 1024
_HEADER = struct.Struct(">cIIq")  # whole or changes, payload length, its CRC-32, taken_ms
_WHOLE, _CHANGES = b"W", b"C"
_COMPRESSION = 6


class Recorder:
    """Appends snapshots to a file; one writer at a time. Raises Refused for a file that is something else."""

    def __init__(self, path: str | Path, *, frames_a_group: int = FRAMES_A_GROUP) -> None:
        self._path = Path(path)
        self._frames_a_group = frames_a_group
        self._frames_left = 0
        self._last: FleetSnapshot | None = None
        self._export = Export()
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except (OSError, ValueError) as problem:
            raise OperationFailed(
                f"cannot write {self._path}: {getattr(problem, 'strerror', None) or problem}"
            ) from None
        try:
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise OperationFailed(f"cannot write {self._path}: it is no file", next_step="choose another file")
            self._start()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, snapshot: FleetSnapshot) -> int:
        """Appends one frame and returns its size in bytes. Raises OperationFailed, for example on a full disk.

        Recordings are given away: of settings and texts only what `flinkops.outside.export` lets out is written.
        """
        self._export.learn(snapshot)
        snapshot = self._export.value(snapshot)
        whole = self._last is None or self._frames_left == 0
        if whole or self._last is None:
            content = msgspec.json.encode(snapshot)
            self._frames_left = self._frames_a_group
        else:
            content = msgspec.json.encode(changes(self._last, snapshot))
        payload = zlib.compress(content, _COMPRESSION)
        header = _HEADER.pack(_WHOLE if whole else _CHANGES, len(payload), zlib.crc32(payload), snapshot.taken_ms)
        self._append(header + payload)
        self._frames_left -= 1
        self._last = snapshot
        return len(header) + len(payload)

    def close(self) -> None:
        """Closes the file; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _start(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"{self._path} is being recorded to by another process") from None
        size = os.fstat(self._file).st_size
        if size == 0:
            self._for_its_owner()
            self._append(MAGIC)
            return
        if os.pread(self._file, len(MAGIC), 0) != MAGIC:
            raise Refused(f"{self._path} exists and is not a flinkops recording", next_step="choose another file")
        self._for_its_owner()
        end = max((frame.end for frame in _scan(self._file, size)), default=len(MAGIC))
        os.ftruncate(self._file, end)
        os.lseek(self._file, end, os.SEEK_SET)

    def _for_its_owner(self) -> None:
        """Nobody else may read it, also where an earlier version or somebody's umask left it open."""
        try:
            os.fchmod(self._file, 0o600)
        except OSError:
            raise Refused(f"{self._path} belongs to another user", next_step="choose another file") from None

    def _append(self, content: bytes) -> None:
        try:
            if os.write(self._file, content) == len(content):
                return
            reason = "no space for a whole frame"
        except OSError as problem:
            reason = problem.strerror or str(problem)
        raise OperationFailed(f"cannot write {self._path}: {reason}", next_step="what was written before is readable")


class _Frame(msgspec.Struct, frozen=True, gc=False):
    kind: bytes
    start: int  # of the payload
    length: int
    checksum: int
    taken_ms: int

    @property
    def end(self) -> int:
        return self.start + self.length


class Recording:
    """Reads a recording; any frame can be asked for. Raises UsageError for a file that is none."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        try:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as problem:
            raise UsageError(f"cannot read {self._path}: {getattr(problem, 'strerror', None) or problem}") from None
        try:
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise UsageError(f"cannot read {self._path}: it is no file", next_step="flinkops record FILE makes one")
            if os.pread(self._file, len(MAGIC), 0) != MAGIC:
                raise UsageError(
                    f"{self._path} is not a flinkops recording", next_step="flinkops record FILE makes one"
                )
            self._frames = list(_scan(self._file, os.fstat(self._file).st_size))
        except OSError as problem:
            os.close(self._file)
            raise UsageError(f"cannot read {self._path}: {problem.strerror}") from None
        except BaseException:
            os.close(self._file)
            raise
        self._position = -1
        self._content: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def frames(self) -> Sequence[_Frame]:
        """Where each snapshot stands in the file."""
        return self._frames

    def read(self, start: int, end: int) -> bytes:
        """The file's own bytes, undecoded."""
        return os.pread(self._file, end - start, start)

    @property
    def times_ms(self) -> list[int]:
        """When each frame's snapshot was taken."""
        return [frame.taken_ms for frame in self._frames]

    def snapshot(self, index: int) -> FleetSnapshot:
        """The snapshot of one frame; the next one after it costs least. Raises OperationFailed when it is damaged."""
        if not 0 <= index < len(self._frames):
            raise IndexError(index)
        first = index
        while self._frames[first].kind == _CHANGES and first > 0 and first - 1 != self._position:
            first -= 1
        try:
            for number in range(first, index + 1):
                content = msgspec.json.decode(self._payload(self._frames[number]))
                whole = self._frames[number].kind == _WHOLE
                self._content = content if whole else applied(self._content, content)
                self._position = number
            return msgspec.convert(self._content, FleetSnapshot)
        except (ValueError, TypeError, KeyError, AttributeError, zlib.error, RecursionError):
            self._position = -1
            raise OperationFailed(f"frame {index + 1} of {len(self)} of {self._path} is damaged") from None

    def close(self) -> None:
        """Closes the file; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _payload(self, frame: _Frame) -> bytes:
        payload = os.pread(self._file, frame.length, frame.start)
        if zlib.crc32(payload) != frame.checksum:
            raise ValueError("checksum")
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(payload, MAX_SNAPSHOT_BYTES)
        if unpacking.unconsumed_tail:
            raise ValueError("too large")
        return content


def is_recording(path: str | Path) -> bool:
    """Whether a file begins like a recording; False too when it cannot be read, which who opens it then says."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return stat.S_ISREG(os.fstat(descriptor).st_mode) and os.pread(descriptor, len(MAGIC), 0) == MAGIC
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return False


class Copied(NamedTuple):
    """What `copy_frames` wrote."""

    size: int
    frames: int
    first_ms: int | None


def copy_frames(source: Path, target: Path, *, since_ms: int, most_bytes: int) -> Copied:
    """A recording of the end of another one, which may be growing: from the last whole snapshot before `since_ms` on.

    Where that is more than `most_bytes`, it begins with a later whole snapshot. The target is new and its owner's.
    Raises UsageError when it is there already, OperationFailed when it cannot be written.
    """
    recording = Recording(source)
    try:
        start, chosen = _end_of(recording.frames, since_ms, most_bytes)
        content = recording.read(start, chosen[-1].end) if chosen else b""
    finally:
        recording.close()
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(MAGIC + content)
    except FileExistsError:
        raise UsageError(f"{target} exists", next_step="name another file") from None
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise OperationFailed(f"cannot write {target}: {reason}") from None
    return Copied(len(MAGIC) + len(content), len(chosen), chosen[0].taken_ms if chosen else None)


def newest_frame_ms(path: Path) -> int | None:
    """When the last snapshot of a recording was taken; None without one, or when it cannot be read any more."""
    try:
        recording = Recording(path)
    except UsageError:
        return None
    times_ms = recording.times_ms
    recording.close()
    return times_ms[-1] if times_ms else None


def _end_of(frames: Sequence[_Frame], since_ms: int, most_bytes: int) -> tuple[int, Sequence[_Frame]]:
    """Where to begin reading, and the frames from there to the end."""
    whole = [number for number, frame in enumerate(frames) if frame.kind == _WHOLE]
    wanted = next((number for number, frame in enumerate(frames) if frame.taken_ms >= since_ms), len(frames))
    begin = max((number for number in whole if number <= wanted), default=len(frames))
    for number in (each for each in whole if each >= begin):
        start = frames[number].start - _HEADER.size
        if frames[-1].end - start <= most_bytes:
            return start, frames[number:]
    return 0, ()


class Replay:
    """A recording in place of a Collector: each `collect` gives the next snapshot, at the end the last one again.

    `seek` chooses what `collect` gives next; how fast it is called is up to who plays it.
    """

    def __init__(self, path: str | Path) -> None:
        self._recording = Recording(path)
        if len(self._recording) == 0:
            self._recording.close()
            raise UsageError(f"{path} holds no complete frame")
        self._next = 0

    def __len__(self) -> int:
        return len(self._recording)

    @property
    def times_ms(self) -> list[int]:
        """When each snapshot was taken."""
        return self._recording.times_ms

    @property
    def position(self) -> int:
        """The index of the snapshot that was given last; -1 before the first."""
        return self._next - 1

    @property
    def at_end(self) -> bool:
        """The last snapshot has been given."""
        return self._next >= len(self)

    def collect(self) -> FleetSnapshot:
        """The next snapshot. Raises OperationFailed when its frame is damaged; the next call goes on after it."""
        index = min(self._next, len(self) - 1)
        self._next = index + 1
        return self._recording.snapshot(index)

    def seek(self, index: int) -> None:
        """`collect` gives this one next; outside of the recording it is the first or the last."""
        self._next = max(0, min(index, len(self) - 1))

    def index_at(self, at_ms: int) -> int:
        """Of the last snapshot that was taken at `at_ms` or before; else of the first."""
        return max((index for index, taken_ms in enumerate(self.times_ms) if taken_ms <= at_ms), default=0)

    def close(self) -> None:
        """Closes the file."""
        self._recording.close()


def _scan(file: int, size: int) -> Iterator[_Frame]:
    """The full frames of a file, by their headers; what follows the last full one was cut off."""
    position, number = len(MAGIC), 0
    while position + _HEADER.size <= size:
        kind, length, checksum, taken_ms = _HEADER.unpack(os.pread(file, _HEADER.size, position))
        start = position + _HEADER.size
        if start + length > size or kind not in (_WHOLE, _CHANGES) or (number == 0 and kind != _WHOLE):
            return
        yield _Frame(kind, start, length, checksum, taken_ms)
        position, number = start + length, number + 1
