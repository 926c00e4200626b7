"""`flinkops upgrade -l`: all plans first, waves, stop at the first failure, a summary; refusals change nothing."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flinkops.cli.main import main
from flinkops.errors import FlinkopsError, OperationFailed, Refused
from flinkops.model.plan import Outcome, Plan, Result
from tests.unit.cr_samples import resource
from tests.unit.kube_server import GROUP, ApiServer, serving, write_kubeconfig
from tests.unit.test_kube_upgrade_plan import DEFINITION, NEW_SCHEMA

Run = Callable[..., tuple[int, str, str]]
Ends = dict[str, Outcome | FlinkopsError]


def deployment(name: str, image: str = "count:23") -> dict[str, Any]:
    found = resource("1.15.0", 11)
    found["metadata"] |= {"name": name, "uid": name}
    if image != found["spec"]["image"]:
        found["spec"]["image"] = image
        status = found["status"]["reconciliationStatus"]
        reconciled = json.loads(status["lastReconciledSpec"])
        reconciled["spec"]["image"] = image
        status["lastReconciledSpec"] = json.dumps(reconciled)
    return found


@pytest.fixture
def api() -> ApiServer:
    """Running jobs a, b, c under operator 1.15, and d, which has the new image already."""
    found = ApiServer()
    all_of_them = [deployment(name) for name in ("a", "b", "c")] + [deployment("d", "count:24")]
    found.lists("default", *all_of_them)
    for one in all_of_them:
        name = one["metadata"]["name"]
        found.answers[f"{GROUP}/namespaces/default/flinkdeployments/{name}"] = lambda *_, one=one: (200, one)
    schema = {"openAPIV3Schema": {"properties": NEW_SCHEMA}}
    found.answers[DEFINITION] = lambda *_: (200, {"spec": {"versions": [{"served": True, "schema": schema}]}})
    return found


class FakeExecutor:
    """In the executor's place: notes who was changed, and ends as it was told."""

    def __init__(self, ends: Ends, changed: list[str], fit: bool = True) -> None:
        self._ends, self._changed, self._fit = ends, changed, fit

    def refuse_unfit(self, _: Plan) -> None:
        if not self._fit:
            raise Refused("read-only")

    def run(self, plan: Plan) -> Result:
        self._changed.append(plan.target.job_name)
        ends = self._ends.get(plan.target.job_name, "verified")
        if isinstance(ends, FlinkopsError):
            raise ends
        return Result(plan_id=plan.id, outcome=ends, error=None if ends == "verified" else "it crash-loops")


@pytest.fixture
def ends() -> Ends:
    return {}


@pytest.fixture
def changed() -> list[str]:
    return []


