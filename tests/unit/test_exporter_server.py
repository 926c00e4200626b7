"""Over the wire: content negotiation, auth, TLS, hung clients, a graceful stop."""

import base64
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from flinkops.clock import FixedClock
from flinkops.errors import OperationFailed, UsageError
from flinkops.exporter import connections
from flinkops.exporter.connections import Connections
from flinkops.exporter.families import Options
from flinkops.exporter.run import Listen, build, parse_listen
from flinkops.exporter.server import Credentials, MetricsServer, Tls, deadline_seconds, read_credentials
from flinkops.exporter.shard import parse_shard
from flinkops.model.facts import FleetSnapshot
from flinkops.model.observation import Observation
from tests.patience import PATIENT_SECONDS, until
from tests.unit.assessments import HEALTHY, NOW_MS, fleet

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def observe() -> Observation:
    return Observation(FleetSnapshot(NOW_MS), fleet(HEALTHY))


@contextmanager
def serving(observe: Callable[[], Observation] = observe, **listen: object) -> Iterator[MetricsServer]:
    server = build(observe, Options(), Listen("127.0.0.1", 0, **listen), FixedClock(NOW_MS))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def get(
    server: MetricsServer, path: str = "/metrics", context: ssl.SSLContext | None = None, **headers: str
) -> tuple[int, str]:
    scheme = "https" if context else "http"
    request = urllib.request.Request(f"{scheme}://127.0.0.1:{server.server_port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENT_SECONDS, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_metrics_health_landing_page_and_nothing_else() -> None:
    with serving() as server:
        status, text = get(server)
        assert status == 200
        assert 'flinkops_job_state_bytes{cluster="blue",job="orders",namespace="shop"} 1e+06' in text
        assert "process_cpu_seconds_total" in text
        assert get(server, "/healthz") == (200, "ok\n")
        assert "metrics" in get(server, "/")[1]
        assert get(server, "/etc/passwd")[0] == 404


def test_openmetrics_on_request() -> None:
    with serving() as server:
        text = get(server, Accept=OPENMETRICS)[1]
        assert text.endswith("# EOF\n")
        assert any(family.name == "flinkops_job_restarts" for family in parse_openmetrics(text))  # type: ignore[no-untyped-call]


def test_one_metric_by_name() -> None:
    with serving() as server:
        text = get(server, "/metrics?name[]=flinkops_source_up")[1]
        assert {line.split("{")[0] for line in text.splitlines() if line[0] != "#"} == {"flinkops_source_up"}


def test_basic_auth() -> None:
    with serving(credentials=Credentials({"prometheus": "s:cret"})) as server:
        right = base64.b64encode(b"prometheus:s:cret").decode()
        assert get(server, Authorization=f"Basic {right}")[0] == 200
        for wrong in ("", "Basic", "Basic ?", f"Bearer {right}", "Basic " + base64.b64encode(b"prometheus:").decode()):
            assert get(server, Authorization=wrong)[0] == 401
        assert get(server, "/healthz")[0] == 200


def test_credentials_file(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# scrapers\nprometheus:secret\n\n")
    assert read_credentials(file).passwords == {"prometheus": "secret"}
    for bad in ("", "nocolon", "hunter2:", ":hunter2"):
        file.write_text(bad)
        with pytest.raises(UsageError) as refused:
            read_credentials(file)
        assert "hunter2" not in refused.value.line()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder = tmp_path_factory.mktemp("tls")
    tls = Tls(folder / "cert.pem", folder / "key.pem", folder / "cert.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tls.key_file), "-out", str(tls.certificate_file)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return tls


def test_tls_and_a_client_that_says_nothing_holds_up_nobody(tls: Tls) -> None:
    context = ssl.create_default_context(cafile=str(tls.certificate_file))
    with serving(tls=Tls(tls.certificate_file, tls.key_file)) as server, ExitStack() as silent:
        for _ in range(5):
            silent.enter_context(socket.create_connection(("127.0.0.1", server.server_port)))
        assert get(server, context=context)[0] == 200
        with pytest.raises((urllib.error.URLError, ConnectionError, ssl.SSLError)):
            get(server)


def test_client_certificates(tls: Tls) -> None:
    context = ssl.create_default_context(cafile=str(tls.certificate_file))
    with serving(tls=tls) as server:
        with pytest.raises((urllib.error.URLError, ConnectionError, ssl.SSLError)):
            get(server, context=context)
        assert get(server, "/healthz", context=context) == (200, "ok\n"), "the kubelet has no certificate"
        context.load_cert_chain(tls.certificate_file, tls.key_file)
        assert get(server, context=context)[0] == 200


def talking(server: MetricsServer, said: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.server_port))
    client.settimeout(PATIENT_SECONDS)
    client.sendall(said)
    return client


def ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.thorough
def test_a_client_that_never_ends_its_request_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    with serving() as server, talking(server, b"GET /metrics HTTP/1.0\r\nX-A: ") as slow:
        drip = threading.Event()

        def dripping() -> None:
            with suppress(OSError):
                while not drip.wait(0.02):
                    slow.sendall(b"a")

        thread = threading.Thread(target=dripping)
        thread.start()
        try:
            assert ended(slow)
        finally:
            drip.set()
            thread.join()
        monkeypatch.undo()  # a client on a busy machine may say nothing for as long
        assert get(server)[0] == 200


@pytest.mark.thorough
def test_a_client_that_does_not_read_its_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.2)
    many = fleet(*(msgspec.structs.replace(HEALTHY, name=f"job-{n}-{'x' * 150}") for n in range(2_000)))
    with serving(lambda: Observation(FleetSnapshot(NOW_MS), many)) as server:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with client:
            client.connect(("127.0.0.1", server.server_port))
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            server.drain(PATIENT_SECONDS)
            assert len(server.connections) == 0


def test_when_all_places_are_taken_the_one_that_waits_longest_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    with serving() as server, ExitStack() as clients:
        silent = [clients.enter_context(talking(server)) for _ in range(3)]
        until(lambda: len(server.connections) == 3)
        assert get(server)[0] == 200
        assert ended(silent[0])
        assert get(server, "/healthz")[0] == 200


def test_connections_that_are_answered_do_not_give_way() -> None:
    times = iter(range(100))
    open_ones = Connections(2, lambda: next(times))
    one, other, third = (socket.socket() for _ in range(3))
    with one, other, third:
        assert open_ones.admit(one)
        assert open_ones.admit(other)
        open_ones.answering(one)
        open_ones.answering(other)
        assert not open_ones.admit(third)
        open_ones.leave(one)
        assert open_ones.admit(third)


def test_tls_files_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        build(observe, Options(), Listen("127.0.0.1", 0, tls=Tls(tmp_path / "no.pem", tmp_path / "no.pem")))


def test_the_scraper_s_own_timeout_is_kept() -> None:
    gate = threading.Event()

    def hang() -> Observation:
        gate.wait(PATIENT_SECONDS)
        return observe()

    with serving(hang) as server:
        status, text = get(server, "/metrics", None, **{"X-Prometheus-Scrape-Timeout-Seconds": "0.2"})
        gate.set()
    assert status == 200
    assert "flinkops_exporter_overdue_scrapes_total 1.0" in text
    assert "flinkops_job" not in text


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0.2", 0.16),
        ("10", 8.0),
        ("30", 24.0),
        ("600", 48.0),
        ("0", 0.1),
        ("", 8.0),
        ("ten", 8.0),
        ("nan", 8.0),
        ("inf", 8.0),
    ],
)
def test_a_large_fleet_s_longer_timeout_is_used_to_its_end(header: str, seconds: float) -> None:
    """Up to what an answer may take at all; what is no number of seconds leaves the default."""
    assert deadline_seconds({"HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS": header}) == pytest.approx(seconds)


