"""Connections that can be cut off from another thread, and words for what goes wrong on them."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, RemoteDisconnected
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from flinkops.errors import Unreachable
from flinkops.model.endpoint import RestEndpoint
from flinkops.sources.deadline import Deadline

CONNECTION_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)

_current = threading.local()


class _Request:
    """One request under way: its deadline, its target when that is escaped, and its connection once there is one."""

    __slots__ = ("connection", "deadline", "target")

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.target: str | None = None
        self.connection: HTTPConnection | None = None


class AbortableConnections:
    """Knows which connection serves which request, so that an overdue one can be ended from outside.

    urllib3 creates connections and picks one for a request in the thread that asks, so a thread-local is enough.
    """

    def __init__(self) -> None:
        self._under_way: set[_Request] = set()
        self._lock = threading.Lock()

    def watch(self, manager: PoolManager) -> None:
        """Makes all connections of `manager` known here."""
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    @contextmanager
    def request(self, deadline: Deadline) -> Iterator[None]:
        """Marks the calling thread's next exchange as bound to `deadline`."""
        request = _Request(deadline)
        with self._lock:
            self._under_way.add(request)
        _current.request = request
        try:
            yield
        finally:
            _current.request = None
            with self._lock:
                self._under_way.discard(request)

    def abort(self, concerned: Callable[[Deadline], bool]) -> None:
        """Cuts the connections of the concerned requests: their threads get an error at once."""
        with self._lock:
            requests_concerned = [request for request in self._under_way if concerned(request.deadline)]
        for request in requests_concerned:
            sock = None if request.connection is None else request.connection.sock
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


class PoolAdapter(HTTPAdapter):
    """What `requests` knows of TLS files, CA bundles and proxies of the environment: applied once, not per request."""

    def __init__(self, endpoint: RestEndpoint, *, connections: int, watch: Callable[[PoolManager], None]) -> None:
        super().__init__(pool_connections=1, pool_maxsize=connections)
        watch(self.poolmanager)
        self._watch = watch
        certificate: str | tuple[str, str] | None = endpoint.client_certificate_file
        if endpoint.client_certificate_file and endpoint.client_key_file:
            certificate = (endpoint.client_certificate_file, endpoint.client_key_file)
        verify: bool | str = (endpoint.ca_file or True) if endpoint.verify else False
        with requests.Session() as session:
            settings = session.merge_environment_settings(endpoint.url, {}, True, verify, certificate)
        self._verify: bool | str = settings["verify"] or False
        self._certificate = settings["cert"]
        self._proxies = settings["proxies"]
        self._request = requests.Request("GET", endpoint.url).prepare()
        self._pool: tuple[HTTPConnectionPool, str] | None = None
        if not endpoint.verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def pool(self) -> tuple[HTTPConnectionPool, str]:
        """The connections, and what to put before a path. Raises OSError when a certificate file is not there."""
        if self._pool is None:
            try:
                pool = self.get_connection_with_tls_context(
                    self._request, self._verify, proxies=self._proxies, cert=self._certificate
                )
            except requests.exceptions.InvalidURL as problem:  # also of a proxy in the environment
                raise Unreachable(f"{self._request.url} cannot be connected to: {problem}") from None
            assert isinstance(pool, HTTPConnectionPool)
            self.cert_verify(pool, self._request.url or "", self._verify, self._certificate)  # type: ignore[no-untyped-call]
            prefix = self.request_url(self._request, self._proxies)
            self._pool = pool, prefix.rstrip("/")
        return self._pool

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> PoolManager:
        """Connections through a proxy can be cut off, too."""
        manager: PoolManager = super().proxy_manager_for(proxy, **proxy_kwargs)
        self._watch(manager)
        return manager


class _Plain(HTTPConnection):
    def request(self, method: str, url: str, *args: object, **kwargs: object) -> None:
        super().request(method, _adopt(self, url), *args, **kwargs)  # type: ignore[arg-type]


class _Encrypted(HTTPSConnection):
    def request(self, method: str, url: str, *args: object, **kwargs: object) -> None:
        super().request(method, _adopt(self, url), *args, **kwargs)  # type: ignore[arg-type]


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


def _adopt(connection: HTTPConnection, target: str) -> str:
    """Makes the connection that of this thread's request; returns what to ask it for."""
    request = getattr(_current, "request", None)
    if request is None:
        return target
    request.connection = connection
    return request.target or target


def short_target(target: str) -> str:
    """What to give urllib3 as the target of this thread's request; on the connection it is `target` all the same.

    urllib3 goes through a target character by character to escape it: a tenth of a poll's CPU, since metrics are asked
    for by names of 3,500 characters. What is escaped already is spared that.
    """
    request = getattr(_current, "request", None)
    if request is None:
        return target
    request.target = target if _ESCAPED.fullmatch(target) else None
    return "/" if request.target else target


_ESCAPED = re.compile(r"/(?:[\w./?=&,~:@!$'()*+;-]|%[0-9A-F]{2})*", re.ASCII)


def hung_up(problem: BaseException) -> bool:
    """Whether the server closed a connection before it answered, as it may do with one kept from an earlier request."""
    return any(
        isinstance(cause, RemoteDisconnected | ConnectionResetError | BrokenPipeError) for cause in _causes(problem)
    )


def explain(problem: BaseException, url: str) -> Unreachable:
    """One sentence for what went wrong between here and `url`."""
    causes = list(_causes(problem))
    for kind, what, next_step in _SENTENCES:
        found = next((cause for cause in causes if isinstance(cause, kind)), None)
        if found is not None:
            return Unreachable(what.format(url=url, why=_words(found)), next_step=next_step)
    return Unreachable(f"{url} cannot be reached: {_words(causes[-1])}")


_Sentence = tuple[type[BaseException] | tuple[type[BaseException], ...], str, str | None]
_SENTENCES: tuple[_Sentence, ...] = (
    (urllib3.exceptions.ProxyError, "the proxy before {url} does not answer: {why}", "check HTTPS_PROXY and NO_PROXY"),
    (
        urllib3.exceptions.NameResolutionError,
        "the host name of {url} is not known",
        "check its spelling, the VPN and the DNS",
    ),
    (socket.gaierror, "the host name of {url} is not known", "check its spelling, the VPN and the DNS"),
    (
        (urllib3.exceptions.SSLError, requests.exceptions.SSLError),
        "no trusted TLS connection to {url}: {why}",
        "check the CA file, the client certificate and whether it is https at all",
    ),
    (ConnectionRefusedError, "{url} refuses connections", "is the JobManager running, and the port right?"),
    ((requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError), "{url} does not answer: no connection", None),
    ((requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError), "{url} does not answer in time", None),
    (urllib3.exceptions.IncompleteRead, "{url} broke off in the middle of an answer", None),
    (RemoteDisconnected, "{url} closed the connection without an answer", None),
    ((ConnectionResetError, BrokenPipeError), "{url} broke the connection", None),
    (urllib3.exceptions.DecodeError, "{url} sends a compressed answer that cannot be unpacked", None),
)


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """The exception and what it wraps, outermost first; urllib3 keeps some in `reason` or in its arguments."""
    seen: set[int] = set()
    waiting: list[BaseException] = [problem]
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (getattr(cause, "reason", None), cause.__cause__, cause.__context__, *cause.args)
        waiting.extend(each for each in inner if isinstance(each, BaseException))


def _words(problem: BaseException) -> str:
    text = getattr(problem, "verify_message", None) or getattr(problem, "strerror", None) or str(problem)
    return " ".join(str(text).split())[:200] or type(problem).__name__
