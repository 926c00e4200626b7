"""Journals and plan files that an earlier flinkops wrote: read as it read them, and interrupted actions resumed.

They were recorded on the fake cluster and the fake operator, with the state in which each was left (``old_journals``).
"""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act.control import Load
from flinkops.act.journal import Journal
from flinkops.act.journal_file import JOURNAL_FILE
from flinkops.act.operator import rollback_steps, startup, stop
from flinkops.act.step_kinds import known_members
from flinkops.clock import SystemClock
from flinkops.errors import UsageError
from flinkops.plan.identity import decode_plan_file, plan_hash
from tests.effort import some
from tests.unit.fake_cluster import FakeState
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.fake_session import FakeSession
from tests.unit.operator_bench import Bench as OperatorBench
from tests.unit.rest_bench import Bench as RestBench
from tests.unit.test_autoscale_on_operator import ScalingOperator

RECORDED = Path(__file__).parent / "old_journals"
OPERATORS: dict[str, type[FakeOperator]] = {one.__name__: one for one in (FakeOperator, FakeSession, ScalingOperator)}
NAMES = {"way_back": "rollback_way", "went_back": "state_lost", "began_anew_ms": "restarted_empty_ms"}
WAYS = {"never stopped": "not-stopped"}
NOT_THE_SAME = {"after_checkpoint", "downtime_seconds", "stopped_ms"}  # by the clock


@cache
def cases(backend: str) -> dict[str, dict[str, Any]]:
    found = json.loads((RECORDED / f"{backend}.json").read_text(encoding="utf-8"))
    for case in found["cases"]:
        for entry in case["journal"]:
            if "plan" in entry:
                entry["plan"] = found["plans"][entry["plan"]]
    return {case["name"]: case for case in found["cases"]}


def written(case: dict[str, Any], folder: Path) -> Path:
    """The folder with the case's journal in it."""
    folder.mkdir(exist_ok=True)
    lines = [json.dumps(entry, separators=(",", ":")) + "\n" for entry in case["journal"]]
    (folder / JOURNAL_FILE).write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("backend", "name"), [(backend, name) for backend in ("rest", "operator") for name in cases(backend)]
)
def test_an_old_journal_says_what_it_said(backend: str, name: str, tmp_path: Path) -> None:
    case = cases(backend)[name]
    journal = Journal(written(case, tmp_path), SystemClock())
    assert len(list(journal.entries())) == len(case["journal"]), "every line is read"
    record, expected = journal.record(case["plan_id"]), case["record"]
    assert record.plan.verb == expected["verb"]
    assert (record.outcome, record.error) == (expected["outcome"], expected["error"])
    assert record.unfinished_step == expected["unfinished_step"]
    assert record.resumable == expected["resumable"]
    assert [[step.name, step.outcome] for step in record.steps] == expected["steps"]
    assert comparable(record.found.as_text()) == comparable(expected["seen"])
    (planned,) = [one["plan"] for one in case["journal"] if one["plan_id"] == case["plan_id"] and "plan" in one]
    assert [step.name for step in record.plan.steps] == [step["name"] for step in planned["steps"]]
    assert record.plan_hash == next(one["plan_hash"] for one in case["journal"] if one["plan_id"] == case["plan_id"])


def unfinished(backend: str) -> list[str]:
    return [name for name, case in cases(backend).items() if "resumed" in case]


