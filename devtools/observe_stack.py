"""Real Prometheus, Alertmanager and exporter on 127.0.0.1, and a receiver that keeps the notifications."""

import contextlib
import http.server
import json
import os
import socketserver
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from devtools.debian import program
from flinkops.config.alerts import AlertSettings
from flinkops.errors import TimedOut
from flinkops.local.ports import HOST, free_ports
from flinkops.local.processes import Process, spawn, terminate
from flinkops.observability.rules import groups, rule_file
from flinkops.observability.timing import Timing

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.2


@dataclass
class Receiver:
    """What Alertmanager sent, in order: one entry for each alert of each notification."""

    received: list[dict[str, Any]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    on_alert: Callable[[dict[str, Any]], None] = lambda alert: None

    def take(self, body: bytes) -> None:
        """Keep one notification."""
        with self.changed:
            for alert in json.loads(body)["alerts"]:
                self.received.append(alert)
                self.on_alert(alert)
            self.changed.notify_all()

    def of(self, **labels: str) -> list[str]:
        """The statuses of an alert's notifications so far: firing, resolved."""
        return [alert["status"] for alert in self.received if labels.items() <= alert["labels"].items()]

    def wait(self, status: str, seconds: float, **labels: str) -> None:
        """Wait until an alert with these labels was notified with this status. Raises TimedOut."""
        with self.changed:
            if not self.changed.wait_for(lambda: status in self.of(**labels), seconds):
                raise TimedOut(f"{labels} is not {status} after {seconds:g} s; came: {self.of(**labels)}")


@dataclass(frozen=True)
class Stack:
    """Where the parts are, and what was received."""

    exporter_url: str
    prometheus_url: str
    alertmanager_url: str
    receiver: Receiver
    processes: tuple[Process, ...]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The instant vector of an expression now."""
        answer = _get(f"{self.prometheus_url}/api/v1/query?{urllib.parse.urlencode({'query': expr})}")
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


@contextlib.contextmanager
def running(
    home: Path,
    exporter_options: Sequence[str],
    *,
    timing: Timing | None = None,
    scrape_seconds: float = 5.0,
    receiver: Receiver | None = None,
) -> Iterator[Stack]:
    """Start all parts in `home`, wait until they answer, end them on leaving."""
    timing, receiver = timing or Timing(), receiver or Receiver()
    ports = dict(zip(("exporter", "prometheus", "alertmanager"), free_ports(3), strict=True))
    home.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as cleanup:
        hook = cleanup.enter_context(_listening(receiver))
        _write_configs(home, timing, scrape_seconds, {**ports, "hook": hook})
        commands = _commands(home, ports, exporter_options, timing)
        processes: list[Process] = []
        cleanup.callback(lambda: terminate(processes))
        for role, command in commands.items():
            processes.append(spawn(role, command, output=home / f"{role}.log", environment=os.environ))
        urls = {role: f"http://{HOST}:{port}" for role, port in ports.items()}
        for process, path in zip(processes, ("/healthz", "/-/ready", "/-/ready"), strict=True):
            await_answer(urls[process.role] + path, process)
        yield Stack(urls["exporter"], urls["prometheus"], urls["alertmanager"], receiver, tuple(processes))


def _commands(
    home: Path, ports: Mapping[str, int], exporter_options: Sequence[str], timing: Timing
) -> dict[str, list[str]]:
    return {
        "exporter": [
            sys.executable,
            "-m",
            "flinkops",
            "exporter",
            "--listen",
            f"{HOST}:{ports['exporter']}",
            *exporter_options,
        ],
        "prometheus": [
            str(program("prometheus")),
            f"--config.file={home / 'prometheus.yaml'}",
            f"--storage.tsdb.path={home / 'prometheus'}",
            f"--web.listen-address={HOST}:{ports['prometheus']}",
            f"--rules.alert.resend-delay={timing(60)}",
        ],
        "alertmanager": [
            str(program("prometheus-alertmanager")),
            f"--config.file={home / 'alertmanager.yaml'}",
            f"--storage.path={home / 'alertmanager'}",
            f"--web.listen-address={HOST}:{ports['alertmanager']}",
            "--cluster.listen-address=",
        ],
    }


def _write_configs(home: Path, timing: Timing, scrape_seconds: float, ports: Mapping[str, int]) -> None:
    (home / "rules.yaml").write_text(rule_file(groups(AlertSettings(), timing)))
    milliseconds = f"{round(scrape_seconds * 1000)}ms"
    prometheus = {
        "global": {
            "scrape_interval": milliseconds,
            "scrape_timeout": milliseconds,
            "evaluation_interval": milliseconds,
        },
        "rule_files": [str(home / "rules.yaml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"{HOST}:{ports['alertmanager']}"]}]}]},
        "scrape_configs": [
            {
                "job_name": "flinkops",
                "honor_labels": True,
                "static_configs": [{"targets": [f"{HOST}:{ports['exporter']}"]}],
            }
        ],
    }
    alerts = {
        "route": {
            "receiver": "webhook",
            "group_by": ["alertname", "cluster", "namespace", "job", "severity"],
            "group_wait": "0s",
            "group_interval": timing(60),
            "repeat_interval": "4h",
        },
        "receivers": [
            {
                "name": "webhook",
                "webhook_configs": [{"url": f"http://{HOST}:{ports['hook']}/", "send_resolved": True}],
            }
        ],
    }
    (home / "prometheus.yaml").write_text(yaml.safe_dump(prometheus))
    (home / "alertmanager.yaml").write_text(yaml.safe_dump(alerts))


@contextlib.contextmanager
def _listening(receiver: Receiver) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with socketserver.ThreadingTCPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def await_answer(url: str, process: Process) -> None:
    """Wait until a part answers at its address. Raises TimedOut with the last line of its log."""
    ends = time.monotonic() + _READY_SECONDS
    while time.monotonic() < ends and process.alive:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(_POLL_SECONDS)
    words = Path(process.log).read_text(errors="replace").strip().splitlines()
    raise TimedOut(f"{process.role} does not answer: {words[-1] if words else 'it said nothing'}; log: {process.log}")


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)
