"""The formats of a savepoint. Source: docs/content/docs/ops/state/savepoints.md of apache/flink."""

from typing import Literal

SavepointFormat = Literal["canonical", "native"]
"""Independent of the state backend, or the backend's own; Flink's REST API writes them in capitals (`formatType`)."""
