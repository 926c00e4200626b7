"""The one way to the terminal: data to stdout, words to stderr; safe for a terminal, secrets masked.

Masks change only what is shown: paths, arguments and settings are used as they were read.
"""

import os
import re
import sys
from collections.abc import Iterable
from typing import IO, Any

from flinkops.errors import OperationFailed

_LONG_WORD = re.compile(r"\S{1501,}")
"""Longer than any path, address or name that there is: the rest of the line would not be found."""


def say(text: str) -> None:
    """A line for the person at the terminal, on stderr. A closed or full stderr is no reason to stop what is done."""
    from flinkops.outside.text import clean

    try:
        _write(sys.stderr, _LONG_WORD.sub(_shortened, clean(text)) + "\n")
    except (OSError, ValueError):
        _silence(sys.stderr)


def emit(lines: Iterable[str]) -> None:
    """Lines on stdout, each made safe."""
    from flinkops.outside.text import clean

    emit_text("\n".join(clean(line) for line in lines))


def emit_document(document: Any, form: str) -> None:
    """A document on stdout: JSON on one line, or YAML; secrets masked."""
    from flinkops.render.status_json import encode_line, encode_yaml

    emit_text(encode_yaml(document) if form == "yaml" else encode_line(document))


def emit_text(text: str) -> None:
    """Finished text on stdout, whose parts are safe already; nothing when empty.

    Raises OperationFailed when stdout takes nothing: closed, a full disk. A reader that went away (`| head`) is no
    error: the process ends quietly as others do, with 1.
    """
    if not text:
        return
    try:
        _write(sys.stdout, text + "\n")
    except BrokenPipeError:
        _silence(sys.stdout)
        sys.exit(1)
    except (OSError, ValueError) as problem:
        raise stdout_failed(problem) from None


def is_terminal(*streams: IO[str] | None) -> bool:
    """Whether all of them are terminals; one that is closed is none."""
    try:
        return all(stream is not None and stream.isatty() for stream in streams)
    except ValueError:
        return False


def stdout_failed(problem: OSError | ValueError) -> OperationFailed:
    """What is said when stdout takes nothing; what is still in its buffer is dropped."""
    _silence(sys.stdout)
    reason = getattr(problem, "strerror", None) or "it is closed"
    return OperationFailed(f"cannot write to stdout: {reason}", next_step="name a file with room")


def open_standard_streams() -> None:
    """Nothing else that is opened takes the number of a closed stdin, stdout or stderr."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            if os.open(os.devnull, os.O_RDWR) != number:
                return


def _shortened(word: "re.Match[str]") -> str:
    return f"{word[0][:80]}…{word[0][-40:]}"


def _write(stream: IO[str] | None, text: str) -> None:
    if stream is None:
        raise ValueError("closed")
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _silence(stream: IO[str] | None) -> None:
    """What is still buffered goes nowhere, so that the interpreter does not complain of it at its end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if stream is not None:
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return
