"""Whatever is at the other end: one clear sentence, in time, and credentials go nowhere else."""

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flinkops.model.endpoint import RestEndpoint, parse_endpoint
from flinkops.model.facts import SourceStatus
from flinkops.sources.circuit import Circuit
from flinkops.sources.flink.http import RestClient
from flinkops.sources.flink.source import FlinkRestSource
from tests.fake_flink import HANGS_SECONDS, FakeFlink, Fault, Recording, serving
from tests.patience import EVER_LONGER_SECONDS, PATIENT_SECONDS


@pytest.fixture
def flink() -> Iterator[FakeFlink]:
    cluster = FakeFlink(Recording.load("flink-2.3-count"))
    with serving(cluster):
        yield cluster


def status_of(endpoint: RestEndpoint | str, deadline_seconds: float = 10.0) -> SourceStatus:
    source = FlinkRestSource(parse_endpoint(endpoint) if isinstance(endpoint, str) else endpoint)
    try:
        return source.poll(deadline_seconds).status
    finally:
        source.close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize(
    ("kind", "state", "says"),
    [
        ("401", "denied", "does not accept who you are (HTTP 401); check the credentials"),
        ("403", "denied", "does not accept your permission (HTTP 403)"),
        ("404", "unreachable", "answers, but is not a Flink REST API"),
        ("500", "unreachable", "HTTP 500 to /overview: Ask timed out"),
        ("302", "unreachable", "redirects to 'login.example', which is not followed with your credentials"),
        ("302-nowhere", "unreachable", "redirects to 'elsewhere', which is not followed with your credentials"),
        ("html", "unreachable", "answers with a web page, not with Flink's REST API"),
        ("not-json", "unreachable", "something that is not JSON"),
        ("cut-json", "unreachable", "something that is not JSON"),
        ("wrong-types", "unreachable", "in a shape that Flink does not have"),
        ("truncated", "unreachable", "broke off in the middle of an answer"),
        ("hang-up", "unreachable", "closed the connection without an answer"),
    ],
)
def test_every_failure_is_one_sentence(flink: FakeFlink, kind: str, state: str, says: str) -> None:
    flink.faults = [Fault(kind)]
    status = status_of(flink.url)
    assert status.state == state
    assert says in (status.error or "")
    assert flink.url in (status.error or "")
    assert "\n" not in (status.error or "")
    assert "Traceback" not in (status.error or "")
    assert status.age_seconds is None


@pytest.mark.parametrize("kind", ["slow", "trickle", "headers"])
@pytest.mark.thorough
def test_the_deadline_is_for_the_whole_poll(flink: FakeFlink, kind: str) -> None:
    flink.faults = [Fault(kind)]
    begun = time.monotonic()
    status = status_of(flink.url, 0.7)
    assert time.monotonic() - begun < HANGS_SECONDS
    assert status.state == "unreachable"
    assert "within 0.7 s" in (status.error or "")


@pytest.mark.parametrize("kind", ["slow", "trickle", "headers"])
@pytest.mark.thorough
def test_slow_details_give_what_there_was_in_time(flink: FakeFlink, kind: str) -> None:
    flink.faults = [Fault(kind, "/subtasks/metrics")]
    for seconds in EVER_LONGER_SECONDS:
        source = FlinkRestSource(parse_endpoint(flink.url))
        begun = time.monotonic()
        try:
            snapshot = source.poll(seconds)
        finally:
            source.close()
        assert time.monotonic() - begun < HANGS_SECONDS
        if snapshot.status.state == "stale":
            break
    assert snapshot.status.state == "stale"
    assert snapshot.jobs[0].checkpoints is not None
    assert all(f"vertices.{each.id}" in snapshot.jobs[0].unknown for each in snapshot.jobs[0].vertices)


def test_an_endless_answer_is_cut(flink: FakeFlink) -> None:
    flink.faults = [Fault("huge")]
    client = RestClient(parse_endpoint(flink.url), max_answer_bytes=3_000_000)
    source = FlinkRestSource(parse_endpoint(flink.url))
    source._client = client
    try:
        assert "sends more than 2.86102 MiB in one answer" in (source.poll(PATIENT_SECONDS).status.error or "")
    finally:
        source.close()


def test_nobody_listens() -> None:
    status = status_of(f"http://127.0.0.1:{free_port()}")
    assert "refuses connections; is the JobManager running" in (status.error or "")


def test_an_unknown_host() -> None:
    status = status_of("http://no-such-host.invalid:8081")
    assert status.state == "unreachable"
    assert "host name of http://no-such-host.invalid:8081 is not known" in (status.error or "")


def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        begun = time.monotonic()
        status = status_of(f"http://127.0.0.1:{server.getsockname()[1]}", 0.5)
        assert time.monotonic() - begun < HANGS_SECONDS
    assert status.state == "unreachable"


