"""A line to type in."""

from textual.widgets import Input


class Entry(Input):
    """Without a cursor that blinks, which would repaint all the time. `hidden`: until it is opened."""

    def __init__(self, placeholder: str, name: str, *, value: str = "", hidden: bool = False) -> None:
        super().__init__(value, placeholder=placeholder, id=name)
        self.cursor_blink = False
        self.display = not hidden

    def open(self) -> None:
        """It is there, and has the keys."""
        self.display = True
        self.focus()
