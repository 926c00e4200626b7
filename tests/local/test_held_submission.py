"""What a held client sends, and when: real Flink's client, a server that only takes what is sent."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flinkops.local import flink
from flinkops.local.client import installed_client, python_options
from flinkops.local.client_process import ClientProcess

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]

PROGRAM = """
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf

tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
tables.create_temporary_function("twice", udf(lambda one: 2 * one, result_type=DataTypes.BIGINT()))
tables.execute_sql("CREATE TABLE numbers (k BIGINT) WITH ('connector'='datagen')")
tables.execute_sql("CREATE TABLE nothing (k BIGINT) WITH ('connector'='blackhole')")
tables.execute_sql("INSERT INTO nothing SELECT {} FROM numbers")
"""


class Taker:
    """A REST API that takes every job, and keeps what was sent."""

    def __init__(self) -> None:
        taken: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = bytearray()
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while size := int(self.rfile.readline(), 16):
                        content += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    content += self.rfile.read(int(self.headers["Content-Length"]))
                taken.append(bytes(content))
                self._answer(202, b'{"jobUrl":"/jobs/1"}')

            def do_GET(self) -> None:
                self._answer(200, b'{"status":"RUNNING"}')

            def _answer(self, code: int, content: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_given: object) -> None:
                pass

        self.taken = taken
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    @property
    def files(self) -> list[str]:
        return [name.decode() for content in self.taken for name in re.findall(rb'filename="([^"]+)"', content)]


def until(condition: Callable[[], bool], *, seconds: float) -> None:
    """Patient: the machine may be busy. What came of it is asserted by the caller."""
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        time.sleep(0.05)


@pytest.fixture
def taker() -> Iterator[Taker]:
    made = Taker()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize(("expression", "carried"), [("k + 1", False), ("twice(k)", True)])
def test_flink_python_is_sent_with_python_operators_only(
    expression: str, carried: bool, taker: Taker, tmp_path: Path
) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(expression))
    home = flink.distribution()
    settings = {"rest.address": "127.0.0.1", "rest.port": str(taker.port), "parallelism.default": "1"}
    options = ["-d", "-t", "flinkops-held", *(f"-D{key}={value}" for key, value in settings.items())]
    process = ClientProcess(
        installed_client(home, executors=True), [*options, *python_options(home), "-py", str(script)]
    )
    try:
        until(lambda: process.says("ready") or process.ended, seconds=200)
        assert process.says("ready"), process.output[-2000:]
        assert taker.taken == [], "nothing is sent before it is told to"
        process.tell("file:/savepoints/savepoint-1")
        until(lambda: process.says("submitted") or process.ended, seconds=60)
        assert process.says("submitted"), process.output[-2000:]
    finally:
        process.close()
    assert any(name.startswith("flink-python") for name in taker.files) == carried, taker.files
