"""A screen of a table whose rows are read in full."""

from typing import Generic, TypeVar

import msgspec
from textual import on

from flinkops.tui.fetching import FetchingScreen
from flinkops.tui.grid import Grid
from flinkops.tui.row_reader import RowReader
from flinkops.tui.table_screen import TableScreen

T = TypeVar("T")
Row = TypeVar("Row")


class RowsScreen(TableScreen[Row], FetchingScreen[T], Generic[T, Row]):
    """Enter shows the row under the cursor."""

    @on(Grid.Chosen)
    def _on_chosen(self, event: Grid.Chosen) -> None:
        row = event.grid.cursor_row
        if isinstance(row, msgspec.Struct):
            self.app.push_screen(RowReader(self.host.context, row, self.app.size.width))
