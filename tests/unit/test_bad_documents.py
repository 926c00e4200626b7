"""Documents from outside that are nested without end, hold endless numbers, or never end: one line, never a crash."""

import json
from pathlib import Path

import pytest

from flinkops.act.journal import Journal
from flinkops.act.lock import job_lock
from flinkops.act.step_kinds import known_members
from flinkops.clock import FixedClock
from flinkops.errors import Refused, Unreachable, UsageError
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.plan import Plan, Target
from flinkops.plan.identity import decode_plan_file
from flinkops.plan.operator.blue_green import last_template
from flinkops.plan.operator.spec import last_reconciled
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink import wire
from flinkops.sources.flink.http import BadAnswer, RestClient
from flinkops.sources.flink.job_names import job_names
from flinkops.sources.kubernetes.resources import error_text
from tests.chaos.living_flink import LivingFlink
from tests.chaos.living_server import living
from tests.patience import PATIENT_SECONDS
from tests.unit.command_line import Cli

DEEP = b'{"unknown":' + b"[" * 200_000
PLAN = Plan(id="p1", verb="upgrade", target=Target("c", "prices", "a" * 32), created_ms=1)


@pytest.mark.parametrize("fault", ["deep", "deep-field", "null", "empty", "not-json", "wrong-types"])
def test_a_rest_answer_of_any_shape_is_a_bad_answer(fault: str) -> None:
    flink = LivingFlink()
    flink.set_trap(lambda _number, _method, _path: fault)
    with living(flink):
        endpoint = parse_endpoint(flink.url)
        client = RestClient(endpoint)
        try:
            with pytest.raises(BadAnswer):
                client.get("/jobs/overview", wire.jobs_overview, Deadline(10.0))
        finally:
            client.close()
        assert job_names(endpoint, timeout_seconds=PATIENT_SECONDS) is None


def test_a_journal_line_that_is_nested_without_end_is_damage(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FixedClock(1))
    journal.append("planned", PLAN, "h")
    for line in (DEEP, b'{"schema_version":1,"x":' + b"[" * 100_000):
        with journal.path.open("ab") as file:
            file.write(line + b"\n")
    assert [one.number for one in journal.damage()] == [2, 3]
    with pytest.raises(Refused):
        journal.refuse_damaged()
    with journal.path.open("ab") as file:
        file.write(b'{"schema_version":1,"x":' + b"[" * 100_000)  # torn
    assert [one.number for one in journal.damage()] == [2, 3]
    journal.repair()
    assert [entry.event for entry in journal.entries()] == ["planned"]


def test_a_lock_file_of_any_content_only_costs_the_name_of_its_holder(tmp_path: Path) -> None:
    with job_lock(tmp_path, PLAN):
        (lock,) = (tmp_path / "locks").iterdir()
        lock.write_bytes(DEEP)
        with pytest.raises(Refused, match="is under way"), job_lock(tmp_path, PLAN):
            pass


@pytest.mark.parametrize("content", [DEEP, b"9" * 100_000, b'{"schema_version":' + b"9" * 10_000 + b"}", b"\xff"])
def test_a_plan_file_of_any_content_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        decode_plan_file(content, "x", known_members())


@pytest.mark.parametrize("text", [DEEP.decode(), '{"spec":' + "9" * 10_000 + "}"])
def test_what_the_operator_wrote_into_a_status_may_be_anything(text: str) -> None:
    assert last_reconciled({"status": {"reconciliationStatus": {"lastReconciledSpec": text}}}) is None
    assert last_template({"status": {"lastReconciledSpec": text}}) is None
    assert error_text({"status": {"error": text}})


@pytest.mark.parametrize(
    "content", [b"- " * 20_000 + b"x", b'{"a":' + b"9" * 100_000 + b"}", b"a: !!python/name:os.system ''"]
)
def test_a_configmap_file_of_any_content_is_one_line(cli: Cli, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "map.yaml").write_bytes(content)
    for name in ("map.yaml", "/dev/zero"):
        found = cli("autoscale", "explain", "prices", "--configmap", name)
        assert found.code == 2, found.err
        assert len(found.err.splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://.:9",
        "http://a..b:9",
        "http://exa\0mple:9",
        "http://" + "a" * 64 + ":9",
        "http://" + "a." * 130 + "b",
        "http://a%62:9",
        "http://u:hunter2/x@127.0.0.1:9",
        "http://u:hunter2@[bad",
    ],
)
def test_a_host_that_cannot_be_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="not a URL") as raised:
        parse_endpoint(url)
    assert "hunter2" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_an_international_host_is_asked_for_by_its_ascii_name() -> None:
    assert parse_endpoint("http://bücher.example:9").url == "http://xn--bcher-kva.example:9"
    assert parse_endpoint("http://ｂ。example:9").url == "http://b.example:9"


def test_a_proxy_that_is_no_address_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://[")
    client = RestClient(parse_endpoint("http://flink.invalid:8081"))
    try:
        with pytest.raises(Unreachable):
            client.get("/overview", wire.overview, Deadline(5.0))
    finally:
        client.close()


def test_the_completion_s_cache_may_hold_anything(cli: Cli, tmp_path: Path) -> None:
    from flinkops.cli.complete import _cache_file, _remembered
    from flinkops.config.settings import Settings

    cache = _cache_file(Settings())
    cache.parent.mkdir(parents=True, exist_ok=True)
    for content in ("[" * 200_000, json.dumps([1]), "9" * 10_000):
        cache.write_text(content)
        assert _remembered(Settings()) is None


@pytest.mark.parametrize("name", ["n" * 300, "a/" * 3_000, "\x7f\udcff"])
@pytest.mark.parametrize(
    "words",
    [
        ("status", "--once", "--config"),
        ("status", "--once", "--kubeconfig"),
        ("apply",),
        ("savepoint", "verify"),
        ("upgrade", "prices", "--savepoint", "--plan", "--rest", "http://127.0.0.1:9", "--jar"),
        ("history", "--journal"),
        ("status", "--once", "--replay"),
    ],
)
def test_a_name_that_no_file_can_have_is_no_file(cli: Cli, words: tuple[str, ...], name: str) -> None:
    found = cli(*words, name)
    assert found.code in (0, 1, 2, 3), found.err
    assert "unexpected" not in found.err
