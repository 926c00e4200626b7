"""Log records with secrets masked, tracebacks included."""

import logging

from flinkops.outside.masking import masked_text


class MaskedFormatter(logging.Formatter):
    """Formats as logging does, then masks the whole."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        return masked_text(super().format(record))


_said: set[str] = set()


def warn_once(text: str) -> None:
    """A warning for whoever runs this, the first time that there is reason for it."""
    if text not in _said:
        _said.add(text)
        logging.getLogger("flinkops").warning("warning: %s", text)


def mask_logs() -> None:
    """What is logged without a handler of its own, by us or by a library, goes to stderr masked."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(MaskedFormatter())
