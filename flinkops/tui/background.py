"""Blocking work off the screen's thread. Threads touch no widget: they post one message with what came of it.

The threads are daemons, so that leaving the program never waits for a source that does not answer.
"""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from textual.message import Message
from textual.message_pump import MessagePump

from flinkops.errors import FlinkopsError


class Done(Message):
    """The work named `token` ended, with a result or with an error in one line."""

    def __init__(self, token: object, result: Any = None, error: str | None = None) -> None:
        super().__init__()
        self.token = token
        self.result = result
        self.error = error


class Early(Message):
    """Part of a result, while the work that is to give all of it goes on."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


def tell(owner: MessagePump, message: Message) -> None:
    """Post from a thread; an owner that is gone gets nothing."""
    with contextlib.suppress(RuntimeError):  # the loop has ended
        owner.post_message(message)


def start(owner: MessagePump, token: object, work: Callable[[], Any]) -> None:
    """Run `work` on a thread of its own and post Done to `owner`; an owner that is gone gets nothing."""

    def run() -> None:
        try:
            done = Done(token, result=work())
        except FlinkopsError as error:
            done = Done(token, error=error.line())
        except Exception as error:  # noqa: BLE001 - a bug in a source must not end the screen; it is shown
            done = Done(token, error=f"{type(error).__name__}: {error}".splitlines()[0])
        tell(owner, done)

    threading.Thread(target=run, name=f"flinkops-{token}", daemon=True).start()
