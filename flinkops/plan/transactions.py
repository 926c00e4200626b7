"""What becomes of a sink's open transactions while its job is down: a broker ends those that are open for long."""

import re
from collections.abc import Mapping, Sequence

from flinkops.model.facts import VertexFacts
from flinkops.model.quantities import human_seconds

TIMEOUT = "transaction.timeout.ms"
SINK_TIMEOUT_SECONDS = 3600.0
"""What Flink's KafkaSink asks for where the job says nothing (KafkaSinkBuilder)."""
BROKER_TIMEOUT_SECONDS = 900.0
"""The most that a broker grants unless told otherwise (Kafka: transaction.max.timeout.ms)."""
_CHECKPOINT = re.compile(r"/chk-\d+(/_metadata)?/?$")
_NO_KAFKA = ("iceberg", "file", "jdbc", "paimon", "delta", "hudi", "hive")
"""Parts of the names of vertices that commit to something that is not Kafka: these commits do not time out."""


def is_checkpoint(path: str) -> bool:
    """By Flink's own name of the folder; savepoints have other names (AbstractFsCheckpointStorageAccess)."""
    return _CHECKPOINT.search(path) is not None


def committing_sinks(vertices: Sequence[VertexFacts]) -> tuple[str, ...]:
    """The vertices that commit in transactions which a broker may end: a committer, and not of a table or of files."""
    names = [(vertex.name, vertex.name.lower()) for vertex in vertices]
    return tuple(name for name, low in names if "committer" in low and not any(each in low for each in _NO_KAFKA))


def transaction_risks(
    sinks: Sequence[str], settings: Mapping[str, str], *, down_seconds: float | None, from_savepoint: bool
) -> tuple[str, ...]:
    """Of a start from a checkpoint, or long after the stop. None where nothing is open or it is in time.

    Stopping with a savepoint commits what is open before the job ends; a checkpoint holds transactions that are only
    committed after the restore. ``down_seconds``: for how long the job has been down; None: it goes down now.
    """
    if not sinks or from_savepoint:
        return ()
    limit, known = _timeout(settings)
    if down_seconds is not None and down_seconds < limit:
        return ()
    what = ", ".join(sinks)
    down = None if down_seconds is None else human_seconds(down_seconds)
    since = "if the job is down for longer" if down is None else f"the job is down for {down}"
    origin = (
        f"{TIMEOUT} is {human_seconds(limit)}"
        if known
        else f"{TIMEOUT} is not known here: brokers grant {human_seconds(BROKER_TIMEOUT_SECONDS)} at most unless told "
        f"otherwise, Flink's Kafka sink asks for {human_seconds(SINK_TIMEOUT_SECONDS)}"
    )
    lost = "transactions that the checkpoint holds are lost once the broker has ended them"
    return (f"{what}: {lost} ({origin}): {since}",)


def _timeout(settings: Mapping[str, str]) -> tuple[float, bool]:
    """The least that is said, in seconds, and whether anything is."""
    said = [float(text) / 1000 for key, text in settings.items() if key.endswith(TIMEOUT) and text.strip().isdecimal()]
    return (min(said), True) if said else (BROKER_TIMEOUT_SECONDS, False)
