"""Log records with secrets masked, tracebacks included."""

import logging
import sys
from contextlib import suppress

from flinkops.outside.masking import masked_text


class MaskedFormatter(logging.Formatter):
    """Formats as logging does, then masks the whole."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        return masked_text(super().format(record))


_said: set[str] = set()


def warn_once(text: str) -> None:
    """A warning on stderr for whoever runs this, the first time that there is reason for it."""
    if text in _said or sys.stderr is None:
        return
    _said.add(text)
    with suppress(OSError, ValueError):
        sys.stderr.write(f"flinkops: warning: {masked_text(text)}\n")


def mask_logs() -> None:
    """What is logged without a handler of its own, by us or by a library, goes to stderr masked."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(MaskedFormatter())
