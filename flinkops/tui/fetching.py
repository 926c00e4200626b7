"""Screens whose content is fetched on demand: it comes on a thread, and goes nowhere once the screen is left."""

import itertools
from collections.abc import Callable
from typing import Any

from textual import on

from flinkops.render.cells import tidy
from flinkops.render.lines import Line, line
from flinkops.tui import background
from flinkops.tui.base import BaseScreen

_numbers = itertools.count()


class FetchingScreen(BaseScreen):
    """One fetch at a time; a later one makes the answer of an earlier one worthless."""

    def __init__(self) -> None:
        super().__init__()
        self._token = -1
        self.fetching = False
        self.problem: str | None = None

    def fetch(self, work: Callable[[], Any]) -> None:
        """Run `work` on a thread; `fetched` gets what it returns."""
        self._token = next(_numbers)
        self.fetching = True
        background.start(self, self._token, work)

    @on(background.Done)
    def _on_fetched(self, message: background.Done) -> None:
        message.stop()
        if message.token != self._token:
            return
        self.fetching = False
        self.problem = message.error
        if message.error is None:
            self.fetched(message.result)
        self.redraw()

    def fetched(self, result: Any) -> None:
        """Keep the result; the screen is drawn afterwards."""
        raise NotImplementedError

    def fetch_line(self, *, waiting: str) -> list[Line]:
        """That it is still being fetched, or why it failed. What was fetched before stays on the screen."""
        if self.problem is not None:
            return [line(f"  {tidy(self.problem)}", "critical")]
        return [line(f"  {waiting}{self.flinkops.context.glyphs.ellipsis}", "accent")] if self.fetching else []
