"""Signals that end a command: turned into KeyboardInterrupt, and kept off while it cleans up."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)

_Handler = Callable[[int, FrameType | None], object] | int | None


@contextlib.contextmanager
def signals_interrupt() -> Iterator[None]:
    """Within it TERM and HUP raise KeyboardInterrupt as Ctrl-C does, instead of ending us on the spot.

    One that is ignored already stays so: under ``nohup`` the end of the terminal is no reason to stop.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled_by(interrupt, ending_signals()):
        yield


def ending_signals() -> tuple[signal.Signals, ...]:
    """TERM and HUP, without what is ignored; none off the main thread, where Python takes no handlers."""
    if threading.current_thread() is not threading.main_thread():
        return ()
    return tuple(one for one in _ENDING if signal.getsignal(one) is not signal.SIG_IGN)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Within it Ctrl-C, TERM and HUP wait: they raise KeyboardInterrupt at its end.

    So that a process is never started without being noted down.
    """
    caught: list[int] = []
    with _handled_by(lambda number, _frame: caught.append(number), (signal.SIGINT, *_ENDING)):
        yield
    if caught:
        raise KeyboardInterrupt


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Within it a second Ctrl-C, TERM or HUP does nothing: what was started is being ended."""
    with _handled_by(signal.SIG_IGN, (signal.SIGINT, *_ENDING)):
        yield


@contextlib.contextmanager
def _handled_by(handler: _Handler, numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # Python allows it there only
        yield
        return
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in previous.items():
            signal.signal(number, earlier)
