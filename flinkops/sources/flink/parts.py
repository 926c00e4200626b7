"""Things that are read each by a request of its own."""

from collections.abc import Callable
from typing import TypeVar

from flinkops.errors import Unreachable

T = TypeVar("T")


class Parts:
    """One that cannot be read is None, and ``unknown`` has the reason under its name."""

    def __init__(self) -> None:
        self.unknown: dict[str, str] = {}

    def ask(self, what: str, request: Callable[[], T]) -> T | None:
        """The answer, or None."""
        try:
            return request()
        except Unreachable as problem:
            self.unknown[what] = problem.what
            return None
