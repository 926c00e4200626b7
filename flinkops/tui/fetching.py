"""Screens whose content is fetched on demand: it comes on a thread, and goes nowhere once the screen is left."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from textual import on
from textual.message import Message

from flinkops.render.cells import tidy
from flinkops.render.lines import Line, line
from flinkops.tui import background
from flinkops.tui.background import Outcome
from flinkops.tui.base import BaseScreen
from flinkops.tui.view import View

T = TypeVar("T")
_numbers = itertools.count()


@dataclass
class Fetched(Message):
    """The answer to one of the requests of a fetching screen, by its number."""

    number: int
    outcome: Outcome[Any]


class FetchingScreen(BaseScreen, Generic[T]):
    """Shows a `content` that is fetched: one request at a time; a later one makes the answer of an earlier one void."""

    def __init__(self) -> None:
        super().__init__()
        self.content: T | None = None  # of the last request that succeeded
        self.problem: str | None = None  # of the last request
        self.fetching = False
        self._number = -1
        self._fetched_for_ms = -1

    def fetch(self, work: Callable[[], T]) -> None:
        """Run `work` on a thread; what it returns becomes the `content`."""
        number = self._number = next(_numbers)
        self.fetching = True
        background.start(self, f"fetch-{number}", work, lambda outcome: Fetched(number, outcome))

    def fetch_each_poll(self, view: View | None, work: Callable[[View], T]) -> None:
        """As `fetch`, once for each observation that is shown, and not while a request is under way."""
        if view is not None and view.taken_ms != self._fetched_for_ms and not self.fetching:
            self._fetched_for_ms = view.taken_ms
            self.fetch(lambda: work(view))

    @on(Fetched)
    def _take(self, message: Fetched) -> None:
        message.stop()
        if message.number != self._number:
            return
        self.fetching = False
        self.problem = message.outcome.error
        if message.outcome.error is None:
            self.content = cast(T, message.outcome.result)
        self.redraw()

    def fetch_line(self, *, waiting: str) -> list[Line]:
        """That it is still being fetched, or why it failed. What was fetched before stays on the screen."""
        if self.problem is not None:
            return [line(f"  {tidy(self.problem)}", "critical")]
        return [line(f"  {waiting}{self.host.context.glyphs.ellipsis}", "accent")] if self.fetching else []
