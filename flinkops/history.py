"""What is remembered of each job: the last samples, bounded in number and in jobs."""

from collections.abc import Iterable, Mapping

from flinkops.model.facts import JobKey
from flinkops.model.history import JobSample

MAX_SAMPLES = 360
"""An hour at a poll every ten seconds."""
FORGET_AFTER_SECONDS = 3600.0
"""A job that has not been seen for so long is forgotten."""

AHEAD_MS = 1000
"""How much later than the poll itself a job's own time may be, by how they are rounded."""


class History:
    """Samples by job key, oldest first. Each poll makes a new mapping, so that what was handed out stays as it was."""

    def __init__(self, max_samples: int = MAX_SAMPLES) -> None:
        self._max_samples = max_samples
        self._samples: dict[JobKey, tuple[JobSample, ...]] = {}

    @property
    def samples(self) -> Mapping[JobKey, tuple[JobSample, ...]]:
        """All of them; not changed by later polls."""
        return self._samples

    def add(self, samples: Iterable[tuple[JobKey, JobSample]], now_ms: int) -> None:
        """Take in one poll. A sample of a job that is no newer than its last one adds nothing: old data shown again.

        Samples of a time that is still to come are from before a clock was set back: nothing compares with them.
        """
        latest_ms = now_ms + AHEAD_MS
        kept = {key: _until(latest_ms, known) for key, known in self._samples.items()}
        merged = {key: known for key, known in kept.items() if known}
        for key, sample in samples:
            known = merged.get(key, ())
            # Among the last few, since jobs of one name share a series.
            old = any(one.at_ms >= sample.at_ms and one.job_id == sample.job_id for one in known[-8:])
            if not old and sample.at_ms <= latest_ms:
                merged[key] = (*known[-self._max_samples + 1 :], sample)
        oldest_ms = now_ms - round(FORGET_AFTER_SECONDS * 1000)
        self._samples = {key: known for key, known in merged.items() if known[-1].at_ms >= oldest_ms}


def _until(latest_ms: int, samples: tuple[JobSample, ...]) -> tuple[JobSample, ...]:
    if not samples or samples[-1].at_ms <= latest_ms:
        return samples
    return tuple(one for one in samples if one.at_ms <= latest_ms)
