"""`autoscale enable --set`: options under the names that the operator's version reads; what it has not is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.command_line import run
from tests.unit.fake_operator import Answer, FakeOperator, operating
from tests.unit.kube_server import write_kubeconfig

DEPLOYMENTS = "/apis/apps/v1/deployments"


class VersionedOperator(FakeOperator):
    """Its Deployment tells its version, or nobody may read that."""

    version: str | None = "1.7.0"

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        if not target.startswith(DEPLOYMENTS):
            return super().answer(method, target, body)
        if self.version is None:
            return 403, {"kind": "Status", "code": 403, "message": "forbidden"}
        labels = {"app.kubernetes.io/version": self.version}
        metadata = {"name": "flink-kubernetes-operator", "namespace": "flink", "labels": labels}
        return 200, {"items": [{"metadata": metadata, "spec": {}}]}


@pytest.fixture
def fake() -> VersionedOperator:
    return VersionedOperator()


@pytest.fixture
def enabled(
    fake: VersionedOperator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., dict[str, Any] | int]]:
    """What is handed on as the change of the spec, or the exit code where nothing is."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("flinkops.cli.autoscale.enable.change_settings", lambda _c, _j, given, *_: asked.append(given))
    with operating(fake) as url:
        kubeconfig = str(write_kubeconfig(url, tmp_path))

        def enable(*options: str) -> dict[str, Any] | int:
            code = run("autoscale", "enable", "count", "--kubeconfig", kubeconfig, "--yes", *options)
            return asked[-1] if code == 0 else code

        yield enable


@pytest.mark.parametrize(
    ("version", "name"),
    [("1.7.0", "target.utilization"), ("1.11.0", "utilization.target"), ("1.16-SNAPSHOT", "utilization.target")],
)
@pytest.mark.parametrize("given", ["target.utilization", "job.autoscaler.utilization.target"])
def test_a_renamed_option_is_set_under_the_name_that_the_version_reads(
    enabled: Callable[..., Any], fake: VersionedOperator, version: str, name: str, given: str
) -> None:
    fake.version = version
    assert enabled("--set", f"{given}=0.8") == {"job.autoscaler.enabled": "true", f"job.autoscaler.{name}": "0.8"}


@pytest.mark.parametrize(
    ("version", "option", "told"),
    [
        ("1.7.0", "memory.tuning.enabled=true", "came with 1.8"),
        ("1.15.0", "scaling.parallelism-alignment.mode=BALANCED", "came with 1.16"),
        ("1.15.0", "utilisation.target=0.8", 'did you mean "utilization.target"'),
        ("1.15.0", "cool-down=1m", "has no option cool-down"),
        ("1.15.0", "utilization.target=much", "utilization.target"),
    ],
)
def test_what_the_version_has_not_or_could_not_read_is_refused(
    enabled: Callable[..., Any],
    fake: VersionedOperator,
    capsys: pytest.CaptureFixture[str],
    version: str,
    option: str,
    told: str,
) -> None:
    fake.version = version
    assert enabled("--set", option) == 2
    assert told in capsys.readouterr().err
    assert fake.orders == []


def test_options_that_only_the_operator_has_are_let_pass(enabled: Callable[..., Any], fake: VersionedOperator) -> None:
    fake.version = "1.16.0"
    found = enabled("--set", "scaling.parallelism-alignment.mode=BALANCED", "--set", "memory.tuning.enabled=true")
    assert found["job.autoscaler.scaling.parallelism-alignment.mode"] == "BALANCED"
    assert found["job.autoscaler.memory.tuning.enabled"] == "true"


def test_where_the_version_is_not_known_the_names_that_all_read_and_a_doubt(
    enabled: Callable[..., Any], fake: VersionedOperator, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.version = None
    found = enabled("--set", "utilization.target=0.8", "--set", "quota.cpu=4")
    assert found["job.autoscaler.target.utilization"] == "0.8"
    told = capsys.readouterr().err
    assert "quota.cpu came with operator 1.9, and which version runs here is not known" in told
    assert "forbidden" in told or "not allowed" in told or "cannot" in told