@pytest.mark.parametrize("name", unfinished("rest"))
def test_an_old_action_on_a_rest_cluster_is_resumed(name: str, tmp_path: Path) -> None:
    case = cases("rest")[name]
    written(case, tmp_path / "journal")
    (tmp_path / "cluster.json").write_bytes(msgspec.json.encode(msgspec.convert(case["cluster"], FakeState)))
    bench = RestBench(tmp_path)
    bench.cluster.load_now = Load(records_in=500, pending=40)
    result = bench.executor().resume(case["plan_id"])
    expected = case["resumed"]
    assert result.outcome == expected["outcome"], result.error
    assert bench.cluster.state.orders == expected["orders"], "nothing is done twice, nothing is left out"
    assert bench.live() == expected["live"]
    assert same(result.seen) == same(expected["seen"])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "_STUCK_SECONDS", {"image": 0.0, "crash-loop": 0.0})
    monkeypatch.setattr(startup, "_PODS_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(stop, "_ERROR_HOLDS_SECONDS", 0.0)
    monkeypatch.setattr(rollback_steps, "_SILENT_SECONDS", 0.02)


@pytest.mark.usefixtures("impatient")
@pytest.mark.scaled
@pytest.mark.parametrize("name", some(unfinished("operator"), 12))
@pytest.mark.thorough
def test_an_old_action_on_a_job_of_the_operator_is_resumed(name: str, tmp_path: Path) -> None:
    case = cases("operator")[name]
    with on_operator(case, tmp_path) as bench:
        result = bench.executor().resume(case["plan_id"])
        orders = bench.fake.orders
    expected = case["resumed"]
    assert result.outcome == expected["outcome"], result.error
    assert (result.error or "").startswith(expected["error"] or ""), "how the job is left follows"
    assert orders == expected["orders"], "nothing is done twice, nothing is left out"
    assert same(result.seen) == same(expected["seen"])


@contextmanager
def on_operator(case: dict[str, Any], folder: Path) -> Iterator[OperatorBench]:
    fake = OPERATORS[case["fake"]]()
    with operating(fake) as url:
        bench = OperatorBench(fake, url, folder)
        _as_recorded(fake, copy.deepcopy(case["operator"]))  # after the bench has opened it: each request moves it on
        written(case, folder / "journal")
        yield bench
        bench.control.close()


def _as_recorded(fake: FakeOperator, left: dict[str, Any]) -> None:
    """The fake of then told a stopped job by its resource's status less exactly than operators do."""
    fake.minor = 8 if left.pop("schema_redeploys") else 7
    vars(fake).update(left)
    fake.metadata = "" if fake.job is not None and fake.resource and fake.ha_on(fake.resource["spec"]) else None
    status = (fake.resource or {}).get("status") or {}
    reconciliation = status.get("reconciliationStatus") or {}
    if reconciliation.get("state") == "UPGRADING":
        assert fake.resource is not None
        spec = {**fake.resource["spec"], "job": {**fake.resource["spec"]["job"], "state": "suspended"}}
        last = json.loads(reconciliation["lastReconciledSpec"])
        reconciliation["lastReconciledSpec"] = json.dumps({**last, "spec": spec})
        status["jobStatus"]["state"] = "FINISHED"


def same(seen: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in comparable(seen).items() if name not in NOT_THE_SAME}


def comparable(seen: dict[str, str]) -> dict[str, str]:
    """By the names of today; numbers without the zeros at their end, and without what says nothing."""
    found = {}
    for name, text in seen.items():
        shown = WAYS.get(text, text) if name == "way_back" else text
        if name == "files":
            shown = text.partition(":")[0]  # unknown, and why in other words by now
        if name.endswith("_seconds"):
            shown = f"{float(text):g}"
        if shown and (name, shown) not in (("checkpoint_path", ""), ("bad_started_ms", "0")):
            found[NAMES.get(name, name)] = shown
    return found


@pytest.mark.parametrize("backend", ["rest", "operator"])
def test_an_old_plan_file_is_read(backend: str) -> None:
    content = (RECORDED / f"plan-{backend}.json").read_bytes()
    plan = decode_plan_file(content, "old.json", known_members())
    raw = json.loads(content)["plan"]
    assert [step.name for step in plan.steps] == [step["name"] for step in raw["steps"]]
    assert (plan.id, plan.target.job_name, plan.diff) == (raw["id"], raw["target"]["job_name"], tuple(raw["diff"]))
    assert len(plan.preconditions) == len(raw["preconditions"])
    assert plan_hash(plan)


@pytest.mark.parametrize("backend", ["rest", "operator"])
def test_an_old_plan_file_that_was_edited_is_refused(backend: str) -> None:
    content = (RECORDED / f"plan-{backend}.json").read_bytes().replace(b'"created_ms": 1', b'"created_ms": 2')
    with pytest.raises(UsageError, match="changed after it was saved"):
        decode_plan_file(content, "old.json", known_members())
