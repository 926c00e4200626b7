"""Log records with secrets masked, tracebacks included."""

import logging
import sys
import threading
import traceback
from contextlib import suppress
from types import TracebackType


def _masked(text: str) -> str:
    from flinkops.outside.masking import masked_text  # a tenth of the CPU of a command that logs nothing

    return masked_text(text)


class MaskedFormatter(logging.Formatter):
    """Formats as logging does, then masks the whole."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        return _masked(super().format(record))


def _masked_traceback(kind: type[BaseException], problem: BaseException | None, trace: TracebackType | None) -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(_masked("".join(traceback.format_exception(kind, problem, trace))))


_said: set[str] = set()


def warn_once(text: str) -> None:
    """A warning on stderr for whoever runs this, the first time that there is reason for it."""
    if text in _said or sys.stderr is None:
        return
    _said.add(text)
    with suppress(OSError, ValueError):
        sys.stderr.write(f"flinkops: warning: {_masked(text)}\n")


def mask_logs() -> None:
    """What is logged without a handler of its own, and tracebacks that nobody catches, go to stderr masked."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _masked_traceback
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda of: _masked_traceback(of.exc_type, of.exc_value, of.exc_traceback)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(MaskedFormatter())
