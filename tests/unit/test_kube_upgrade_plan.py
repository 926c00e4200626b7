"""`flinkops upgrade --plan` on a job of the operator, and that no action meant for Kubernetes reaches another Flink."""

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flinkops.assess.fleet import assess
from flinkops.cli.main import main
from flinkops.clock import SystemClock
from flinkops.collect import Collector
from flinkops.config.policy import Policy
from flinkops.model.endpoint import parse_endpoint
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.source import KubernetesSource
from flinkops.tui.actions.catalog import KINDS, Planning
from flinkops.tui.actions.execute import make_plan
from tests.patience import PATIENT_SECONDS
from tests.unit.cr_samples import resource
from tests.unit.kube_server import GROUP, ApiServer, serving, status, write_kubeconfig

DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/flinkdeployments.flink.apache.org"
NEW_SCHEMA: dict[str, Any] = {"status": {"properties": {"jobStatus": {"properties": {"upgradeSavepointPath": {}}}}}}
UPGRADE = next(kind for kind in KINDS if kind.verb == "upgrade")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def api() -> ApiServer:
    """A running job under operator 1.15."""
    found = ApiServer()
    found.lists("default", resource("1.15.0", 11))
    found.answers[f"{GROUP}/namespaces/default/flinkdeployments/count"] = lambda *_: (200, resource("1.15.0", 11))
    schema = {"openAPIV3Schema": {"properties": NEW_SCHEMA}}
    found.answers[DEFINITION] = lambda *_: (200, {"spec": {"versions": [{"served": True, "schema": schema}]}})
    return found


