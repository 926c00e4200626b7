"""Signals that end a command: turned into KeyboardInterrupt, and kept off while it cleans up."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_AGAIN_SECONDS = 0.02

_Handler = Callable[[int, FrameType | None], object] | int | None


@contextlib.contextmanager
def signals_interrupt() -> Iterator[None]:
    """Within it TERM and HUP raise KeyboardInterrupt as Ctrl-C does, instead of ending us on the spot.

    One that is ignored already stays so: under ``nohup`` the end of the terminal is no reason to stop.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled_by(interrupt, ending_signals()), _never_swallowed():
        yield


@contextlib.contextmanager
def _never_swallowed() -> Iterator[None]:
    """An interrupt that falls into a finalizer, which Python would print and forget, comes again soon after it."""
    earlier = sys.unraisablehook

    def interrupt() -> None:
        heard = [one for one in (signal.SIGINT, *_ENDING) if signal.getsignal(one) is not signal.SIG_IGN]
        for one in heard[:1]:
            signal.pthread_kill(threading.main_thread().ident or 0, one)  # a true one, which ends a wait

    def unraisable(raised: "sys.UnraisableHookArgs") -> None:
        if issubclass(raised.exc_type, KeyboardInterrupt):  # its value may be None
            again = threading.Timer(_AGAIN_SECONDS, interrupt)  # at once it would fall into this hook
            again.daemon = True
            again.start()
        else:
            earlier(raised)

    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        sys.unraisablehook = earlier


def end_at_once(exit_code: int) -> None:
    """From here on Ctrl-C, TERM and HUP end the process: all is done, and what is left only waits for threads."""

    def end(_number: int, _frame: FrameType | None) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(exit_code)

    for number in (signal.SIGINT, *ending_signals()):
        if threading.current_thread() is threading.main_thread() and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


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
