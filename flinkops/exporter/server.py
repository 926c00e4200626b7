"""The HTTP side: /metrics, /healthz, a landing page; TLS, basic auth, and connections that cannot block each other."""

import base64
import binascii
import hmac
import logging
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from flinkops.errors import OperationFailed, UsageError
from flinkops.exporter.collector import DEADLINE_SECONDS, scrape_deadline_seconds
from flinkops.exporter.connections import ANSWER_SECONDS, Connections
from flinkops.input_file import read_input_text

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

_MOST_CREDENTIALS_BYTES = 2**20
_IDLE_SECONDS = 15.0
_SHARE_OF_TIMEOUT = 0.8
_LONGEST_SECONDS = ANSWER_SECONDS * _SHARE_OF_TIMEOUT
"""What is left of the time of an answer is for the client's reading it."""
_TIMEOUT_HEADER = "HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS"
_HEALTH = "/healthz"
_LANDING = b"""<!doctype html><html lang="en"><title>flinkops exporter</title>
<h1>flinkops exporter</h1>
<p><a href="metrics">Metrics</a> of the Flink jobs. <a href="healthz">Health</a> of this process.</p>
</html>
"""


@dataclass(frozen=True)
class Tls:
    """PEM files. With ``client_ca_file``, clients show a certificate that it signed, but for /healthz."""

    certificate_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """The server's side of TLS. UsageError when a file does not fit."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate_file, self.key_file)
            if self.client_ca_file:
                context.load_verify_locations(self.client_ca_file)
                context.verify_mode = ssl.CERT_OPTIONAL  # the handler asks for it: a kubelet has none for /healthz
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"cannot use the TLS files: {error}", next_step=f"check {self.certificate_file}") from None
        return context


@dataclass(frozen=True)
class Credentials:
    """Users and their passwords, for basic auth."""

    passwords: dict[str, str]

    def allow(self, header: str) -> bool:
        """Whether an Authorization header names a user and his password; takes as long for a wrong user."""
        scheme, _, encoded = header.partition(" ")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        known = self.passwords.get(user)
        same = hmac.compare_digest(password.encode(), (known or password + "x").encode())
        return scheme.lower() == "basic" and known is not None and same


def read_credentials(path: Path) -> Credentials:
    """Lines ``user:password``; blank ones and those that begin with # are skipped. UsageError when there is none."""
    lines = read_input_text(path, most_bytes=_MOST_CREDENTIALS_BYTES).splitlines()
    pairs = [line.partition(":") for line in lines if line.strip() and not line.startswith("#")]
    if not pairs or not all(user and colon and password for user, colon, password in pairs):
        raise UsageError(f"{path} does not hold lines user:password")
    return Credentials({user: password for user, _, password in pairs})


def application(
    registry: CollectorRegistry, healthy: Callable[[], bool], credentials: Credentials | None = None
) -> "WSGIApplication":
    """The WSGI application. /healthz needs no password: the kubelet has none, and it tells nothing."""
    metrics: WSGIApplication = make_wsgi_app(registry)

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == _HEALTH:
            up = healthy()
            return _plain(start_response, "200 OK" if up else "503 Service Unavailable", b"ok\n" if up else b"stuck\n")
        if credentials and not credentials.allow(environ.get("HTTP_AUTHORIZATION", "")):
            challenge = ("WWW-Authenticate", 'Basic realm="flinkops"')
            return _plain(start_response, "401 Unauthorized", b"user and password, please\n", challenge)
        if path == "/metrics":
            scrape_deadline_seconds.set(deadline_seconds(environ))
            return metrics(environ, start_response)
        if path == "/":
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
            return [_LANDING]
        return _plain(start_response, "404 Not Found", b"try /metrics\n")

    return answer


def _plain(start_response: "StartResponse", status: str, body: bytes, *headers: tuple[str, str]) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return [body]


def deadline_seconds(environ: "WSGIEnvironment") -> float:
    """Somewhat less than the scraper waits; the default for one that does not say."""
    try:
        timeout_seconds = float(environ.get(_TIMEOUT_HEADER, ""))
    except ValueError:
        return DEADLINE_SECONDS
    if not isfinite(timeout_seconds):
        return DEADLINE_SECONDS
    return min(_LONGEST_SECONDS, max(0.1, timeout_seconds * _SHARE_OF_TIMEOUT))


class _Handler(WSGIRequestHandler):
    timeout = _IDLE_SECONDS
    server: "MetricsServer"

    def get_environ(self) -> dict[str, Any]:
        """Called when the request's head has been read; breaks off what comes without the certificate that it needs."""
        self.server.connections.answering(self.connection)
        environ = super().get_environ()
        if self.server.wants_certificates and environ["PATH_INFO"] != _HEALTH and not self.connection.getpeercert():
            raise ConnectionAbortedError("no client certificate")
        return environ

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are no news."""


class MetricsServer(ThreadingMixIn, WSGIServer):
    """One thread a connection; the TLS handshake is the thread's too, so that a silent client holds up nobody."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, app: "WSGIApplication", tls: Tls | None = None) -> None:
        self._context = tls.context() if tls else None
        self.connections = Connections()
        self.wants_certificates = tls is not None and tls.client_ca_file is not None
        try:
            self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError, UnicodeError) as error:
            raise OperationFailed(
                f"cannot listen on {host}:{port}: {error}", next_step="choose another --listen"
            ) from None
        self.set_app(app)

    def server_bind(self) -> None:
        """As HTTPServer's, without asking a name service, which may hang, for this machine's name."""
        TCPServer.server_bind(self)
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)
        self.setup_environ()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is a place for one more connection."""
        return self.connections.admit(request)

    def service_actions(self) -> None:
        """Called between connections and at least twice a second."""
        self.connections.cut_overdue()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection from its first byte to its last."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.leave(request)

    def drain(self, seconds: float) -> None:
        """Wait for the connections under way, at most so long."""
        self.connections.wait_for_none(seconds)

    def get_request(self) -> tuple[Any, Any]:
        """Accept; the handshake comes with the first read."""
        connection, address = super().get_request()
        connection.settimeout(_IDLE_SECONDS)
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up or speaks no TLS is no fault of ours."""
        log.debug("connection from %s broke off", client_address, exc_info=True)
