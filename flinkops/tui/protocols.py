"""What the TUI needs of the observer and of a source: a face asks for what it uses, not for a class."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from flinkops.model.observation import Observation


class Looks(Protocol):
    """Whatever can look at the fleet: live, or a recording."""

    def look(self) -> Observation:
        """Look once; blocks. Raises FlinkopsError when nothing can be looked at."""
        ...


class HasName(Protocol):
    """A source, as far as the screens care: its name is the cluster of its jobs."""

    @property
    def name(self) -> str:
        """As in SourceStatus.name and JobFacts.cluster."""
        ...


@runtime_checkable
class LooksEarly(Protocol):
    """An observer that can show part of a first look while some sources have not answered."""

    def early(self) -> Iterator[Observation]:
        """What there is so far, each time more; blocks in between."""
        ...