@pytest.fixture
def run(
    api: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLINKOPS_JOURNAL", str(tmp_path / "journal"))
    with serving(api) as url:
        kubeconfig = write_kubeconfig(url, tmp_path)

        def command(*arguments: str) -> tuple[int, str, str]:
            with pytest.raises(SystemExit) as ended:
                main([*arguments, "--kubeconfig", kubeconfig])
            told = capsys.readouterr()
            code = ended.value.code
            assert isinstance(code, int)
            return code, told.out, told.err

        yield command


def plan(out: str) -> dict[str, Any]:
    document = json.loads(out)
    assert (document["schema_version"], document["result"]) == (1, None)
    found: dict[str, Any] = document["plan"]
    return found


def test_the_plan_says_what_the_operator_would_do_and_how_to_do_it(run: Run, api: ApiServer) -> None:
    code, out, err = run("upgrade", "count", "--savepoint", "--parallelism", "4", "--plan", "-o", "json")
    assert code == 0
    found = plan(out)
    assert (found["change"], found["effective_mode"], found["refused"]) == ("upgrade", "savepoint", [])
    assert found["diff"] == ["job.parallelism : 2 -> 4"]
    assert (found["source"], found["namespace"], found["job"]) == ("prod", "default", "count")
    assert """patch flinkdeployment count --type=merge -p '{"spec": {"job": {"parallelism": 4}}}'""" in err
    assert not any("/proxy/jobs" in one for one in api.asked)


def test_a_refused_plan_ends_with_5_and_its_reasons(run: Run) -> None:
    code, out, _ = run(
        "upgrade", "count", "--savepoint", "--set", "pipeline.max-parallelism=64", "--plan", "-o", "json"
    )
    assert code == 5
    assert any("max-parallelism" in line for line in plan(out)["refused"])


def test_read_only_refuses_before_anything_is_asked_of_the_resource(run: Run, api: ApiServer) -> None:
    code, _, err = run("upgrade", "count", "--savepoint", "--parallelism", "4", "--yes", "--read-only")
    assert code == 5
    assert "read-only" in err
    assert not any("lease" in one for one in api.asked)


def test_a_whole_manifest_takes_the_place_of_the_spec(run: Run, tmp_path: Path) -> None:
    manifest = resource("1.15.0", 11)
    manifest["spec"]["job"]["parallelism"] = 3
    path = tmp_path / "count.yaml"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    code, out, _ = run("upgrade", "count", "--savepoint", "-f", str(path), "--plan", "-o", "json")
    assert (code, plan(out)["diff"]) == (0, ["job.parallelism : 2 -> 3"])
    manifest["metadata"]["name"] = "another"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    code, _, err = run("upgrade", "count", "--savepoint", "-f", str(path), "--plan")
    assert code == 2
    assert "is not about 'count'; it has: FlinkDeployment another" in err


def test_going_back_is_part_of_the_plan(run: Run) -> None:
    _, out, _ = run("upgrade", "count", "--savepoint", "--parallelism", "4", "--plan", "-o", "json")
    (way,) = plan(out)["rollback"]
    assert "created again with the old spec" in way  # the schema here has no savepointRedeployNonce
    assert "savepoint" in plan(out)["steps"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("suspend", "count"),
        ("resume", "count"),
        ("restart", "count"),
        ("rollback", "count"),
        ("savepoint", "create", "count"),
        ("rescale", "count", "--parallelism", "2"),
    ],
)
@pytest.mark.thorough
def test_no_action_meant_for_kubernetes_reaches_another_flink(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    def control(*_: object) -> None:
        raise AssertionError("the embedded fleet was asked for")

    monkeypatch.setattr("flinkops.act.rest.backend.embedded_endpoint", lambda: parse_endpoint("http://127.0.0.1:9"))
    monkeypatch.setattr("flinkops.act.rest.backend.RestControl", control)
    code, _, _ = run(*arguments, "--context", "prod", "--yes")
    assert code != 0


def test_what_cannot_be_read_is_named(run: Run, api: ApiServer) -> None:
    api.answers[DEFINITION] = lambda *_: status(403, 'User "ann" cannot get resource')
    code, _, err = run("upgrade", "count", "--savepoint", "--plan")
    assert code == 3
    assert "not allowed to get customresourcedefinitions" in err
    code, _, err = run("upgrade", "another", "--savepoint", "--plan")
    assert code == 1
    assert 'no job "another"' in err


@pytest.mark.parametrize(("manager", "refusal"), [("READY", None), ("DEPLOYING", "JobManager DEPLOYING")])
def test_a_session_job_is_planned_with_its_cluster(run: Run, api: ApiServer, manager: str, refusal: str | None) -> None:
    application = resource("1.15.0", 11)
    cluster = {**application, "metadata": {**application["metadata"], "name": "session"}}
    cluster["spec"] = {key: value for key, value in application["spec"].items() if key != "job"}
    cluster["status"] = {"jobManagerDeploymentStatus": manager}
    session_job = resource("1.15.0", 11)
    session_job["kind"] = "FlinkSessionJob"
    session_job["spec"] = {"deploymentName": "session", "job": application["spec"]["job"]}
    reconciled = json.dumps({"spec": session_job["spec"]})
    session_job["status"]["reconciliationStatus"]["lastReconciledSpec"] = reconciled
    base = f"{GROUP}/namespaces/default"
    api.lists("default", cluster)
    api.answers[f"{base}/flinksessionjobs"] = lambda *_: (200, {"items": [session_job]})
    api.answers[f"{base}/flinksessionjobs/count"] = lambda *_: (200, session_job)
    api.answers[f"{base}/flinkdeployments/session"] = lambda *_: (200, cluster)
    code, out, err = run("upgrade", "count", "--savepoint", "--parallelism", "4", "--plan", "-o", "json")
    found = plan(out)
    if refusal is None:
        assert (code, found["effective_mode"], found["refused"]) == (0, "savepoint", [])
        assert "patch flinksessionjob count" in err
    else:
        assert code == 5
        assert any(refusal in line for line in found["refused"])


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("--image shop/count:2", ("--savepoint", "--image", "shop/count:2")),
        ("--parallelism 4 --entry-class a.B", ("--savepoint", "--parallelism", "4", "--entry-class", "a.B")),
        ("--last-state --set a.b=c", ("--last-state", "--set", "a.b=c")),
        ("--savepoint --jar local:///new.jar --arg --x", ("--savepoint", "--jar", "local:///new.jar", "--arg", "--x")),
    ],
)
@pytest.mark.thorough
def test_a_screen_plans_what_the_command_plans(run: Run, tmp_path: Path, text: str, options: tuple[str, ...]) -> None:
    _, out, _ = run("upgrade", "count", *options, "--plan", "-o", "json")
    by_command = plan(out)
    source = KubernetesSource(open_access(str(tmp_path / "kubeconfig")))
    collector = Collector([source], SystemClock(), deadline_seconds=PATIENT_SECONDS)
    try:
        (job,) = assess(collector.collect(), {}, Policy()).jobs
        made = make_plan(Planning(UPGRADE, job, source, text), clock=SystemClock(), journal_folder=tmp_path / "journal")
    finally:
        collector.close()
    assert list(made.diff) == by_command["diff"] != []
    assert (made.effective_mode, list(made.refused)) == (by_command["effective_mode"], by_command["refused"])
    assert made.command == f"flinkops upgrade default/count {shlex.join(options)} --context prod"


def test_what_the_operator_decides_itself_is_not_taken_silently(run: Run) -> None:
    for option in (("--target", "s3://b/sp"), ("--format", "native")):
        code, _, err = run("upgrade", "count", "--savepoint", "--image", "i:2", *option, "--plan")
        assert (code, "the job's spec says" in err) == (2, True)
