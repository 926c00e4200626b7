"""A service that belongs to another process ends with it."""

import asyncio
import os
from collections.abc import Callable

_POLL_SECONDS = 0.5


async def when_orphaned(then: Callable[[], None]) -> None:
    """Call `then` when the process that started this one is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(_POLL_SECONDS)
    then()