def test_a_kept_connection_that_the_server_closed_is_no_failure(flink: FakeFlink) -> None:
    source = FlinkRestSource(parse_endpoint(flink.url))
    try:
        assert source.poll(PATIENT_SECONDS).status.state == "ok"
        for transport in list(flink.connections):
            transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        assert source.poll(PATIENT_SECONDS).status.state == "ok"
    finally:
        source.close()


def test_login_headers_prefix_and_gzip(flink: FakeFlink) -> None:
    flink.login, flink.prefix, flink.compress = ("mé", "p:w"), "/proxy/team a", True
    flink.required_headers = {"X-Tenant": "blue"}
    url = f"http://m%C3%A9:p%3Aw@127.0.0.1:{flink.port}/proxy/team%20a/"
    assert status_of(parse_endpoint(url, headers={"X-Tenant": "blue"})).state == "ok"
    assert status_of(parse_endpoint(url)).state == "denied"
    wrong = status_of(parse_endpoint(url.replace("w@", "x@"), headers={"X-Tenant": "blue"}))
    assert wrong.state == "denied"
    assert "p:x" not in (wrong.error or "")


def test_a_compressed_bomb_is_cut(flink: FakeFlink) -> None:
    flink.compress = True
    flink.recording.answers["/overview"]["padding"] = "0" * 34_000_000
    assert "sends more than 32 MiB" in (status_of(flink.url).error or "")


def certificate(folder: Path, name: str) -> tuple[str, str]:
    """A self-signed certificate for 127.0.0.1, which is its own authority: (certificate file, key file)."""
    files = str(folder / f"{name}.pem"), str(folder / f"{name}.key")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj"
    names = [f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return files


def test_tls_with_a_private_authority_and_a_client_certificate(tmp_path: Path) -> None:
    server_file, server_key = certificate(tmp_path, "server")
    client_file, client_key = certificate(tmp_path, "client")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server_file, server_key)
    tls.load_verify_locations(client_file)
    tls.verify_mode = ssl.CERT_REQUIRED
    cluster = FakeFlink(Recording.load("flink-2.3-count"))
    with serving(cluster, tls=tls):
        trusted = parse_endpoint(
            cluster.url, ca_file=server_file, client_certificate_file=client_file, client_key_file=client_key
        )
        assert status_of(trusted).state == "ok"
        unknown_authority = status_of(msgspec.structs.replace(trusted, ca_file=None))
        assert "no trusted TLS connection" in (unknown_authority.error or "")
        assert status_of(msgspec.structs.replace(trusted, verify=False, ca_file=None)).state == "ok"
        assert status_of(parse_endpoint(cluster.url, ca_file=server_file)).state == "unreachable"


def test_https_spoken_to_http(flink: FakeFlink) -> None:
    status = status_of(flink.url.replace("http:", "https:"))
    assert status.state == "unreachable"
    assert "TLS" in (status.error or "")


def test_a_missing_ca_file_is_one_sentence(flink: FakeFlink) -> None:
    status = status_of(parse_endpoint(flink.url.replace("http:", "https:"), ca_file="/nowhere/ca.pem"))
    assert "/nowhere/ca.pem" in (status.error or "")


def test_after_three_failures_it_is_left_alone_for_a_while(flink: FakeFlink) -> None:
    flink.faults = [Fault("401")]
    source = FlinkRestSource(parse_endpoint(flink.url), circuit=Circuit(monotonic=lambda: 0.0))
    try:
        for _ in range(3):
            source.poll(PATIENT_SECONDS)
        asked = len(flink.requests)
        status = source.poll(PATIENT_SECONDS).status
        assert status.state == "denied"
        assert len(flink.requests) == asked
        assert "asked again in" in (status.error or "")
        flink.faults = []
        source.retry_now()
        assert source.poll(PATIENT_SECONDS).status.state == "ok"
    finally:
        source.close()


def test_names_are_escaped(flink: FakeFlink) -> None:
    source = FlinkRestSource(parse_endpoint(flink.url))
    try:
        with pytest.raises(Exception, match="HTTP 404"):
            source.detail("../config?x=#")
    finally:
        source.close()
    assert flink.requests[-1] == "GET /jobs/..%2Fconfig%3Fx%3D%23"


def test_only_this_address_is_asked(flink: FakeFlink) -> None:
    other = FakeFlink(Recording.load("flink-2.3-count"))
    with serving(other):
        flink.faults = [Fault("302")]
        status_of(parse_endpoint(f"http://me:pw@127.0.0.1:{flink.port}"))
    assert other.requests == []
    assert len(flink.requests) == 1


def test_the_proxy_of_the_environment_is_used(flink: FakeFlink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", flink.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert status_of("http://flink.invalid:8081").state == "ok"
    assert flink.requests[0] == "GET http://flink.invalid:8081/overview"
    monkeypatch.setenv("no_proxy", "flink.invalid")
    assert "host name of http://flink.invalid:8081 is not known" in (status_of("http://flink.invalid:8081").error or "")
