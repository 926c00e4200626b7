"""Log records with secrets masked, tracebacks included."""

import logging

from flinkops.outside.masking import masked_text


class MaskedFormatter(logging.Formatter):
    """Formats as logging does, then masks the whole."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        return masked_text(super().format(record))


def mask_logs() -> None:
    """What is logged without a handler of its own, by us or by a library, goes to stderr masked."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(MaskedFormatter())
