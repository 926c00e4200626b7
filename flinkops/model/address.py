"""When two addresses mean the same Flink REST API, however they are spelled."""

import ipaddress
import posixpath
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

Sameness = Literal["same", "doubt", "other"]
Resolve = Callable[[str], Iterable[str] | None]
"""The addresses of a host name, or an address itself; 127.0.0.1 too where one is this machine's. None: not known."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "localhost6")
_LOOPBACK = "127.0.0.1"
_API_VERSION = re.compile(r"/v\d{1,3}")  # Flink answers below /v1 as it does without it


class Address(msgspec.Struct, frozen=True):
    """``host`` is a name or, when ``literal``, an IP address; loopback in any spelling is 127.0.0.1."""

    scheme: str
    host: str
    port: int
    path: str
    literal: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """As it may be written without the scheme: ``host:port/path``, and without a port that is the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        full = f"{host}:{self.port}{self.path}"
        return (full, f"{host}{self.path}") if self.port == _DEFAULT_PORTS.get(self.scheme) else (full,)


def split_url(text: str) -> SplitResult:
    """The parts of a text that others gave; all of one that can be no URL, such as ``http://[::1``, is its path.

    >>> split_url("s3://bucket/x").scheme, split_url("http://[::1").scheme
    ('s3', '')
    """
    try:
        return urlsplit(text)
    except ValueError:
        return SplitResult("", "", text, "", "")


def address_of(url: str) -> Address:
    """What a URL points at, spelled one way. Raises ValueError when it is none.

    >>> address_of("HTTP://u:p@0x7f.1:08081/?") == address_of("localhost.:8081") == address_of("http://[::1]:8081")
    True
    >>> address_of("https://Flink.EXAMPLE./team-a/./v1").names
    ('flink.example:443/team-a', 'flink.example/team-a')
    """
    text = url.strip()
    parts = urlsplit(text if "://" in text else f"http://{text}")
    scheme = parts.scheme.lower()
    if not parts.hostname:
        raise ValueError("no host")
    host, literal = _host(parts.hostname)
    port = parts.port if parts.port is not None else _DEFAULT_PORTS.get(scheme, 0)
    return Address(scheme, host, port, _path(parts.path), literal)


def compare(one: Address, other: Address, resolve: Resolve) -> Sameness:
    """Whether both are the same REST API.

    Names are compared as names: two may share an ingress. Only where a side is a literal address (or loopback) is it
    asked where the other one's name leads; not knowing that is ``doubt``.
    """
    if (one.scheme, one.port, one.path) != (other.scheme, other.port, other.path):
        return "other"
    if one.host == other.host:
        return "same"
    if not (one.literal or other.literal):
        return "other"
    found = [_addresses(side, resolve) for side in (one, other)]
    if found[0] is None or found[1] is None:
        return "doubt"
    return "same" if found[0] & found[1] else "other"


def resolve_host(host: str, *, timeout_seconds: float = 2.0) -> tuple[str, ...] | None:
    """The addresses of a name, by the system's resolver; None when it does not answer or knows none."""
    import queue
    import threading

    answers: queue.SimpleQueue[tuple[str, ...] | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = {str(one[4][0]) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError, ValueError):
            answers.put(None)
        else:
            answers.put((*found, *([_LOOPBACK] if any(map(_is_of_this_machine, found)) else [])))

    # The system's call knows no deadline: a thread that is left behind ends with the process.
    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    try:
        return answers.get(timeout=timeout_seconds)
    except queue.Empty:
        return None


def _is_of_this_machine(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))  # only an address of this machine can be bound
    except OSError:
        return False
    return True


def _addresses(side: Address, resolve: Resolve) -> set[str] | None:
    if side.host == _LOOPBACK:
        return {_LOOPBACK}
    found = resolve(side.host)
    if found is None:
        return {side.host} if side.literal else None
    return {_host(one)[0] for one in found}


def _host(text: str) -> tuple[str, bool]:
    """The host spelled one way, and whether it is an address."""
    name = unquote(text).partition("%")[0]  # an IPv6 zone tells interfaces apart, not hosts
    with suppress(UnicodeError, IndexError):  # else no international name: taken as it stands
        name = name.encode("idna").decode("ascii")
    name = name.lower().rstrip(".")
    if name in _LOOPBACK_NAMES or name.endswith(".localhost"):
        return _LOOPBACK, True
    address = _literal(name)
    if address is None:
        return name, False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    # To connect to the unspecified address is to connect to this machine.
    return (_LOOPBACK if address.is_loopback or address.is_unspecified else str(address)), True


def _literal(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(name)
    with suppress(OSError):
        return ipaddress.IPv4Address(socket.inet_aton(name)) if _is_number_like(name) else None
    return None


def _is_number_like(name: str) -> bool:
    """What the C library takes for an address though it is not written as four numbers: 127.1, 0x7f.1, 2130706433."""
    parts = name.split(".")
    return len(parts) <= 4 and all(re.fullmatch(r"0x[0-9a-f]*|[0-9]+", part) for part in parts)


def _path(text: str) -> str:
    path = posixpath.normpath("/" + unquote(text).replace("\\", "/").lstrip("/")).rstrip("/").casefold()
    head, _, last = path.rpartition("/")
    return head if _API_VERSION.fullmatch(f"/{last}") else path
