"""`flinkops rehearse`: exit codes, the document, the lines; and what operator jobs answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from flinkops.act.backend import Prepared
from flinkops.act.operator.rehearsing import not_built, refuse_acceptance, told_not_built
from flinkops.errors import UsageError
from flinkops.model.plan import Plan, Target
from flinkops.model.rehearsal import Rehearsal, RehearsedOperator, RehearsedState
from flinkops.model.request import Terms
from tests.unit.command_line import run

pytestmark = pytest.mark.usefixtures("nothing_from_outside")

COUNT = "a" * 32
FOUND = Rehearsal(
    "prices",
    "loses-state",
    cause="count does not open its state n any more",
    remedy=f"accept it with --accept-loss {COUNT}",
    against="file:/savepoints/savepoint-1",
    seconds=12.0,
    restore_seconds=1.5,
    risks=("a risk",),
    lost=(COUNT,),
    operators=(RehearsedOperator(COUNT, "count", "restored", 2_000),),
    states=(RehearsedState(COUNT, "n", "keyed", "unopened", type="VALUE"),),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Every job's rehearsal finds `found`; what it was asked is kept."""
    asked: dict[str, Any] = {"found": FOUND}

    def rehearse(request: object, _journal: object, *, against: str | None, note: Any) -> Rehearsal:
        asked.update(request=request, against=against)
        note("rehearsing")
        found: Rehearsal = asked["found"]
        return found

    @contextmanager
    def reach(_job: str) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(rehearse=rehearse)

    place = SimpleNamespace(prerequisites=lambda _request: None, reach=reach)
    monkeypatch.setattr("flinkops.cli.rehearse.backend", lambda _common: place)
    return asked


@pytest.mark.parametrize(
    ("verdict", "arguments", "code"),
    [
        ("restores", (), 0),
        ("cannot-tell", (), 0),
        ("fails", (), 5),
        ("loses-state", (), 5),
        ("loses-state", ("--accept-loss", "other"), 5),
        ("loses-state", ("--accept-loss", "count"), 0),
        ("loses-state", ("--accept-loss", COUNT), 0),
    ],
)
def test_what_would_refuse_an_upgrade_is_5(
    verdict: str, arguments: tuple[str, ...], code: int, asked: dict[str, Any]
) -> None:
    lost = (COUNT,) if verdict == "loses-state" else ()
    asked["found"] = Rehearsal("prices", verdict, cause="c", lost=lost, operators=FOUND.operators)  # type: ignore[arg-type]
    assert run("rehearse", "prices", "--jar", "x", *arguments) == code


def test_the_document_is_the_contract_s(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rehearse", "prices", "-p", "2", "--against", "file:/sp", "-o", "json") == 5
    document = json.loads(capsys.readouterr().out)
    assert (document["schema_version"], document["job"], document["verdict"]) == (1, "prices", "loses-state")
    assert (document["seconds"], document["restore_seconds"], document["outside"]) == (12.0, 1.5, [])
    assert document["operators"][0]["outcome"] == "restored"
    state = document["states"][0]
    assert (state["operator"], state["kind"], state["outcome"], state["bytes"]) == (COUNT, "keyed", "unopened", None)
    assert asked["against"] == "file:/sp"
    assert (asked["request"].change.parallelism, asked["request"].mode, asked["request"].terms.rehearse) == (
        2,
        "savepoint",
        True,
    )


def test_the_lines_begin_with_what_decides(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run("rehearse", "prices", "-p", "2")
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "prices: loses-state (restored in 1.5 s)"
    assert "  cause: count does not open its state n any more" in out
    assert "  count: restored, 2.0 kB" in out
    assert "    n (value): unopened" in out
    run("rehearse", "prices", "-p", "2", "-o", "name")
    assert capsys.readouterr().out == "loses-state\n"


def test_what_a_job_calls_itself_cannot_reach_the_terminal(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    nasty = "\x1b[2Jcount"
    asked["found"] = Rehearsal(
        nasty, "restores", operators=(RehearsedOperator(COUNT, nasty, "restored", 1),), against=nasty
    )
    run("rehearse", "prices", "-p", "2")
    assert "\x1b" not in capsys.readouterr().out


def test_blue_green_deployments_say_that_it_is_not_built() -> None:
    assert (not_built("prices", None).verdict, not_built("prices", "s3://b/1").against) == ("cannot-tell", "s3://b/1")
    plan = Prepared(Plan("p", "upgrade", Target("c", "prices", "a" * 32), 1, risks=("one",)), changes=True)
    assert told_not_built(plan, Terms()).plan.risks == ("one",)
    assert "cannot-tell" in told_not_built(plan, Terms(rehearse=True)).plan.risks[1]
    with pytest.raises(UsageError, match="not built"):
        refuse_acceptance(Terms(accept_loss=("count",)))
