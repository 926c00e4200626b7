"""Flink answers from caches: what an answer does not say is known only once it can be no older than the question.

The law of every verification: unknown waits, known decides. A value decides at once; that there is none is known when
whatever was to be told of has been there for longer than a cache lasts.
"""

from flinkops.clock import Clock

CACHE_SECONDS = 4.0
"""``web.refresh-interval`` is 3 s by default; metrics are collected each 10 s at most and do not decide here."""


class Absence:
    """Since when something is missing from the answers about one subject, such as a job and its start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[object, float] = {}

    def is_known(self, subject: object) -> bool:
        """Whether `subject` has been asked about for so long that what is missing is not there.

        The first call begins the time: make it when the subject itself has been seen.
        """
        now = self._clock.monotonic()
        return now - self._since.setdefault(subject, now) >= CACHE_SECONDS
