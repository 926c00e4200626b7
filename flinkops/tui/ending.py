"""The end by a signal: the loop takes it and the screen is left as a person would leave it."""

import asyncio
from typing import Any

from textual.app import App

from flinkops.local.signals import ending_signals


class Ending:
    """TERM and HUP end the app. Not by an exception out of a handler, which may be lost wherever it strikes."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self.by_signal = False

    def listen(self) -> None:
        """From now on, as long as the loop runs."""
        for number in ending_signals():
            asyncio.get_running_loop().add_signal_handler(number, self._end)

    def _end(self) -> None:
        self.by_signal = True
        self._app.exit()
