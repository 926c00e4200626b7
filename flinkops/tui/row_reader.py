"""A row of a table in full, over the screen that has it."""

import msgspec

from flinkops.tui.context import Context
from flinkops.tui.dialogs import Reader, sheet_cells
from flinkops.tui.job_tables import row_lines


class RowReader(Reader):
    """Every fact of the row, to read and scroll, on a screen of that width."""

    def __init__(self, context: Context, row: msgspec.Struct | tuple[str, str], screen_cells: int) -> None:
        super().__init__(context, row_lines(row, sheet_cells(screen_cells)))
