"""Blocking work off the screen's thread. Threads touch no widget: they post one message with what came of the work.

The threads are daemons, so that leaving the program never waits for a source that does not answer.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from textual.message import Message
from textual.message_pump import MessagePump

from flinkops.errors import FlinkopsError

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of the work: a result, or an error in one line."""

    result: T | None = None
    error: str | None = None


def post(owner: MessagePump, message: Message) -> None:
    """Post from a thread; an owner that is gone gets nothing."""
    with contextlib.suppress(RuntimeError):  # the loop has ended
        owner.post_message(message)


def start(owner: MessagePump, name: str, work: Callable[[], T], message: Callable[[Outcome[T]], Message]) -> None:
    """Run `work` on a thread of its own, and post the `message` made of its outcome to `owner`."""

    def run() -> None:
        try:
            outcome = Outcome(result=work())
        except FlinkopsError as error:
            outcome = Outcome(error=error.line())
        except Exception as error:  # noqa: BLE001 - a bug in a source must not end the screen; it is shown
            outcome = Outcome(error=f"{type(error).__name__}: {error}".splitlines()[0])
        post(owner, message(outcome))

    threading.Thread(target=run, name=f"flinkops-{name}", daemon=True).start()
