"""Pinned jars: fetched once, resumed, refused when they are not what was pinned."""

import hashlib
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flinkops.errors import OperationFailed, UsageError
from flinkops.local import jars
from flinkops.local.jars import Jar, ensure_jars, manifest, mirror

CONTENT = bytes(range(256)) * 4096
JAR = Jar("org.example:thing:1.0", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Mirror(ThreadingHTTPServer):
    """A Maven repository that can misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.knows_ranges = True
        self.break_after_bytes: list[int] = []
        self.asked: list[str | None] = []
        self.served_bytes = 0


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Mirror)
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if self.path != "/org/example/thing/1.0/thing-1.0.jar":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.knows_ranges else 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.break_after_bytes:
            body = body[: server.break_after_bytes.pop(0)]
        server.served_bytes += len(body)
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def maven(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    server = Mirror()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("FLINKOPS_MAVEN_MIRROR", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_jar_is_fetched_once_and_announced_on_one_line(
    maven: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ensure_jars([JAR], tmp_path) == [tmp_path / "thing-1.0.jar"]
    assert ensure_jars([JAR], tmp_path)[0].read_bytes() == CONTENT
    assert len(maven.asked) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "fetching 1 jars" in captured.err


def test_a_broken_download_goes_on_where_it_stopped(maven: Mirror, tmp_path: Path) -> None:
    maven.break_after_bytes = [300_000, 100_000]
    assert ensure_jars([JAR], tmp_path)[0].read_bytes() == CONTENT
    assert maven.asked == [None, "bytes=300000-", "bytes=400000-"]
    assert maven.served_bytes == len(CONTENT)


def test_the_next_run_resumes_what_this_one_could_not_finish(maven: Mirror, tmp_path: Path) -> None:
    maven.break_after_bytes = [100_000, 0, 0, 0]
    with pytest.raises(OperationFailed, match="after 100000 of 1048576 bytes") as caught:
        ensure_jars([JAR], tmp_path)
    assert "run it again" in caught.value.line()
    assert "\n" not in caught.value.line()
    assert not (tmp_path / "thing-1.0.jar").exists()
    assert ensure_jars([JAR], tmp_path)[0].read_bytes() == CONTENT
    assert maven.asked[-1] == "bytes=100000-"


def test_a_server_that_ignores_range_sends_all_of_it_again(maven: Mirror, tmp_path: Path) -> None:
    maven.knows_ranges = False
    maven.break_after_bytes = [300_000]
    assert ensure_jars([JAR], tmp_path)[0].read_bytes() == CONTENT
    assert maven.asked == [None, "bytes=300000-"]


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"x"], ids=["other bytes", "larger"])
def test_what_is_not_what_was_pinned_is_refused_with_one_line(maven: Mirror, tmp_path: Path, content: bytes) -> None:
    maven.content = content
    with pytest.raises(OperationFailed, match="refused") as caught:
        ensure_jars([JAR], tmp_path)
    assert "\n" not in caught.value.line()
    assert "thing-1.0.jar" in caught.value.line()
    assert not (tmp_path / "thing-1.0.jar").exists()
    maven.content = CONTENT
    assert ensure_jars([JAR], tmp_path)[0].read_bytes() == CONTENT


def test_a_left_over_part_with_wrong_bytes_does_not_stick(maven: Mirror, tmp_path: Path) -> None:
    (tmp_path / "thing-1.0.jar.part").write_bytes(b"y" * 500_000)
    with pytest.raises(OperationFailed, match="SHA-256"):
        ensure_jars([JAR], tmp_path)
    assert ensure_jars([JAR], tmp_path)[0].read_bytes() == CONTENT


def test_a_truncated_jar_in_the_cache_is_fetched_again(maven: Mirror, tmp_path: Path) -> None:
    (tmp_path / "thing-1.0.jar").write_bytes(CONTENT[:10])
    assert ensure_jars([JAR], tmp_path)[0].read_bytes() == CONTENT


def test_a_missing_artifact_is_not_asked_for_again(maven: Mirror, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="404"):
        ensure_jars([Jar("org.example:other:1.0", 1, "0" * 64)], tmp_path)
    assert len(maven.asked) == 1


def test_several_at_once_fetch_it_once(maven: Mirror, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: jars._ensure_one(JAR, tmp_path, lambda _size: None), range(4)))
    assert len(results) == 4
    assert len(maven.asked) == 1
    assert (tmp_path / "thing-1.0.jar").read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationFailed, match="cannot keep jars in"):
        ensure_jars([JAR], tmp_path / "file" / "cache")


def test_the_mirror_is_a_setting_and_has_a_sensible_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLINKOPS_MAVEN_MIRROR", raising=False)
    assert mirror() == "https://repo.maven.apache.org/maven2"
    monkeypatch.setenv("FLINKOPS_MAVEN_MIRROR", "ftp://x")
    with pytest.raises(UsageError, match="FLINKOPS_MAVEN_MIRROR"):
        mirror()


def test_every_pin_is_whole_and_no_two_jars_share_a_file_name() -> None:
    pinned = {jar.coordinates: jar for group in manifest().values() for jar in group}
    assert len({jar.file_name for jar in pinned.values()}) == len(pinned)
    for jar in pinned.values():
        assert re.fullmatch(r"[0-9a-f]{64}", jar.sha256), jar
        assert jar.size_bytes > 1000, jar
        assert jar.repository_path.endswith(f"/{jar.file_name}")
