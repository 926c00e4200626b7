"""A point in time by which something has to be over."""

import time


class Deadline:
    """Counts down from its making, on the monotonic clock."""

    __slots__ = ("_ends", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    @property
    def remaining_seconds(self) -> float:
        """What is left; negative when it is over."""
        return self._ends - time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends
