"""Where a Flink REST API is and how to speak to it."""

import ipaddress
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import msgspec


class RestEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One Flink REST API: ``url`` without userinfo, query or trailing slash; a proxy's path prefix is part of it.

    ``verify`` False accepts any certificate; ``ca_file`` names the authorities to trust instead of the usual ones.
    Files are paths on this machine, read when the source is opened.
    """

    url: str
    name: str
    headers: dict[str, str] = {}
    username: str | None = None
    password: str | None = None
    client_certificate_file: str | None = None
    client_key_file: str | None = None
    ca_file: str | None = None
    verify: bool = True

    def __repr__(self) -> str:
        """Without secrets: this gets into logs."""
        return f"RestEndpoint(url={self.url!r}, name={self.name!r})"


def parse_endpoint(
    url: str,
    *,
    name: str | None = None,
    headers: dict[str, str] | None = None,
    client_certificate_file: str | None = None,
    client_key_file: str | None = None,
    ca_file: str | None = None,
    verify: bool = True,
) -> RestEndpoint:
    """Reads a URL as people type it: ``host:port`` is http, userinfo becomes basic auth, the name is the address.

    Raises ValueError with one clear sentence when it is no http(s) URL.

    >>> parse_endpoint("http://me:secret@flink.example:8081/team-a/").url
    'http://flink.example:8081/team-a'
    """
    text = url.strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        scheme, address = _scheme(parts.scheme), _address(parts)
    except ValueError:  # its words may hold part of a password
        scheme = address = None
    if scheme is None or address is None or not text.isprintable() or " " in text:
        raise ValueError(f"not a URL of a Flink REST API: {_without_userinfo(url)!r} (want http://HOST:PORT)")
    path = parts.path.rstrip("/")
    return RestEndpoint(
        url=urlunsplit((scheme, address, path, "", "")),
        name=name or f"{address}{path}",
        headers=dict(headers or {}),
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        client_certificate_file=client_certificate_file,
        client_key_file=client_key_file,
        ca_file=ca_file,
        verify=verify,
    )


def _address(parts: SplitResult) -> str | None:
    """Host and port, as a URL has them; None for what is no host. Raises ValueError for what is no port."""
    port, host = parts.port, parts.hostname
    if not host or not _is_host(host):
        return None
    host = f"[{host}]" if ":" in host else _ascii(host)
    return host if port is None else f"{host}:{port}"


def _is_host(text: str) -> bool:
    """An address, or a name that the domain name system could know: labels of 1 to 63 bytes, 253 in all.

    >>> [_is_host(one) for one in ("flink.example", "b\u00fccher.example.", "::1", ".", "a..b", "a" * 64, "a%b")]
    [True, True, True, False, False, False, False]
    """
    if ":" in text:
        try:
            ipaddress.IPv6Address(text)
        except ValueError:
            return False
        return True
    if not text.isprintable() or set(text) & set('%<>[]^|\\"{}`'):
        return False
    try:
        encoded = text.encode("idna")  # refuses empty and long labels
    except UnicodeError:
        return False
    return 0 < len(encoded.rstrip(b".")) <= 253


def _ascii(host: str) -> str:
    """An international name as the domain name system has it: its own characters, however wide they were typed."""
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _scheme(text: str) -> Literal["http", "https"] | None:
    if text == "http":
        return "http"
    return "https" if text == "https" else None


def _without_userinfo(url: str) -> str:
    """What may be shown of a URL that could not be read: a password before an @ is not part of it."""
    shown = url.rsplit("@", 1)[-1]
    return shown if len(shown) <= 200 else f"{shown[:200]}…"
