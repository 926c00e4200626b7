"""What the TUI needs of an observer: a face asks for what it uses, not for a class."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from flinkops.model.observation import Observation


class ObservesFleet(Protocol):
    """Whatever observes the fleet: live, or from a recording."""

    def observe(self) -> Observation:
        """Poll once; blocks. Raises FlinkopsError when nothing can be observed."""
        ...


class HasName(Protocol):
    """A source, as far as the screens care: its name is the cluster of its jobs."""

    @property
    def name(self) -> str:
        """As in SourceStatus.name and JobFacts.cluster."""
        ...


@runtime_checkable
class StreamsPartialObservations(Protocol):
    """An observer that can show part of its first poll while some sources have not answered."""

    def partial_observations(self) -> Iterator[Observation]:
        """What there is so far, each time more; blocks in between. Then `observe` gives all of it."""
        ...
