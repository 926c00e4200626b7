"""Deciding with facts that may not be known: every way that they can be is gone through. Pure.

A decision asks a :class:`World` for what it needs. Where that is not known, :func:`explore` decides again for each
value that it may have; when all come to the same, the decision does not depend on it.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import combinations
from typing import NamedTuple, TypeVar

T = TypeVar("T")

MAX_WORLDS = 512
"""More ways than this are not gone through."""


class FactKind(StrEnum):
    """What may not be known; ``subject`` of the Fact says of what."""

    OPERATOR_DEFAULT = "operator-default"  # a setting in the operator's own configuration
    OPERATOR_VERSION = "operator-version"
    HA_METADATA = "ha-metadata"
    NEVER_STARTED = "jobmanager-never-started"
    CHECKPOINTS = "checkpoints"
    AUTOSCALER_OVERRIDES = "autoscaler-overrides"
    TASKMANAGERS = "taskmanager-deployment"
    VERTICES = "vertices"
    JAR_HOST = "jar-host"


class Fact(NamedTuple):
    """Something that a decision depends on."""

    kind: FactKind
    subject: str = ""

    @property
    def text(self) -> str:
        """For people."""
        return _WORDS[self.kind].format(subject=self.subject)


_WORDS = {
    FactKind.OPERATOR_DEFAULT: "the operator's default of {subject}",
    FactKind.OPERATOR_VERSION: "the operator's version",
    FactKind.HA_METADATA: "whether the job's HA metadata is there",
    FactKind.NEVER_STARTED: "whether a JobManager of the job ever ran",
    FactKind.CHECKPOINTS: "the job's last checkpoint",
    FactKind.AUTOSCALER_OVERRIDES: "the overrides that the operator's autoscaler keeps",
    FactKind.TASKMANAGERS: "whether the Deployment of the TaskManagers is there",
    FactKind.VERTICES: "the vertices of the running job",
    FactKind.JAR_HOST: "whether {subject} resolves, for the operator, to an address that it lets pass",
}


class _Asked(Exception):
    def __init__(self, fact: Fact, values: tuple[object, ...]) -> None:
        self.fact, self.values = fact, values


class TooManyWorlds(Exception):
    """Too little is known to go through all that may be."""


class World:
    """What is known, and what is taken for granted in this way of things."""

    def __init__(self, known: Mapping[Fact, object], *, likely: bool = False) -> None:
        self._known, self._likely = known, likely

    def ask(self, fact: Fact, values: tuple[T, ...]) -> T:
        """The value of a fact that is not known; `values` are those that it may have, the likeliest first."""
        if self._likely:
            return values[0]
        if fact not in self._known:
            raise _Asked(fact, values)
        found: T = self._known[fact]  # type: ignore[assignment]
        return found


def explore(decide: Callable[[World], T]) -> list[tuple[T, Mapping[Fact, object]]]:
    """Every result that `decide` can come to, each with what was taken for granted. Raises TooManyWorlds."""
    found: list[tuple[T, Mapping[Fact, object]]] = []
    waiting: list[dict[Fact, object]] = [{}]
    while waiting:
        if len(found) >= MAX_WORLDS:
            raise TooManyWorlds
        known = waiting.pop()
        try:
            found.append((decide(World(known)), known))
        except _Asked as asked:
            waiting += [{**known, asked.fact: value} for value in reversed(asked.values)]
    return found


def that_matter(worlds: Iterable[tuple[object, Mapping[Fact, object]]]) -> list[Fact]:
    """The facts on which the results depend: two worlds that differ in one of them alone come to two results."""
    every = list(worlds)
    facts = dict.fromkeys(fact for _, assumed in every for fact in assumed)
    return [
        fact
        for fact in facts
        if any(
            first != second and _apart_by(fact, one, other) for (first, one), (second, other) in combinations(every, 2)
        )
    ]


def _apart_by(fact: Fact, one: Mapping[Fact, object], other: Mapping[Fact, object]) -> bool:
    """Whether they were the same until this fact was asked."""
    if fact not in one or fact not in other or one[fact] == other[fact]:
        return False
    shared = list(one)[: list(one).index(fact)]
    return all(one[earlier] == other.get(earlier, ...) for earlier in shared)
