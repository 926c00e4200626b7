"""Where a request goes: the origin of a URL, and the beginning of the request's head, which is the same each time."""

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec
from yarl import URL

_REMEMBERED_URLS = 4096
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_FORBIDDEN = ("\r", "\n", "\0")
_CONSTANT = "Accept: */*\r\nUser-Agent: flinkops-price-alerts\r\nContent-Type: application/json\r\n"


class Origin(NamedTuple):
    """Requests to one origin share connections. The host as DNS and TLS know it: IDNA, no brackets."""

    tls: bool
    host: str
    port: int


class Target(msgspec.Struct, frozen=True, gc=False):
    """A URL that requests go to. `head` is the request line and the headers that every request has."""

    origin: Origin
    head: str

    def request(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """The whole POST. Raises ValueError where a header would end its line."""
        lines = [self.head, f"Content-Length: {len(body)}\r\n"]
        for name, value in headers.items():
            if any(each in value for each in _FORBIDDEN):
                raise ValueError(f"{name} holds the end of a line")
            lines.append(f"{name}: {value}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode() + body


@lru_cache(_REMEMBERED_URLS)
def target_of(url: str) -> Target | None:
    """The target of an http(s) URL; None where it is none, or names a user or no usual address.

    Path, query and host are written as yarl does it: what may not stand in a request line is percent-encoded, the host
    is IDNA or in brackets, and has its port where that is not the scheme's own.
    """
    try:
        parsed = URL(url)
        host, authority, port = parsed.raw_host, parsed.host_port_subcomponent, parsed.port
    except ValueError:  # no host, no such port, no name that IDNA has
        return None
    if _is_number(host):
        return None
    if parsed.scheme not in ("http", "https") or not host or port is None or parsed.raw_user or parsed.raw_password:
        return None
    path = parsed.raw_path_qs
    if not _VISIBLE.fullmatch(path) or not _VISIBLE.fullmatch(authority or ""):
        return None  # yarl leaves blanks and control characters in a host: none may end its line
    head = f"POST {path} HTTP/1.1\r\nHost: {authority}\r\n{_CONSTANT}"
    return Target(Origin(parsed.scheme == "https", host, port), head)


def _is_number(host: str | None) -> bool:
    """Whether it is an IPv4 address as only C's resolver reads it: 2130706433, 127.1, 0177.0.0.1."""
    if host is None or not host.replace(".", "").isdigit():
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False