@pytest.fixture
def run(
    api: ApiServer,
    ends: Ends,
    changed: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLINKOPS_JOURNAL", str(tmp_path / "journal"))

    def fake_executor(common: Any, *_: object) -> FakeExecutor:
        return FakeExecutor(ends, changed, fit=not common.settings.read_only)

    monkeypatch.setattr("flinkops.cli.many.executor", fake_executor)
    with serving(api) as url:
        kubeconfig = write_kubeconfig(url, tmp_path)

        def command(*arguments: str, target: tuple[str, ...] = ("--kubeconfig", kubeconfig)) -> tuple[int, str, str]:
            with pytest.raises(SystemExit) as ended:
                main(["upgrade", *arguments, *target])
            told = capsys.readouterr()
            assert isinstance(ended.value.code, int)
            return ended.value.code, told.out, told.err

        yield command


ALL = ("-l", "team=pricing", "--savepoint", "--image", "count:24")


def test_the_plans_of_all_in_their_waves(run: Run, changed: list[str], api: ApiServer) -> None:
    code, out, _ = run(*ALL, "--max-unavailable", "2", "--canary", "--plan", "-o", "json")
    assert code == 0
    document = json.loads(out)
    assert document["waves"] == [["default/a"], ["default/b", "default/c"]]
    assert document["unchanged"] == ["default/d"]
    assert document["jobs"]["default/a"]["plan"]["diff"] == ["image : count:23 -> count:24"]
    assert document["summary"] is None
    assert changed == []
    assert any("labelSelector=team%3Dpricing" in one for one in api.asked)


def test_all_are_changed_and_verified(run: Run, changed: list[str]) -> None:
    code, out, err = run(*ALL, "--max-unavailable", "2", "--yes")
    assert code == 0
    assert sorted(changed) == ["a", "b", "c"]
    assert out.splitlines() == ["verified: default/a", "verified: default/b", "verified: default/c"]
    assert "wave 2 of 2: default/c" in err


@pytest.mark.parametrize(("outcome", "code"), [("rolled-back", 1), ("failed", 1), ("timed-out", 4)])
@pytest.mark.thorough
def test_the_first_that_does_not_go_well_is_the_last(
    run: Run, changed: list[str], ends: Ends, outcome: Outcome, code: int
) -> None:
    ends["b"] = outcome
    found, out, _ = run(*ALL, "--yes", "-o", "json")
    assert found == code
    assert changed == ["a", "b"]
    document = json.loads(out)
    assert document["summary"] == {"verified": ["default/a"], "failed": ["default/b"], "not_started": ["default/c"]}
    assert document["jobs"]["default/b"]["result"]["outcome"] == outcome
    assert document["jobs"]["default/c"]["result"] is None


@pytest.mark.thorough
def test_an_error_of_one_is_told_and_ends_it(run: Run, changed: list[str], ends: Ends) -> None:
    ends["a"] = OperationFailed("the journal is full")
    code, out, err = run(*ALL, "--yes")
    assert code == 1
    assert changed == ["a"]
    assert "default/a: the journal is full" in err
    assert out.splitlines() == [
        "failed: default/a: the journal is full",
        "not begun: default/b",
        "not begun: default/c",
    ]


@pytest.mark.thorough
def test_ctrl_c_waits_for_nobody(run: Run, changed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    ids: list[str] = []

    def interrupted(self: FakeExecutor, plan: Plan) -> Result:
        changed.append(plan.target.job_name)
        ids.append(plan.id)
        os.kill(os.getpid(), signal.SIGINT)
        never.wait(120)
        return Result(plan_id=plan.id, outcome="failed")

    monkeypatch.setattr(FakeExecutor, "run", interrupted)
    begun = time.monotonic()
    code, _, err = run(*ALL, "--yes")
    assert code == 130
    assert "interrupted while default/a were changed" in err
    assert f"flinkops action resume {ids[0]}" in err
    assert changed == ["a"]
    assert time.monotonic() - begun < 120
    never.set()


@pytest.mark.thorough
def test_a_mistake_in_one_is_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: FakeExecutor, plan: Plan) -> Result:
        raise ZeroDivisionError("x")

    monkeypatch.setattr(FakeExecutor, "run", broken)
    code, out, _ = run(*ALL, "--yes")
    assert code == 1
    assert "failed: default/a: unexpected ZeroDivisionError" in out


@pytest.mark.thorough
def test_refused_before_anything_is_changed(run: Run, changed: list[str]) -> None:
    assert run(*ALL)[0] == 5  # nobody confirms
    code, _, err = run(*ALL, "--yes", "--read-only")
    assert (code, "read-only" in err) == (5, True)
    code, _, err = run("-l", "team=pricing", "--savepoint", "--set", "pipeline.max-parallelism=64", "--yes")
    assert code == 5
    assert "default/a: " in err
    assert "max-parallelism" in err
    assert changed == []


@pytest.mark.thorough
def test_what_makes_no_sense(run: Run, changed: list[str]) -> None:
    code, _, err = run(*ALL, "--max-unavailable", "0", "--yes")
    assert (code, "--max-unavailable 0" in err) == (2, True)
    code, _, err = run("-l", "team=pricing", "--savepoint", "--yes", target=("--rest", "http://127.0.0.1:1"))
    assert code == 2
    assert "-l chooses jobs of the Flink operator by their labels" in err
    assert run(*ALL, "--out", "plan.json")[0] == 2
    assert run(*ALL, "-f", "all.yaml")[0] == 2
    assert changed == []


def test_whose_plan_makes_no_sense_is_said(run: Run, changed: list[str], api: ApiServer) -> None:
    bare = deployment("b")
    for key in [key for key in bare["spec"]["flinkConfiguration"] if "savepoint" in key]:
        del bare["spec"]["flinkConfiguration"][key]
    api.lists("default", deployment("a"), bare)
    api.answers[f"{GROUP}/namespaces/default/flinkdeployments/b"] = lambda *_: (200, bare)
    code, _, err = run(*ALL, "--backup-savepoint", "--yes")
    assert (code, changed) == (2, [])
    assert "default/b: --backup-savepoint: no savepoint directory" in err


def test_a_session_cluster_with_the_labels_is_no_job(run: Run, changed: list[str], api: ApiServer) -> None:
    session = deployment("session")
    del session["spec"]["job"]
    api.lists("default", deployment("a"), session)
    assert run(*ALL, "--yes")[0] == 0
    assert changed == ["a"]


def test_nobody_has_the_labels(run: Run, api: ApiServer) -> None:
    api.lists("default")
    code, _, err = run(*ALL, "--yes")
    assert code == 1
    assert "no job has the labels team=pricing" in err


@pytest.mark.thorough
def test_one_rehearses_for_all_that_get_the_same_change(run: Run, api: ApiServer) -> None:
    """The first goes alone; c has another program, so that it rehearses for itself."""
    other = deployment("c")
    other["spec"]["job"]["args"] = ["--another"]
    api.lists("default", deployment("a"), deployment("b"), other)
    api.answers[f"{GROUP}/namespaces/default/flinkdeployments/c"] = lambda *_: (200, other)
    code, out, _ = run(*ALL, "--rehearse", "--max-unavailable", "3", "--plan", "-o", "json")
    assert code == 0
    document = json.loads(out)
    assert document["waves"] == [["default/a"], ["default/b", "default/c"]]
    plans = {key: one["plan"] for key, one in document["jobs"].items()}
    assert [key for key, one in plans.items() if "rehearse" in one["steps"]] == ["default/a", "default/c"]
    assert "the same change is rehearsed on default/a before" in plans["default/b"]["why"]
