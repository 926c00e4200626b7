"""What is remembered of each job: the last samples, bounded in number and in jobs."""

from collections.abc import Iterable, Mapping

from flinkops.model.facts import JobKey
from flinkops.model.history import JobSample

MAX_SAMPLES = 360
"""An hour at a look every ten seconds."""
FORGET_AFTER_SECONDS = 3600.0
"""A job that has not been seen for so long is forgotten."""


class History:
    """Samples by job key, oldest first. Each look makes a new mapping, so that what was handed out stays as it was."""

    def __init__(self, max_samples: int = MAX_SAMPLES) -> None:
        self._max_samples = max_samples
        self._samples: dict[JobKey, tuple[JobSample, ...]] = {}

    @property
    def samples(self) -> Mapping[JobKey, tuple[JobSample, ...]]:
        """All of them; not changed by later looks."""
        return self._samples

    def add(self, samples: Iterable[tuple[JobKey, JobSample]], now_ms: int) -> None:
        """Take in one look. A sample of a job that is no newer than its last one adds nothing: old data shown again."""
        merged = dict(self._samples)
        for key, sample in samples:
            known = merged.get(key, ())
            # Among the last few, since jobs of one name share a series.
            if not any(one.at_ms >= sample.at_ms and one.job_id == sample.job_id for one in known[-8:]):
                merged[key] = (*known[-self._max_samples + 1 :], sample)
        oldest_ms = now_ms - round(FORGET_AFTER_SECONDS * 1000)
        self._samples = {key: known for key, known in merged.items() if known[-1].at_ms >= oldest_ms}
