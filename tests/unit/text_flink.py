"""A Flink REST API that answers with texts by path, and a source that asks it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

from flinkops.model.endpoint import parse_endpoint
from flinkops.sources.flink.source import FlinkRestSource
from tests.served import served


class TextFlink(BaseHTTPRequestHandler):
    """``answers`` by path; of any other 404."""

    answers: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        answer = self.answers.get(self.path)
        self.send_response(404 if answer is None else 200)
        self.end_headers()
        self.wfile.write((answer or '{"errors": []}').encode())

    def log_message(self, format: str, *args: object) -> None:
        """Not on the terminal."""


@contextmanager
def text_flink() -> Iterator[FlinkRestSource]:
    with served(TextFlink) as url, closing(FlinkRestSource(parse_endpoint(url, name="x"))) as source:
        yield source
