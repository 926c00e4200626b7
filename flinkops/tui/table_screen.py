"""A screen of one table, which has the keys."""

from typing import Generic, TypeVar, cast

from flinkops.tui.base import BaseScreen
from flinkops.tui.grid import Grid

Row = TypeVar("Row")


class TableScreen(BaseScreen, Generic[Row]):
    """Its body has one Grid."""

    @property
    def grid(self) -> Grid[Row]:
        """The table."""
        return cast("Grid[Row]", self.query_one(Grid))

    def on_mount(self) -> None:
        """Keys go to the table."""
        self.grid.focus()
