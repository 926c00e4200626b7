"""A rehearsal as the document that scripts read (``-o json``, schema_version 1)."""

from typing import Any

import msgspec

from flinkops.model.rehearsal import Rehearsal

SCHEMA_VERSION = 1


def rehearsal_document(rehearsal: Rehearsal) -> dict[str, Any]:
    """The contract's document. A size or time that was not measured is None."""
    document: dict[str, Any] = msgspec.to_builtins(rehearsal)
    return {"schema_version": SCHEMA_VERSION, **document}
