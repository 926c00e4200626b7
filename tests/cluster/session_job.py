"""A session cluster and jobs on it: the jar comes from a pod, since the operator itself has to read it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flinkops.local.javac import compile_jar
from tests.cluster.kit import DATA, Cluster, count_manifest, wait_for
from tests.cluster.price_job import flink_libraries

SESSION = "session"
_JARS = "jars"  # the pod that serves them
_FOLDER = DATA / "session-jars"
_PORT = 8000


@contextmanager
def session_cluster(cluster: Cluster, folder: Path) -> Iterator[str]:
    """A ready session cluster, and the URI of the jar of :file:`session_java`."""
    libraries = sorted((flink_libraries(cluster, folder) / "lib").glob("*.jar"))
    jar = compile_jar(Path(__file__).parent / "session_java", folder / "ticks.jar", libraries)
    _FOLDER.mkdir(exist_ok=True)
    shutil.copyfile(jar, _FOLDER / jar.name)
    deployment = count_manifest(cluster.kit, SESSION)
    del deployment["spec"]["job"]
    deployment["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = "6"  # one TaskManager for all
    cluster.delete_deployment(SESSION)
    cluster.kubectl("delete", "pod", _JARS, "--ignore-not-found", "--now")
    cluster.apply(deployment, _jar_server(deployment["spec"]))
    try:
        address = wait_for(lambda: cluster.get("pod", _JARS)["status"].get("podIP"), "the jars' address", seconds=60)
        wait_for(lambda: is_ready(cluster), "the session cluster is ready", seconds=180)
        yield f"http://{address}:{_PORT}/{jar.name}"
    finally:
        cluster.kubectl("delete", "flinksessionjob", "--all", "--timeout=60s")
        cluster.delete_deployment(SESSION)
        cluster.kubectl("delete", "pod", _JARS, "--ignore-not-found", "--now")
        shutil.rmtree(_FOLDER, ignore_errors=True)


def is_ready(cluster: Cluster) -> bool:
    """The operator lets jobs be submitted to the session cluster."""
    status = cluster.deployment(SESSION).get("status") or {}
    return bool(status.get("jobManagerDeploymentStatus") == "READY")


def session_job(name: str, jar: str, *, parallelism: int = 1) -> dict[str, Any]:
    """The manifest of one job on it."""
    return {
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkSessionJob",
        "metadata": {"name": name, "namespace": "default", "labels": {"team": "sessions"}},
        "spec": {
            "deploymentName": SESSION,
            "job": {
                "jarURI": jar,
                "entryClass": "flinkops.session.Ticks",
                "parallelism": parallelism,
                "upgradeMode": "savepoint",
                "state": "running",
            },
        },
    }


def _jar_server(spec: dict[str, Any]) -> dict[str, Any]:
    """A pod of the Flink image, which has Python, with the folder that Flink's pods see too."""
    (mount,) = spec["podTemplate"]["spec"]["containers"][0]["volumeMounts"]
    container = {
        "name": "http",
        "image": spec["image"],
        "imagePullPolicy": "Never",
        "command": ["python3", "-m", "http.server", str(_PORT), "--directory", f"{mount['mountPath']}/{_FOLDER.name}"],
        "volumeMounts": [mount],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _JARS, "namespace": "default"},
        "spec": {
            "containers": [container],
            "volumes": spec["podTemplate"]["spec"]["volumes"],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
        },
    }
