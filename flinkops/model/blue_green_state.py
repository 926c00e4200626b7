"""The states of a FlinkBlueGreenDeployment, read in one place. Pure values."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from flinkops.model.json_reading import section

Colour = Literal["blue", "green"]
OTHER: dict[Colour, Colour] = {"blue": "green", "green": "blue"}


class Phase(StrEnum):
    """What the operator is doing with the pair."""

    INITIALIZING = "initializing"
    ACTIVE = "active"  # nothing is under way
    SAVEPOINTING = "savepointing"
    TRANSITIONING = "transitioning"
    UNKNOWN = "unknown"


class BlueGreenState(StrEnum):
    """The operator's ``FlinkBlueGreenDeploymentState`` (1.14 to 1.16); UNKNOWN: a name of another version.

    ``colour`` is the child that the state names: where the job is, or, of a transition, where it is to be.
    """

    phase: Phase
    colour: Colour | None

    def __new__(cls, name: str, phase: Phase = Phase.UNKNOWN, colour: Colour | None = None) -> "BlueGreenState":
        """A member; the operator's name is its value."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.phase = phase
        member.colour = colour
        return member

    INITIALIZING_BLUE = "INITIALIZING_BLUE", Phase.INITIALIZING, "blue"
    ACTIVE_BLUE = "ACTIVE_BLUE", Phase.ACTIVE, "blue"
    ACTIVE_GREEN = "ACTIVE_GREEN", Phase.ACTIVE, "green"
    SAVEPOINTING_BLUE = "SAVEPOINTING_BLUE", Phase.SAVEPOINTING, "blue"
    SAVEPOINTING_GREEN = "SAVEPOINTING_GREEN", Phase.SAVEPOINTING, "green"
    TRANSITIONING_TO_BLUE = "TRANSITIONING_TO_BLUE", Phase.TRANSITIONING, "blue"
    TRANSITIONING_TO_GREEN = "TRANSITIONING_TO_GREEN", Phase.TRANSITIONING, "green"
    UNKNOWN = "UNKNOWN", Phase.UNKNOWN

    @classmethod
    def _missing_(cls, value: object) -> "BlueGreenState":
        """Of a name that this flinkops does not know nothing is concluded."""
        return cls.UNKNOWN

    @property
    def is_active(self) -> bool:
        """Whether nothing is under way."""
        return self.phase is Phase.ACTIVE

    @property
    def other(self) -> Colour | None:
        """The child that the state does not name."""
        return None if self.colour is None else OTHER[self.colour]


def told_state(resource: Mapping[str, Any]) -> str:
    """``status.blueGreenState`` as the resource has it; before the operator's first word, as it begins."""
    return str(section(resource, "status").get("blueGreenState") or BlueGreenState.INITIALIZING_BLUE.value)


def state_of(resource: Mapping[str, Any]) -> BlueGreenState:
    """The same as one of the states that are known.

    >>> state_of({"status": {"blueGreenState": "TRANSITIONING_TO_GREEN"}}).colour
    'green'
    >>> state_of({"status": {"blueGreenState": "MERGING_GREEN"}}).phase
    <Phase.UNKNOWN: 'unknown'>
    """
    return BlueGreenState(told_state(resource))


def not_idle(resource: Mapping[str, Any]) -> str | None:
    """Why nothing may be begun with the pair now; None while it is active."""
    state = state_of(resource)
    if state is BlueGreenState.UNKNOWN:
        return f"its blueGreenState is {told_state(resource)}, which this flinkops does not know"
    return None if state.is_active else f"a transition is under way ({state})"