def test_a_taken_port_is_one_line() -> None:
    with serving() as server, pytest.raises(OperationFailed, match="cannot listen"):
        build(observe, Options(), Listen("127.0.0.1", server.server_port))


@pytest.mark.parametrize("text", ["9249", "127.0.0.1", "::1:9249", "127.0.0.1:x", "127.0.0.1:70000"])
def test_listen_refuses(text: str) -> None:
    with pytest.raises(UsageError):
        parse_listen(text)


@pytest.mark.parametrize("text", ["", "0/1", "2/1", "1/0", "1", "a/b", "1/-2", "²/3"])
def test_shard_refuses(text: str) -> None:
    with pytest.raises(UsageError):
        parse_shard(text)


def test_open_to_all() -> None:
    assert Listen("0.0.0.0", 1).open_to_all
    assert Listen("flink.example", 1).open_to_all
    assert not Listen("0.0.0.0", 1, credentials=Credentials({"a": "b"})).open_to_all
    assert not Listen("::1", 1).open_to_all


STOPPABLE = """
import sys, threading
from flinkops.exporter.families import Options
from flinkops.exporter.run import Listen, build, serve
from tests.unit.test_exporter_server import observe
entered, gate = threading.Event(), threading.Event()
def slow():
    print("polling", flush=True)
    sys.stdin.readline()
    return observe()
listen = Listen(sys.argv[1], 0)
server = build(slow, Options(), Listen("127.0.0.1", 0))
print(server.server_port, flush=True)
serve(server, listen, lambda line: print(line, file=sys.stderr, flush=True))
print("stopped", flush=True)
"""


@pytest.mark.parametrize(
    ("host", "warnings"), [pytest.param("127.0.0.1", 0, marks=pytest.mark.thorough), ("0.0.0.0", 1)]
)
def test_a_scrape_under_way_is_answered_before_the_stop(host: str, warnings: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPABLE, host],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdin
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as scrape:
            scrape.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert process.stdout.readline() == "polling\n"
            process.terminate()
            process.stdin.write("\n")
            process.stdin.flush()
            answer = scrape.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.0 200")
        assert b"flinkops_build_info" in answer
        rest, words = process.communicate(timeout=PATIENT_SECONDS)
        assert rest == "stopped\n"
        assert process.returncode == 0
        assert words.count("warning") == warnings
    finally:
        process.kill()
        process.communicate()
