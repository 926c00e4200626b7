"""What happened to a job or a fleet, in order, each entry with its source; and what no source covers."""

from typing import Literal

from flinkops.model.assessment import Value

Origin = Literal["journal", "flink", "kubernetes", "recording", "doctor"]
"""Who tells: our journal, Flink's REST API, the API server, a recording of ours, or what the doctor makes of now."""
Kind = Literal[
    "action",  # of flinkops
    "deployment",  # another job, image or program in the place of the one before
    "start",
    "end",
    "restart",
    "failure",
    "rescale",
    "config",
    "savepoint",
    "checkpoint",  # one that failed
    "event",
    "load",
    "health",
    "finding",
]
CHANGES: frozenset[Kind] = frozenset({"action", "deployment", "start", "restart", "rescale", "config", "load"})
"""What most incidents follow: somebody or something changed what runs, or how much it has to do."""


class Entry(Value, frozen=True):
    """One thing that happened, at ``at_ms``. ``text`` may be another's: hostile until a face shows it."""

    at_ms: int
    cluster: str
    namespace: str | None
    job: str
    kind: Kind
    text: str
    source: Origin


class NotCovered(Value, frozen=True):
    """What a source does not tell, so that its silence is not taken for quiet."""

    source: Origin
    why: str


class Timeline(Value, frozen=True):
    """Entries of [since, until], oldest first."""

    since_ms: int
    until_ms: int
    entries: tuple[Entry, ...] = ()
    not_covered: tuple[NotCovered, ...] = ()
