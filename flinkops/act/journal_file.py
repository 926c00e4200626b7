"""The journal's file: whole lines, each on the disk before it counts, and room for an action set aside beforehand.

Lines are appended under a lock, so that processes may share the file. A crash may tear the last line: the next writer
removes what is there of it. A line that finds no room in the file goes into the space that its action has reserved.
"""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from flinkops.ownership import make_private

JOURNAL_FILE = "journal.jsonl"
RESERVES = "reserve"

_FIRST_BYTES = b'{"schema_version":'  # of every line: tells a torn line from what never was one
_PADDING = b"\0"
_CHUNK = 1 << 16


class Line(msgspec.Struct, frozen=True):
    """One line that is not blank; ``number`` counts from 1 in the file ``path``."""

    path: Path
    number: int
    content: bytes


class Reserve:
    """Space on the disk that one action has for its lines, for when the journal's own file finds none.

    The space is written or allocated before the action begins; its lines overwrite it.
    """

    def __init__(self, descriptor: int, path: Path, size_bytes: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._size_bytes = size_bytes
        self.used_bytes = 0

    def write(self, line: bytes) -> None:
        """Raises OSError when the space is used up, was removed, or cannot be written."""
        if not os.fstat(self._descriptor).st_nlink:
            raise OSError(errno.ENOENT, "what was reserved for this action was removed")
        if self.used_bytes + len(line) > self._size_bytes:
            raise OSError(errno.ENOSPC, "No space left in what was reserved for this action")
        _write_all(self._descriptor, line, self.used_bytes)
        self.used_bytes += len(line)
        os.fsync(self._descriptor)


class JournalFile:
    """``journal.jsonl`` in one folder, and the reserves beside it. All methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / JOURNAL_FILE

    def append(self, line: bytes, reserve: Reserve | None = None) -> None:
        """Write one line with its newline and wait until it is on the disk.

        When the file takes no more (a full disk, a quota) the line goes into the reserve, and so do those after it:
        their order is kept.
        """
        if reserve is not None and reserve.used_bytes:
            reserve.write(line)
            return
        try:
            self._append(line)
        except OSError:
            if reserve is None:
                raise
            reserve.write(line)

    def lines(self) -> list[Line]:
        """All lines, oldest first, those in reserves last; without a torn last one. No file is no lines."""
        found = list(_split(self.path, _read(self.path)))
        known: set[bytes] | None = None
        for path in self._reserves():
            with suppress(FileNotFoundError):  # settled meanwhile
                for line in _split(path, _read(path)):
                    known = {one.content for one in found} if known is None else known
                    if line.content not in known:  # else copied into the file already
                        found.append(line)
        return found

    @contextmanager
    def reserved(self, key: str, size_bytes: int) -> Iterator[Reserve]:
        """Space of that size for the action `key`, on the disk before this yields; given back at the end.

        Lines that had to go there move into the file as soon as it has room: now, or before a later action.
        """
        self._settle_all()
        path = (
            self.folder / RESERVES / f"{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.jsonl"
        )
        descriptor = _open_locked(path)
        reserve: Reserve | None = None
        try:
            if not os.fstat(descriptor).st_size:
                reserve = Reserve(descriptor, path, size_bytes)
                _allocate(descriptor, size_bytes)
            else:  # an earlier try's lines that the file still has no room for
                reserve = _continued(descriptor, path, size_bytes)
            yield reserve
        finally:
            if reserve is None or not reserve.used_bytes:
                with suppress(OSError):
                    path.unlink()
            os.close(descriptor)
            with suppress(OSError):
                self._settle_all()

    def rewrite(self, choose: Callable[[list[Line]], list[bytes]], copy_suffix: str) -> Path:
        """Leave only the lines that `choose` keeps of all, and a copy of everything beside the file; its path.

        A crash leaves the old file or the new one.
        """
        descriptor = _open_locked(self.path)
        try:
            kept = choose(self.lines())
            copy = self.path.with_name(f"{self.path.name}{copy_suffix}")
            _write_new(copy, b"".join(_read(path).rstrip(_PADDING) for path in (self.path, *self._reserves())))
            part = self.path.with_name(f"{self.path.name}.part")
            _write_new(part, b"".join(line + b"\n" for line in kept))
            part.replace(self.path)
            _sync_folder(self.folder)
            for path in self._reserves():
                with suppress(OSError), _if_free(path):
                    path.unlink()
        finally:
            os.close(descriptor)
        return copy

    def _append(self, lines: bytes) -> None:
        is_new = not self.path.exists()
        descriptor = _open_locked(self.path)
        try:
            end = _whole_bytes(descriptor)
            try:
                if end < os.fstat(descriptor).st_size:
                    os.ftruncate(descriptor, end)
                if end and os.pread(descriptor, 1, end - 1) != b"\n":
                    lines = b"\n" + lines  # the last line is whole, but for its end
                _write_all(descriptor, lines, end)
                os.fsync(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(self.folder)

    def _reserves(self) -> list[Path]:
        try:
            return sorted((self.folder / RESERVES).glob("*.jsonl"))
        except OSError:
            return []

    def _settle_all(self) -> None:
        """Move the lines of reserves that nobody holds into the file, as far as it has room for them."""
        for path in self._reserves():
            with suppress(OSError), _if_free(path):
                lines = [line.content for line in _split(path, _read(path))]
                if lines:
                    self._append(b"".join(line + b"\n" for line in lines))
                path.unlink()


def _open_locked(path: Path, how: int = fcntl.LOCK_EX) -> int:
    """A file's descriptor with its lock held. A file that was replaced or removed meanwhile is opened again."""
    make_private(path.parent)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            _require_regular(descriptor)
            fcntl.flock(descriptor, how)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextmanager
def _if_free(path: Path) -> Iterator[None]:
    """Holds the lock of a reserve. Raises OSError when an action has it."""
    descriptor = _open_locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        os.close(descriptor)


def _continued(descriptor: int, path: Path, size_bytes: int) -> Reserve:
    """A reserve with lines in it and as much space again behind them."""
    used = len(os.pread(descriptor, os.fstat(descriptor).st_size, 0).rstrip(_PADDING))
    os.ftruncate(descriptor, used)
    _allocate(descriptor, size_bytes, start=used)
    reserve = Reserve(descriptor, path, used + size_bytes)
    reserve.used_bytes = used
    return reserve


def _allocate(descriptor: int, size_bytes: int, start: int = 0) -> None:
    """Blocks on the disk: allocated where the system can, else written."""
    try:
        os.posix_fallocate(descriptor, start, size_bytes)
    except AttributeError:  # macOS
        _write_zeros(descriptor, size_bytes, start)
    except OSError as problem:
        if problem.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system without it
            raise
        _write_zeros(descriptor, size_bytes, start)
    os.fsync(descriptor)


def _write_zeros(descriptor: int, size_bytes: int, start: int) -> None:
    for offset in range(0, size_bytes, _CHUNK):
        _write_all(descriptor, _PADDING * min(_CHUNK, size_bytes - offset), start + offset)


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def _write_new(path: Path, content: bytes) -> None:
    """The whole file or none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(descriptor, content, 0)
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would wait for its writer
    except FileNotFoundError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        _require_regular(descriptor)
        return file.read()


def _require_regular(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")


def _split(path: Path, content: bytes) -> Iterator[Line]:
    end = _whole_length(content)
    for number, line in enumerate(content[:end].split(b"\n"), 1):
        if line.strip():
            yield Line(path, number, line)


def _whole_bytes(descriptor: int) -> int:
    """How much of the file is whole lines, by its end alone."""
    size = os.fstat(descriptor).st_size
    start = size
    while start:
        start = max(0, start - _CHUNK)
        tail = os.pread(descriptor, size - start, start)
        if b"\n" in tail or not start:
            return start + _whole_length(tail)
    return 0


def _whole_length(content: bytes) -> int:
    """Without what a crash left of a last line: its beginning, or zeros where it should be.

    A last line that lacks only its newline is whole. Anything else at the end is no torn line, and damage.
    """
    begin = content.rfind(b"\n") + 1
    last = content[begin:].rstrip(_PADDING)
    if _is_whole(last):
        return begin + len(last)
    torn = last.startswith(_FIRST_BYTES) or _FIRST_BYTES.startswith(last)
    return begin if torn else len(content)


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
