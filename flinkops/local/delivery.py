"""Delivers a fleet's price alerts on this machine: a dispatcher, and a receiver that prints what arrives."""

import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from flinkops.errors import OperationFailed
from flinkops.local import job
from flinkops.local.ports import HOST, free_ports, is_free
from flinkops.local.processes import Process, spawn
from flinkops.local.state import FleetInfo

_CLIENTS: tuple[tuple[str, list[dict[str, Any]]], ...] = (
    ("everything", [{}]),
    ("bargains", [{"direction": "down", "min_change_ratio": 0.05}]),
    ("shop1", [{"retailer": "shop1", "kinds": ["availability"]}, {"retailer": "shop1", "sku": "SKU-0000*"}]),
)
_VARIABLE = "PRICE_ALERTS_RECEIVER_SECRET"
_START_SECONDS = 20.0
_POLL_SECONDS = 0.05
_COUNT = re.compile(r"^\d+ requests, (\d+) alerts, (\d+) repeats", re.MULTILINE)


class Delivery(msgspec.Struct, frozen=True):
    """A dispatcher and its receiver: `alerts_log` is what the receiver prints, `metrics_url` the dispatcher's own."""

    folder: Path
    metrics_url: str

    @property
    def alerts_log(self) -> Path:
        """A few alerts a second, and in the end how many there were."""
        return self.folder / "alerts.log"

    def counted(self) -> tuple[int, int] | None:
        """Alerts and repeats, as the receiver printed at its end; None before that."""
        last = _COUNT.search(self.alerts_log.read_text(errors="replace")) if self.alerts_log.exists() else None
        return (int(last[1]), int(last[2])) if last else None


def choose(folder: Path) -> Delivery:
    """Where the dispatcher will listen; a job has to know that before it starts."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    return Delivery(folder, f"http://{HOST}:{port}/metrics")


def start(
    info: FleetInfo, delivery: Delivery, topic: str, dead_letter_topic: str, started: Callable[[Process], object]
) -> None:
    """Start both; they end when this process does. `started` is called with each at once, so that it can be ended.

    Raises OperationFailed when one does not come up.
    """
    (port,) = free_ports(1)
    secret = secrets.token_hex()
    subscriptions = delivery.folder / "subscriptions.json"
    documents = [
        {"client": client, "url": f"http://{HOST}:{port}/{client}", "secret": secret, "filters": filters}
        for client, filters in _CLIENTS
    ]
    subscriptions.touch(mode=0o600)
    subscriptions.write_bytes(msgspec.json.encode(documents))
    shared = {_VARIABLE: secret}  # other users of the machine see a process's options, but not its environment
    receiver = _spawn("receiver", ["--port", str(port), "--print"], delivery.alerts_log, shared)
    started(receiver)
    _await_port(receiver, port)
    metrics = delivery.metrics_url.removeprefix("http://").removesuffix("/metrics")
    options = {
        "--bootstrap": info.kafka_bootstrap,
        "--topic": topic,
        "--dead-letter-topic": dead_letter_topic,
        "--group": f"dispatcher-{topic}",
        "--subscriptions": str(subscriptions),
        "--state": str(delivery.folder / "state"),
        "--listen": metrics,
        "--allow-address": f"{HOST}/32",
    }
    words = [word for pair in options.items() for word in pair]
    dispatcher = _spawn("dispatcher", ["--allow-http", *words], delivery.folder / "dispatcher.log")
    started(dispatcher)
    _await_port(dispatcher, int(metrics.rpartition(":")[2]))


def _spawn(role: str, options: list[str], output: Path, variables: Mapping[str, str] | None = None) -> Process:
    jobs = job.jobs_folder()
    module = f"{jobs.name}.price_alerts.dispatcher" + (".receiver" if role == "receiver" else "")
    environment = dict(os.environ) | {"PYTHONPATH": str(jobs.parent)} | dict(variables or {})
    return spawn(
        role, [sys.executable, "-m", module, *options, "--with-parent"], output=output, environment=environment
    )


def _await_port(process: Process, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while is_free(port):
        if not process.alive or time.monotonic() > deadline:
            lines = Path(process.log).read_text(errors="replace").strip().splitlines()
            raise OperationFailed(f"the {process.role} did not start: {lines[-1] if lines else 'it printed nothing'}")
        time.sleep(_POLL_SECONDS)
