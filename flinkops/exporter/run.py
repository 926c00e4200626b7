"""The exporter's life: listen, warn where it is open to all, stop gracefully."""

import ipaddress
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from flinkops.clock import Clock, SystemClock
from flinkops.errors import UsageError
from flinkops.exporter.collector import DEADLINE_SECONDS, FleetCollector
from flinkops.exporter.families import Options
from flinkops.exporter.poller import SharedPoller
from flinkops.exporter.server import Credentials, MetricsServer, Tls, application
from flinkops.model.observation import Observation

log = logging.getLogger(__name__)

_STUCK_SECONDS = 10 * DEADLINE_SECONDS
_DRAIN_SECONDS = 5.0


@dataclass(frozen=True)
class Listen:
    """Where to listen, and who may come in."""

    host: str
    port: int
    tls: Tls | None = None
    credentials: Credentials | None = None

    @property
    def open_to_all(self) -> bool:
        """Beyond loopback, with neither TLS nor a password."""
        return not (self.tls or self.credentials or _is_loopback(self.host))

    @property
    def url(self) -> str:
        """For people to open."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/metrics"


def parse_listen(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT`` (all addresses). Raises UsageError.

    >>> parse_listen("[::1]:9249")
    ('::1', 9249)
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise UsageError(f"--listen {text!r} is not HOST:PORT", next_step="for example --listen 127.0.0.1:9249")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - asked for, and warned of


def build(
    observe: Callable[[], Observation], options: Options, listen: Listen, clock: Clock | None = None
) -> MetricsServer:
    """A server that is bound but does not serve yet. Raises OperationFailed when it cannot listen."""
    poller = SharedPoller(observe, clock or SystemClock())
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FleetCollector(poller, options))
    for process_facts in (ProcessCollector, PlatformCollector, GCCollector):
        process_facts(registry=registry)
    app = application(registry, lambda: poller.running_for_seconds < _STUCK_SECONDS, listen.credentials)
    return MetricsServer(listen.host, listen.port, app, listen.tls)


def serve(server: MetricsServer, listen: Listen, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; what is being answered then is answered to its end."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        if listen.open_to_all:
            say("warning: whoever reaches this address can read all figures: see --tls-cert, --basic-auth-file")
        say(f"metrics on {listen.url}")
        stop.wait()
        server.shutdown()
        server.drain(_DRAIN_SECONDS)
    finally:
        server.server_close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
