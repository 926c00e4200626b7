"""How much of a state a rehearsal restores, and what that takes of time and room. Pure."""

from flinkops.errors import OperationFailed
from flinkops.model.facts import JobFacts
from flinkops.model.quantities import human_bytes

HEAP_MEBIBYTES = 1024
_START_SECONDS = 12.0  # JVM, job graph, a cluster in one process: measured
_BYTES_PER_SECOND = 50e6
_MOST_SECONDS = 280.0  # a restore that takes longer is ended
SAMPLE_BYTES = 256 << 20
"""So much keyed state is restored with ``--sample``: 5 s of it."""
_OFFERED_FROM_BYTES = 1 << 30  # beyond that a rehearsal takes half a minute, and a sample is offered
_ROOM_FOR_STATE = 2  # the restored state, and a checkpoint of it


def estimate(state_bytes: int | None, *, where: str = "on this machine", sample: bool = False) -> str:
    """What a rehearsal takes, in words; of a state that is large, also what a sample of it would take.

    >>> estimate(500_000_000)
    'about 22 s, 1.1 GB of memory and 1.0 GB of disk on this machine'
    >>> estimate(5_000_000_000)
    'about 112 s, 1.1 GB of memory and 10.0 GB of disk on this machine; with --sample about 17 s and 537 MB of disk'
    """
    size = _restored_bytes(state_bytes, sample=sample)
    about = f"about {_seconds(size):.0f} s, {human_bytes(HEAP_MEBIBYTES << 20)} of memory"
    whole = f"{about} and {human_bytes(_ROOM_FOR_STATE * size)} of disk {where}"
    if sample and size < (state_bytes or 0):
        return f"{whole}, for some key groups of {human_bytes(state_bytes or 0)} of state"
    if size < _OFFERED_FROM_BYTES:
        return whole
    disk = human_bytes(_ROOM_FOR_STATE * SAMPLE_BYTES)
    return f"{whole}; with --sample about {_seconds(SAMPLE_BYTES):.0f} s and {disk} of disk"


def _restored_bytes(state_bytes: int | None, *, sample: bool) -> int:
    """How much of a state is restored, as planned."""
    return min(state_bytes or 0, SAMPLE_BYTES) if sample else state_bytes or 0


def refuse_too_large(state_bytes: int | None, free_bytes: int | None, folder: str, *, sample: bool) -> None:
    """Raises OperationFailed for a state that is larger than the scratch space (None: not known) or the time allows."""
    size = _restored_bytes(state_bytes, sample=sample)
    less = "" if sample else ", or give --sample: some key groups only"
    if free_bytes is not None and free_bytes < _ROOM_FOR_STATE * size:
        raise OperationFailed(
            f"{folder} has {free_bytes} bytes free, a state of {size} bytes needs {_ROOM_FOR_STATE * size}",
            next_step=f"name a larger folder with TMPDIR{less}",
        )
    if _seconds(size) > _MOST_SECONDS:
        raise OperationFailed(
            f"to restore {human_bytes(size)} takes about {_seconds(size):.0f} s, more than {_MOST_SECONDS:.0f} s",
            next_step="give --sample: some key groups only",
        )


def _seconds(size: float) -> float:
    return _START_SECONDS + size / _BYTES_PER_SECOND


def newest_state_bytes(job: JobFacts) -> int | None:
    """Of the newest checkpoint."""
    newest = job.checkpoints.latest_completed if job.checkpoints else None
    return newest.state_size_bytes if newest else None
