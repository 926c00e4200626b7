"""What a controller remembers from decision to decision: small, a value, JSON both ways."""

from collections.abc import Sequence
from typing import Self

import msgspec

from flinkops.autoscale.settings import Settings

KEPT_SCALINGS_A_VERTEX = 3
KEPT_RESTARTS = 5


class Wanted(msgspec.Struct, frozen=True):
    """A scale-down that was wanted at a time, and whether the utilization bounds asked for it."""

    at_ms: int
    parallelism: int
    outside: bool


class Scaling(msgspec.Struct, frozen=True):
    """A vertex that was rescaled: what it could process before, and what was hoped for. Records per second."""

    at_ms: int
    vertex: str
    before: int
    after: int
    true_rate: float
    expected_rate: float


class Memory(msgspec.Struct, frozen=True):
    """Scale-downs that wait, by vertex, oldest first; the newest scalings, oldest first; since when the load rises.

    `restarts_seconds`: how long the newest rescales took, from the decision until all tasks ran; oldest first.
    """

    waiting: dict[str, tuple[Wanted, ...]] = {}
    rising_since_ms: int | None = None
    scalings: tuple[Scaling, ...] = ()
    restarts_seconds: tuple[float, ...] = ()

    def last(self, vertex_id: str) -> Scaling | None:
        """The newest scaling of a vertex."""
        return next((each for each in reversed(self.scalings) if each.vertex == vertex_id), None)

    def scaled(self, done: Sequence[Scaling]) -> Self:
        """After a rescale: nothing waits any more."""
        kept: list[Scaling] = []
        for each in reversed((*self.scalings, *done)):
            if sum(one.vertex == each.vertex for one in kept) < KEPT_SCALINGS_A_VERTEX:
                kept.append(each)
        return msgspec.structs.replace(self, waiting={}, rising_since_ms=None, scalings=tuple(reversed(kept)))

    def restarted(self, seconds: float) -> Self:
        """One more rescale was seen to end."""
        return msgspec.structs.replace(self, restarts_seconds=(*self.restarts_seconds, seconds)[-KEPT_RESTARTS:])

    def restart_seconds(self, settings: Settings) -> float:
        """What a restart is expected to take: the longest of those measured, within the limit; else the setting."""
        if not settings.track_restart or not self.restarts_seconds:
            return settings.restart_seconds
        return min(settings.restart_limit_seconds, max(self.restarts_seconds))
