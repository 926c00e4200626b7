"""Files that the user names: read to a limit of size and time, whatever the name leads to.

A pipe (`<(command)`), a device or a file that another writes may have no end, and an empty pipe no beginning.
"""

import os
import select
import stat
import time
from pathlib import Path

from flinkops.errors import UsageError

WAIT_SECONDS = 10.0
"""So long nothing may come."""
WHOLE_SECONDS = 60.0
"""So long all of it may take where it is no file, after a first piece: one byte now and then would have no end."""
_CHUNK_BYTES = 1 << 20


def read_input(path: Path | str, *, most_bytes: int) -> bytes:
    """The content. Raises UsageError in one line when it cannot be read, is larger, or does not come."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as problem:  # ValueError: no name that a file can have
        raise UsageError(f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}") from None
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        content = _read(descriptor, most_bytes, waits=not regular)
    except TimeoutError as problem:
        raise UsageError(f"{path} {problem}", next_step="name a file") from None
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror or problem}") from None
    finally:
        os.close(descriptor)
    if len(content) > most_bytes:
        raise UsageError(f"{path} has more than {_megabytes(most_bytes)}: too much for what it is to be")
    return content


def read_input_text(path: Path | str, *, most_bytes: int) -> str:
    """The content as text. Raises UsageError when it is not UTF-8, too."""
    try:
        return read_input(path, most_bytes=most_bytes).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise UsageError(f"{path} is no text: byte {problem.start + 1} is not UTF-8") from None


def _read(descriptor: int, most_bytes: int, *, waits: bool) -> bytes:
    pieces: list[bytes] = []
    size, begun = 0, time.monotonic()
    last = begun
    while size <= most_bytes:
        if waits:
            _wait(descriptor, last + WAIT_SECONDS)
        try:
            piece = os.read(descriptor, min(_CHUNK_BYTES, most_bytes + 1 - size))
        except BlockingIOError:  # another reader was first; or one of /proc's, which calls itself a file
            waits = True
            _pause(last + WAIT_SECONDS)
            continue
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
        last = time.monotonic()
        if waits and last - begun > WHOLE_SECONDS:
            raise TimeoutError(f"has not come to its end in {WHOLE_SECONDS:.0f} s")
    return b"".join(pieces)


def _wait(descriptor: int, until: float) -> None:
    """Until there is something, or the end. Raises TimeoutError."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while not poll.poll(max(0.0, until - time.monotonic()) * 1000):
        _pause(until, seconds=0.0)


def _pause(until: float, *, seconds: float = 0.02) -> None:
    if time.monotonic() >= until:
        raise TimeoutError(f"gave nothing for {WAIT_SECONDS:.0f} s")
    time.sleep(seconds)


def _megabytes(size: int) -> str:
    return f"{size // 2**20} MiB" if size >= 2**20 else f"{size // 2**10} KiB"
