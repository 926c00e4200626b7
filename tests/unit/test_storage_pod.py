"""The pod that reads a storage beside a job: what it takes over from the job, and what its answer means."""

import tomllib
from typing import Any

import pytest

from flinkops.act.backend import StorageCommand
from flinkops.act.operator import storage_pod
from flinkops.act.operator.storage_pod import ask_there, storage_task
from flinkops.cli.savepoint.verify import shown_check
from flinkops.config.storage import StorageSettings, read_pod_image, read_storage
from flinkops.errors import OperationFailed, Unreachable, UsageError
from flinkops.sources.kubernetes.short_pods import PodEnd

PATH = "s3://prices/sp/savepoint-1"
ENV = [{"name": "AWS_REGION", "value": "eu"}, {"name": "KEPT", "value": "1"}]
VOLUMES = [{"name": "data", "hostPath": {"path": "/data"}}]
MAIN = {
    "name": "flink-main-container",
    "env": ENV,
    "envFrom": [{"secretRef": {"name": "s3"}}],
    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    "startupProbe": {"httpGet": {"port": 8081}},
    "securityContext": {"runAsNonRoot": True},
}
RESOURCE: dict[str, Any] = {
    "apiVersion": "flink.apache.org/v1beta1",
    "kind": "FlinkDeployment",
    "metadata": {"namespace": "pricing", "name": "prices", "uid": "u1"},
    "spec": {
        "serviceAccount": "flink",
        "image": "prices:1",
        "flinkConfiguration": {
            "s3.endpoint": "http://minio:9000",
            "s3.path.style.access": "true",
            "s3.access-key": "AKIASECRET",
            "s3.secret-key": "hush",
        },
        "podTemplate": {
            "metadata": {"labels": {"net": "s3"}, "annotations": {"mesh": "off"}},
            "spec": {
                "containers": [MAIN, {"name": "sidecar", "image": "x"}],
                "initContainers": [{"name": "fetch"}],
                "volumes": VOLUMES,
                "nodeSelector": {"disk": "ssd"},
                "imagePullSecrets": [{"name": "pull"}],
            },
        },
        "jobManager": {
            "podTemplate": {
                "spec": {
                    "containers": [
                        {"name": "flink-main-container", "env": [{"name": "AWS_REGION", "value": "us"}]},
                    ]
                }
            }
        },
    },
}


def task(resource: dict[str, Any] = RESOURCE, path: str = PATH, **table: StorageSettings) -> Any:
    return storage_task(resource, StorageCommand(("savepoint", "verify", path), path, "flinkops:1", table, 60))


def test_it_is_made_after_the_jobs_own_pods() -> None:
    made = task()
    spec = made.pod["spec"]
    (container,) = spec["containers"]
    assert (made.namespace, spec["serviceAccountName"], container["image"]) == ("pricing", "flink", "flinkops:1")
    assert made.pod["metadata"] == {"labels": {"net": "s3"}, "annotations": {"mesh": "off"}}
    assert (spec["nodeSelector"], spec["imagePullSecrets"], spec["volumes"]) == (
        {"disk": "ssd"},
        [{"name": "pull"}],
        VOLUMES,
    )
    assert "initContainers" not in spec
    assert "startupProbe" not in container
    assert container["securityContext"] == {"runAsNonRoot": True}
    # the JobManager's own template is laid over the one for all pods
    assert container["env"][:2] == [{"name": "KEPT", "value": "1"}, {"name": "AWS_REGION", "value": "us"}]
    assert container["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert container["args"][:3] == ["savepoint", "verify", PATH]


def test_what_a_shell_or_kubernetes_would_expand_reaches_the_command_as_it_is() -> None:
    made = task(path="s3://prices/$(HOME)/a b;c")
    assert made.pod["spec"]["containers"][0]["args"][2] == "s3://prices/$$(HOME)/a b;c"


def test_the_storage_is_reached_as_flink_reaches_it_and_no_log_in_is_copied() -> None:
    (payload,) = task().payloads
    (written,) = payload.files.values()
    assert tomllib.loads(written.decode()) == {
        "storage": {"s3://prices": {"endpoint": "http://minio:9000", "path_style": True}}
    }
    assert b"hush" not in written
    own = {"s3://prices": StorageSettings(endpoint="https://s3.example", profile="mine")}
    (payload,) = storage_task(RESOURCE, StorageCommand((), PATH, "i", own, 1)).payloads
    assert tomllib.loads(payload.files["flinkops.toml"].decode()) == {
        "storage": {"s3://prices": {"endpoint": "https://s3.example"}}
    }


@pytest.mark.parametrize("spec", [{}, {"podTemplate": None}, {"podTemplate": {"spec": {"containers": "x"}}}])
def test_a_resource_that_says_little_is_enough(spec: dict[str, Any]) -> None:
    made = task({"metadata": {"name": "x"}, "spec": spec}, path="/data/sp")
    assert (made.namespace, made.pod["spec"]["serviceAccountName"]) == ("default", "default")
    assert made.payloads[0].files == {"flinkops.toml": b""}


def test_its_image_is_a_setting() -> None:
    table = {"pod_image": "registry.example/flinkops:1", "s3://b": {"region": "eu"}}
    assert read_storage(table, "f") == {"s3://b": StorageSettings(region="eu")}
    assert read_pod_image(table, "f") == "registry.example/flinkops:1"
    for wrong in (1, "", "a b", "a\nb"):
        with pytest.raises(UsageError, match=r'"pod_image" in \[storage\] of f'):
            read_pod_image({"pod_image": wrong}, "f")


DOCUMENT = (
    '{"schema_version":1,"path":"s3://b/sp","verdict":"bad","why":"1 of 2","next_step":null,"problems":["gone"],'
    '"total_bytes":3,"metadata_version":4,"checkpoint_id":7,"files":2,"operators":[]}'
)


def ends(monkeypatch: pytest.MonkeyPatch, *output: str, code: int = 0, reason: str = "") -> tuple[int, dict[str, Any]]:
    monkeypatch.setattr(storage_pod, "run_pod", lambda *_args, **_more: PodEnd(code, reason, output))
    access: Any = None
    return ask_there(access, task(), lambda _text: None)


def test_its_document_and_exit_code_are_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    code, document = ends(monkeypatch, "a warning of some library", DOCUMENT, code=1)
    assert (code, shown_check(document).verdict) == (1, "bad")


def test_without_a_document_the_last_line_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable, match="from within the cluster: no credentials for s3://prices"):
        ends(monkeypatch, "no credentials for s3://prices", code=3)
    with pytest.raises(OperationFailed, match="exit code 127: flinkops: not found"):
        ends(monkeypatch, "flinkops: not found", "", code=127)
    with pytest.raises(OperationFailed, match="512Mi of memory"):
        ends(monkeypatch, code=137, reason="OOMKilled")
    with pytest.raises(OperationFailed, match="another way"):
        shown_check({"verdict": "fine"})
