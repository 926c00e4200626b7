"""A small server that answers as a Kubernetes API server does, and a kubeconfig for it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.served import served
from tests.unit.cr_samples import resource

Answer = tuple[int, Any]
Handler = Callable[[str, dict[str, str]], Answer]

GROUP = "/apis/flink.apache.org/v1beta1"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RESOURCES = {
    "resources": [{"name": "flinkdeployments"}, {"name": "flinkdeployments/status"}, {"name": "flinksessionjobs"}]
}


def status(code: int, message: str) -> Answer:
    return code, {"kind": "Status", "code": code, "message": message}


class ApiServer:
    """Answers by path; remembers what it was asked and with which token."""

    def __init__(self) -> None:
        self.answers: dict[str, Handler] = {GROUP: lambda *_: (200, RESOURCES)}
        self.proxies: dict[str, Handler] = {}  # by the beginning of the path
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.clock_ahead_seconds = 0.0
        self.allows: Callable[[dict[str, str]], bool] = lambda _: True
        """What the account may do, by the resourceAttributes of a SelfSubjectAccessReview."""
        self.lists("default", resource("1.15.0", 5))

    def lists(self, namespace: str, *deployments: dict[str, Any]) -> None:
        base = f"{GROUP}/namespaces/{namespace}"
        self.answers[f"{base}/flinkdeployments"] = lambda *_: (200, {"items": list(deployments)})
        self.answers[f"{base}/flinksessionjobs"] = lambda *_: (200, {"items": []})

    def answer(self, target: str, token: str | None) -> Answer:
        self.asked.append(target)
        self.tokens.add(token)
        url = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        proxies = (one for prefix, one in self.proxies.items() if url.path.startswith(f"{prefix}/"))
        handler = self.answers.get(url.path) or next(proxies, None)
        return status(404, f"no {url.path}") if handler is None else handler(url.path, query)


@contextmanager
def serving(api: ApiServer) -> Iterator[str]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == REVIEWS:
                self._answer(201, {"status": {"allowed": api.allows(sent["spec"]["resourceAttributes"])}})
            else:
                self._answer(*status(404, f"no {self.path}"))

        def do_GET(self) -> None:
            self._answer(*api.answer(self.path, self.headers.get("Authorization")))

        def _answer(self, code: int, body: Any) -> None:
            self.send_response_only(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Date", formatdate(time.time() + api.clock_ahead_seconds, usegmt=True))
            if isinstance(body, Iterator):
                self._stream(body)
                return
            content = json.dumps(body).encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self, events: Iterator[Any]) -> None:
            """A watch: one line an event, for as long as there are any."""
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for event in events:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    with served(Requests) as url:
        yield url


def write_kubeconfig(url: str, folder: Path) -> str:
    """Contexts `prod` (current) and `team` (namespace pricing); its path."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "secret-token"}}],
        "contexts": [
            {"name": "prod", "context": {"cluster": "c", "user": "me"}},
            {"name": "team", "context": {"cluster": "c", "user": "me", "namespace": "pricing"}},
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(path)
