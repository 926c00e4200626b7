"""The pod of a rehearsal: what it takes over of the spec, what it leaves out, and how its output is read."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flinkops.act.operator.rehearsing import _read
from flinkops.act.rest.rehearsing import NoGraph
from flinkops.errors import OperationFailed
from flinkops.plan.operator.rehearsal_pod import (
    CONF_MOUNT,
    STATES_FILE,
    drops_state_of,
    rehearsal_pod,
    settings_of,
    states_of,
    with_cluster,
)
from flinkops.sources.kubernetes.short_pods import PodEnd

STATES = ("newest s3://b/cp/1f", "path s3://b/sp-1")


def spec(**changes: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"team": "x"}, "name": "ignored"},
        "spec": {
            "initContainers": [{"name": "fetch", "image": "f"}],
            "containers": [
                {
                    "name": "flink-main-container",
                    "env": [{"name": "A", "value": "1"}, {"name": "FLINKOPS_REHEARSAL", "value": "0"}],
                    "livenessProbe": {},
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                },
                {"name": "sidecar", "image": "s"},
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }
    return {
        "image": "prices:2",
        "imagePullPolicy": "Never",
        "serviceAccount": "flink",
        "podTemplate": template,
        "jobManager": {"podTemplate": {"spec": {"containers": [{"name": "flink-main-container", "env": []}]}}},
        "flinkConfiguration": {
            "state.backend.type": "rocksdb",
            "high-availability.type": "kubernetes",
            "metrics.reporters": "x",
            "kubernetes.secrets": "keys:/etc/keys",
            "containerized.master.env.TOKEN": "$(A)",
            "table.x": "a: 'b'\n# c",
        },
        "job": {
            "jarURI": "local:///opt/flink/usrlib/a.jar",
            "entryClass": "a.Main",
            "args": ["--x", "$(HOME) 'q\"; rm -rf /"],
            "parallelism": 3,
        },
        **changes,
    }


def made(given: dict[str, Any] | None = None, **terms: Any) -> Any:
    return rehearsal_pod(given or spec(), STATES, defaults=terms.pop("defaults", {}), **terms)


def container(given: dict[str, Any] | None = None) -> dict[str, Any]:
    (found,) = made(given).template["spec"]["containers"]
    return dict(found)


def test_it_is_the_jobmanagers_pod_without_what_must_not_happen_twice() -> None:
    pod = made().template
    assert pod["metadata"] == {"labels": {"team": "x"}}
    assert pod["spec"]["initContainers"] == [{"name": "fetch", "image": "f"}]
    assert pod["spec"]["serviceAccountName"] == "flink"
    main = container()  # the only one: no sidecars
    assert (main["image"], main["imagePullPolicy"]) == ("prices:2", "Never")
    assert "livenessProbe" not in main
    assert main["command"] == ["/docker-entrypoint.sh"]
    env = {each["name"]: each["value"] for each in main["env"]}
    assert env["FLINKOPS_REHEARSAL"] == "1"
    assert env["TOKEN"] == "$$(A)"
    mounts = {each["name"]: each["mountPath"] for each in main["volumeMounts"]}
    assert mounts["data"] == "/data"
    assert mounts["flinkops-secret-keys"] == "/etc/keys"
    volumes = {each["name"] for each in pod["spec"]["volumes"]}
    assert volumes == {"data", "flinkops-work", "flinkops-secret-keys"}
    assert main["resources"]["limits"]["memory"] == "2048Mi"


def test_the_settings_are_those_of_the_spec_over_the_operators_without_ha_and_reporters() -> None:
    found = settings_of(spec(), {"state.backend.type": "hashmap", "table.y": "1", "kubernetes.operator.x": "1"})
    assert found["state.backend.type"] == "rocksdb"
    assert (found["table.y"], found["parallelism.default"]) == ("1", "3")
    assert not [key for key in found if key.startswith(("high-availability", "metrics.", "kubernetes."))]


@pytest.mark.parametrize(
    ("entry", "arguments", "python"),
    [
        (
            "org.apache.flink.client.python.PythonDriver",
            ["-pyclientexec", "/usr/bin/python3", "-pyexec", "/opt/python", "-py", "/job.py"],
            {"python.client.executable": "/usr/bin/python3", "python.executable": "/opt/python"},
        ),
        (
            "org.apache.flink.client.python.PythonDriver",
            ["-pym", "shop.job", "--pyFiles", "/a.py,/b", "--window", "5", "-pyexec", "its-own"],
            {"python.files": "/a.py,/b"},
        ),
        ("org.apache.flink.client.python.PythonDriver", ["-py"], {}),
        ("shop.Job", ["-pyexec", "its-own"], {}),
    ],
)
def test_what_the_python_driver_is_told_is_a_setting(entry: str, arguments: list[str], python: dict[str, str]) -> None:
    job = {"jarURI": "local:///opt/flink/opt/flink-python.jar", "entryClass": entry, "args": arguments}
    found = settings_of({"job": job}, {})
    assert {key: value for key, value in found.items() if key.startswith("python.")} == python


def test_both_files_of_settings_hold_each_value_on_one_line() -> None:
    files = made().files[CONF_MOUNT]
    older = files["flink-conf.yaml"].decode().splitlines()
    assert "table.x: a: 'b' # c" in older
    lines = dict(line.split(": ", 1) for line in files["config.yaml"].decode().splitlines())
    assert json.loads(lines["table.x"]) == "a: 'b'\n# c"
    assert files[STATES_FILE].decode() == "newest s3://b/cp/1f\npath s3://b/sp-1\n"


def test_words_reach_the_client_as_they_are(tmp_path: Path) -> None:
    """The shell runs the script for real, with a client that prints its arguments."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    home, ours = tmp_path / "flink", tmp_path / "flinkops"
    for folder in (home / "bin", home / "conf", home / "usrlib" / "a b", ours / "conf"):
        folder.mkdir(parents=True)
    (home / "usrlib" / "a b" / "c.jar").touch()
    for name in ("config.yaml", "flink-conf.yaml"):
        (ours / "conf" / name).write_text("a: b\n")
    client = home / "bin" / "flink"
    client.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\necho "$HADOOP_CLASSPATH"\nls "$FLINK_CONF_DIR"\n')
    client.chmod(0o755)
    _, _, script, *rest = container()["args"]
    script = script.replace("$$", "$").replace("/flinkops/", f"{ours}/")  # as Kubernetes hands it on
    words = [word.replace("$$", "$") for word in rest]
    done = subprocess.run(
        [bash, "-c", script, *words],
        env={"FLINK_HOME": str(home), "PATH": "/usr/bin:/bin", "FLINKOPS_FETCH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    assert said[:6] == ["run", "-d", "-t", "flinkops-rehearsal", "-C", f"file://{home}/usrlib/a b/c.jar"]
    assert said[6:11] == ["-c", "a.Main", "/opt/flink/usrlib/a.jar", "--x", "$(HOME) 'q\"; rm -rf /"]
    assert said[11:] == [f"{ours}/jar/flinkops-executors.jar", "config.yaml", "flink-conf.yaml"]


def test_a_session_job_runs_in_its_clusters_image_and_its_jar_is_fetched() -> None:
    job = {"deploymentName": "s", "job": {"jarURI": "https://repo/x.jar"}, "flinkConfiguration": {"table.x": "own"}}
    whole = with_cluster(job, {"spec": {k: v for k, v in spec().items() if k != "job"}})
    assert whole["flinkConfiguration"]["table.x"] == "own"
    main = container(whole)
    assert main["image"] == "prices:2"
    assert {"name": "FLINKOPS_FETCH", "value": "https://repo/x.jar"} in main["env"]
    assert main["args"][-1] == "/flinkops/work/job.jar"


@pytest.mark.parametrize(
    ("job", "words"), [({}, "no jarURI"), ({"jarURI": "/a.jar"}, "/a.jar"), ({"jarURI": "a"}, "not known")]
)
def test_a_program_that_is_nowhere(job: dict[str, Any], words: str) -> None:
    with pytest.raises(OperationFailed, match=words):
        made(spec(job=job))


def test_without_an_image() -> None:
    with pytest.raises(OperationFailed, match="no image"):
        made(spec(image=None))


@pytest.mark.parametrize(
    ("state", "settings", "ports"),
    [
        ("newest file:/data/cp/1f", {}, {53}),
        ("path /data/sp", {}, {53}),
        ("path s3://b/sp", {}, {53, 443, 80}),
        ("path s3://b/sp", {"s3.endpoint": "http://minio:9000"}, {53, 443, 9000, 80}),
        ("path s3://b/sp", {"fs.s3a.endpoint": "http://minio:9000"}, {53, 443, 9000, 80}),
        ("path hdfs://nn/sp", {}, None),
    ],
)
def test_it_reaches_dns_and_its_storage(state: str, settings: dict[str, str], ports: set[int] | None) -> None:
    egress = rehearsal_pod(spec(flinkConfiguration=settings), [state], defaults={}).egress
    assert (None if egress is None else {p["port"] for rule in egress for p in rule["ports"]}) == ports


@pytest.mark.parametrize("endpoint", ["http://minio:many", "http://minio:65536"])
def test_an_endpoint_without_a_port_that_is_one_is_said(endpoint: str) -> None:
    with pytest.raises(OperationFailed, match=f"{endpoint} is no address"):
        rehearsal_pod(spec(flinkConfiguration={"s3.endpoint": endpoint}), ["path s3://b/sp"], defaults={})


@pytest.mark.parametrize(
    ("jar", "ports"),
    [("local:///a.jar", {53}), ("https://repo/x.jar", {53, 443, 80}), ("http://repo:8081/x.jar", {53, 8081, 80})],
)
def test_it_reaches_where_its_jar_is_fetched_from(jar: str, ports: set[int]) -> None:
    egress = rehearsal_pod(spec(job={"jarURI": jar}), ["path /data/sp"], defaults={}).egress
    assert egress is not None
    assert {p["port"] for rule in egress for p in rule["ports"]} == ports


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": [1]}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        (
            {"a": [{"name": "x", "v": 1, "w": 1}, {"name": "y"}]},
            {"a": [{"name": "z"}, {"name": "x", "v": 2}]},
            {"a": [{"name": "x", "v": 2, "w": 1}, {"name": "y"}, {"name": "z"}]},
        ),
        ({"a": [{"name": "x"}]}, {"a": [{"value": "x"}]}, {"a": [{"value": "x"}]}),
    ],
)
def test_one_pod_template_is_laid_over_another(first: Any, second: Any, both: Any) -> None:
    template = made(spec(podTemplate={"spec": first}, jobManager={"podTemplate": {"spec": second}})).template
    assert {"a": template["spec"]["a"]} == both


