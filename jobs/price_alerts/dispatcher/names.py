"""The addresses of hosts, each kept for a while."""

import asyncio
import ipaddress
import socket
from typing import Any

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""As `socket.getaddrinfo` gives them."""

_KEPT_SECONDS = 30.0


class Names:
    """Asks the system for a host's addresses, in a thread, and keeps what it said for 30 seconds.

    Those who ask for the same host at once share one query: a slow name server costs one thread for a host. In the
    loop's own executor, not by `loop.getaddrinfo`: uvloop's has four threads for all hosts together.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], tuple[float, list[AddressInfo]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Task[list[AddressInfo]]] = {}

    async def addresses(self, host: str, port: int) -> list[AddressInfo]:
        """Where to connect; another one first each time. Empty where the name has none, which is not kept."""
        if host.endswith(".."):
            host = host.rstrip(".") + "."
        if (address := _address(host, port)) is not None:
            return [address]
        key, loop = (host, port), asyncio.get_running_loop()
        until, kept = self._kept.get(key, (0.0, []))
        if until > loop.time():
            kept.append(kept.pop(0))  # spreads the connections over a name's addresses
            return list(kept)
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = loop.create_task(self._ask(key))
        return list(await asyncio.shield(asked))  # whoever gives up leaves the others their answer

    async def _ask(self, key: tuple[str, int]) -> list[AddressInfo]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(None, _look_up, *key)
        finally:
            del self._asked[key]
        now = loop.time()
        self._forget(now)
        if found:
            self._kept[key] = (now + _KEPT_SECONDS, found)
        return found

    def _forget(self, now: float) -> None:
        """What is too old: all are kept equally long, so the oldest come first."""
        for key, (until, _) in list(self._kept.items()):
            if until > now:
                return
            del self._kept[key]


def _address(host: str, port: int) -> AddressInfo | None:
    """What the host is itself; None where it is a name."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    if version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)


def _look_up(host: str, port: int) -> list[AddressInfo]:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG))
    except (OSError, UnicodeError):  # no such name; a label that is empty or too long
        return []
