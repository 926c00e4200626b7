"""An API server that takes Jobs and lets one pod go through given states, one at each poll of the pods."""

import base64
import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flinkops.model.endpoint import RestEndpoint
from flinkops.sources.kubernetes.access import KubeAccess
from tests.served import served

JOBS = "/apis/batch/v1/namespaces/pricing/jobs"
PODS = "/api/v1/namespaces/pricing/pods"
DENIAL = 'jobs.batch is forbidden: User "ann" cannot {} resource "{}" in API group "" in the namespace "pricing"'


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return _container({"waiting": {"reason": reason, "message": message}})


def running() -> dict[str, Any]:
    return _container({"running": {}})


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return _container({"terminated": {"exitCode": code, "reason": reason}})


def without_node(message: str) -> dict[str, Any]:
    told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"spec": {}, "status": {"phase": "Pending", "conditions": [told]}}


def _container(state: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"nodeName": "node1"}, "status": {"containerStatuses": [{"name": "main", "state": state}]}}


class FakePods:
    """`states`: of the pod, one a poll, the last one for good; None: there is no pod. What was made is in `made`."""

    def __init__(self, states: Sequence[dict[str, Any] | None], log: Sequence[bytes] = ()) -> None:
        self.states = [*states]
        self.log = [*log]  # what each read of the log answers; the last one for good
        self.made: dict[str, dict[str, Any]] = {}  # by plural/name
        self.removed: list[str] = []
        self.others: list[dict[str, Any]] = []  # Jobs that are there already
        self.job_conditions: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.refuses: dict[str, tuple[int, str]] = {}  # by "METHOD plural"
        self.away = 0
        self.asked: list[str] = []

    def answer(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, Any]:
        url = urlsplit(target)
        parts = url.path.partition("/namespaces/pricing/")[2].split("/")
        plural = "/".join((parts[0], *parts[2:]))
        self.asked.append(f"{method} {plural}")
        if self.away and plural.startswith("pods"):
            self.away -= 1
            return 503, {"kind": "Status", "message": "starting"}
        if (refusal := self.refuses.get(f"{method} {plural}")) is not None:
            return refusal[0], {"kind": "Status", "message": refusal[1]}
        if method == "POST":
            made = {**body, "metadata": {**body["metadata"], "namespace": "pricing", "uid": f"uid-{len(self.made)}"}}
            self.made[f"{plural}/{body['metadata']['name']}"] = made
            return 201, made
        if method == "DELETE":
            self.removed.append(parts[1])
            return 200, {}
        if plural == "jobs":
            if len(parts) > 1:
                found = self.made.get(f"jobs/{parts[1]}")
                return (200, {**found, "status": {"conditions": self.job_conditions}}) if found else (404, {})
            (wanted,) = parse_qs(url.query)["labelSelector"]
            labels = dict(one.split("=") for one in wanted.split(","))
            return 200, {"items": [one for one in self.others if labels.items() <= one["metadata"]["labels"].items()]}
        if plural == "pods/log":
            content = self.log[0] if self.log else b""
            self.log = self.log[1:] or self.log
            return 200, content
        if plural == "pods":
            state = self.states[0] if self.states else None
            self.states = self.states[1:] or self.states
            about = {"name": "pod-1", "namespace": "pricing", "creationTimestamp": "2026-01-01T00:00:00Z"}
            return 200, {"items": [{"metadata": about, **state}] if state else []}
        return 200, {"items": self.events}

    def content(self, payload: str) -> dict[str, bytes]:
        """The files of the ConfigMap of this payload."""
        (found,) = [one for key, one in self.made.items() if key.startswith("configmaps/") and key.endswith(payload)]
        return {key: base64.b64decode(value) for key, value in found["binaryData"].items()}

    def of(self, plural: str) -> list[dict[str, Any]]:
        """What was made of these."""
        return [one for key, one in self.made.items() if key.startswith(f"{plural}/")]


@contextmanager
def serving(pods: FakePods) -> Iterator[KubeAccess]:
    lock = threading.Lock()

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                code, found = pods.answer(self.command, self.path, json.loads(body) if body else {})
            content = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response_only(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _respond  # noqa: N815 - as http.server calls them

        def log_message(self, *_: object) -> None:
            pass

    with served(Requests) as url:
        yield KubeAccess("prod", "pricing", lambda: RestEndpoint(url=url, name="prod"), server=url)


def stamped(*lines: str) -> bytes:
    """A log as the API has it, with times of their own."""
    numbers = itertools.count(1)
    return b"".join(f"2026-01-01T00:00:00.{next(numbers):09d}Z {line}\n".encode() for line in lines)
