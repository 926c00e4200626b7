"""Something to choose from a list."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """One thing to choose; `value` is what is copied or meant."""

    label: str
    value: str