def test_what_to_restore() -> None:
    assert states_of(["file:/cp/1f/chk-9", "file:/cp/1f/chk-8", "file:/sp/chk-x"]) == (
        "newest file:/cp/1f",
        "path file:/sp/chk-x",
    )
    with pytest.raises(OperationFailed):
        states_of(["/a\nb"])


def test_whether_state_may_go() -> None:
    assert drops_state_of({"job": {"allowNonRestoredState": True}})
    assert drops_state_of({"flinkConfiguration": {"execution.savepoint.ignore-unclaimed-state": "true"}})
    assert not drops_state_of(spec())


def verdict(outcome: str, *causes: str) -> str:
    chain = [{"class": one, "message": "m"} for one in causes]
    return "flinkops-rehearsal verdict " + json.dumps(
        {"schema_version": 1, "outcome": outcome, "phase": "restore", "causes": chain}
    )


def test_a_checkpoint_that_went_meanwhile_is_no_verdict() -> None:
    gone = verdict("failed", "java.io.FileNotFoundException")
    assert _read(PodEnd(0, "Completed", ("x", gone, gone, verdict("restored"), "y")))[0].outcome == "restored"
    assert _read(PodEnd(0, "Completed", (gone,)))[0].state_is_gone


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (PodEnd(137, "OOMKilled", ()), "more memory"),
        (PodEnd(1, "Error", ("flinkops-rehearsal bypassed",)), "execution.target"),
        (PodEnd(0, "Completed", (verdict("restored"), "flinkops-rehearsal graph {")), "cannot be read"),
        (PodEnd(0, "Completed", ("flinkops-rehearsal verdict {",)), "cannot be read"),
    ],
)
def test_what_is_no_verdict(end: PodEnd, words: str) -> None:
    with pytest.raises(OperationFailed, match=words):
        _read(end)


def test_a_program_without_a_graph() -> None:
    with pytest.raises(NoGraph, match="no such topic"):
        _read(PodEnd(1, "Error", ("Caused by: java.lang.IllegalStateException: no such topic", "\tat x")))
