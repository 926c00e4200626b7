"""A screen of a table whose rows are read in full."""

from typing import TypeVar

import msgspec
from textual import on

from flinkops.tui.fetching import FetchingScreen
from flinkops.tui.grid import Grid
from flinkops.tui.row_reader import RowReader

T = TypeVar("T")


class RowsScreen(FetchingScreen[T]):
    """Enter shows the row under the cursor."""

    def on_mount(self) -> None:
        """Keys go to the table."""
        self.query_one(Grid).focus()

    @on(Grid.Chosen)
    def _on_chosen(self, event: Grid.Chosen) -> None:
        row = event.grid.cursor_row
        if isinstance(row, msgspec.Struct):
            self.app.push_screen(RowReader(self.host.context, row, self.app.size.width))
