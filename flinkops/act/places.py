"""Where Flink jobs run, as polling sees it. A back end's folder has a module ``places`` whose ``PLACES`` is one.

It is imported by every command that polls: what is heavy is imported inside its functions. What acting needs besides is
in the folder's module ``backend`` (:mod:`flinkops.act.backend`).
"""

import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

import flinkops.act
from flinkops.clock import Clock
from flinkops.config.settings import Settings
from flinkops.model.check import Check
from flinkops.model.facts import ClusterFacts
from flinkops.sources.protocol import Source, Wanted


class Claim(IntEnum):
    """How clearly settings mean a kind of place; the greatest wins."""

    NONE = 0
    AT_HAND = 1  # nothing names it, but there it is
    FOUND = 2  # listed in a file, or the embedded fleet
    NAMED = 3
    NAMED_ALONE = 4  # named so that nothing else is meant


class Places(Protocol):
    """All places of one kind, by the settings. Asks no cluster but where it says so."""

    def claim(self, settings: Settings) -> Claim:
        """How clearly these settings mean them."""
        ...

    def named(self, settings: Settings, wanted: Wanted | None) -> Sequence[Source]:
        """A source for each that the settings name; jobs that are not `wanted` are listed but not asked about.

        Raises UsageError for what cannot be meant, Unreachable when a log-in fails.
        """
        ...

    def at_hand(self, settings: Settings, wanted: Wanted | None) -> Sequence[Source]:
        """A source for each that is there although nothing names any. Raises what `named` raises."""
        ...

    def servers(self, settings: Settings, urls: Sequence[str]) -> Mapping[str, str]:
        """Name -> address of the servers that one of these addresses may be behind: for `production`."""
        ...

    def checks(self, source: Source, *, read_only: bool, clock: Clock, deadline_seconds: float) -> Iterator[Check]:
        """What `doctor --self` says of a source of these besides its poll; asks it. Never raises."""
        ...

    def options(self, cluster: ClusterFacts) -> tuple[str, ...]:
        """The options that name the place of this cluster on a command line, where that is known."""
        ...


def backend_folders() -> tuple[str, ...]:
    """The names of the back ends: folders of flinkops.act with a module ``backend``."""
    folders = (module.name for module in pkgutil.iter_modules(flinkops.act.__path__) if module.ispkg)
    return tuple(name for name in folders if find_spec(f"flinkops.act.{name}.backend") is not None)


@cache
def all_places() -> dict[str, Places]:
    """By the name of their back end's folder, REST first."""
    return {
        name: import_module(f"flinkops.act.{name}.places").PLACES for name in sorted(backend_folders(), reverse=True)
    }


def open_sources(settings: Settings, wanted: Wanted | None = None) -> list[Source]:
    """The sources that the settings name, else those of the place at hand that is meant most clearly; maybe none.

    Raises UsageError for what cannot be meant, Unreachable when a log-in fails.
    """
    places = all_places().values()
    if named := [source for one in places for source in one.named(settings, wanted)]:
        return named
    by_claim = sorted(places, key=lambda one: one.claim(settings), reverse=True)
    return next((list(found) for one in by_claim if (found := one.at_hand(settings, wanted))), [])
