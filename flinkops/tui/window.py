"""What every window over a screen has in common: it ends once."""

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

T = TypeVar("T")


class Window(ModalScreen[T]):
    """A window that gives a result of type `T` when it ends."""

    _ended = False

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """End with this result; the first one counts.

        A key that waited in the queue behind the one that ended it comes here too: Textual would then break with
        InvalidStateError, or take the next screen away.
        """
        if self._ended:
            done: AwaitComplete = AwaitComplete.nothing()  # type: ignore[no-untyped-call]
            return done
        self._ended = True
        return super().dismiss(result)
