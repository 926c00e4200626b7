"""A dispatcher in a process of its own, to be killed: `child.py FOLDER STATE URL WINDOW_SECONDS`."""

import asyncio
import ipaddress
import sys
from pathlib import Path

from jobs.price_alerts.dispatcher.addresses import Guard
from jobs.price_alerts.dispatcher.limits import Limits
from jobs.price_alerts.dispatcher.measures import Measures
from jobs.price_alerts.dispatcher.sending import Sender
from jobs.price_alerts.dispatcher.service import Dispatcher
from jobs.price_alerts.dispatcher.store import Store
from jobs.price_alerts.dispatcher.subscriptions import Subscription
from tests.dispatcher.alerts import SECRET
from tests.dispatcher.file_log import FileLog


async def run(folder: str, state: str, url: str, window_seconds: str) -> None:
    dispatcher = Dispatcher(
        FileLog(Path(folder)),
        Store(Path(state), window_seconds=float(window_seconds)),
        Sender(Guard([ipaddress.ip_network("127.0.0.0/8")]), timeout_seconds=30.0),
        Measures(),
        Limits(concurrency=4, in_memory_per_client=16),
    )
    await dispatcher.subscribe({"a": Subscription(client="a", url=url, secret=SECRET)})
    await dispatcher.run()


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
