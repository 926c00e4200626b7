"""The test cluster and what tests do with it: kubectl, waiting, flinkops as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
FLINK = "1.20.5"
FLINKOPS_IMAGE = "flinkops:0.1.0"  # as deploy/ names it
DATA = Path("/var/lib/flinkops-kit")  # the kit's hostPath: what pods see as /flink-data
NO_KIT = "no Kubernetes test kit: put it at ../shared/kit or name it in FLINKOPS_KIT"
NO_ROOT = "the Kubernetes test kit needs root"


def kit_folder() -> Path | None:
    """The kit of $FLINKOPS_KIT, else the one beside the repository."""
    folder = Path(os.environ.get("FLINKOPS_KIT") or REPOSITORY.parent / "shared" / "kit")
    return folder if (folder / "kit").is_file() else None


class Kit:
    """The kit's commands. Each raises CalledProcessError with its output when it fails."""

    def __init__(self, folder: Path) -> None:
        self._command = str(folder / "kit")
        self.folder = folder
        self.kubeconfig = self.run("kubeconfig", seconds=10).strip()

    def run(self, *arguments: str, seconds: float = 600) -> str:
        return run([self._command, *arguments], seconds=seconds)

    def restart_api_server(self) -> None:
        """Ended, and started again as it was. Not by `kit up`: kube-proxy exits when that writes its settings again."""
        state = Path(self.kubeconfig).parent
        process = int((state / "pids" / "apiserver").read_text(encoding="ascii"))
        command = Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8").split("\0")[:-1]
        os.kill(process, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{process}").exists(), "the API server has ended", seconds=90, every=0.2)
        detached = 'log=$1; shift; setsid "$@" >> "$log" 2>&1 < /dev/null & echo $!'
        started = run(["sh", "-c", detached, "sh", str(state / "log" / "apiserver.log"), *command])
        (state / "pids" / "apiserver").write_text(started, encoding="ascii")
        wait_for(self.is_up, "the API server is ready", seconds=90, every=0.5)

    def is_up(self) -> bool:
        ready = ["kubectl", "--kubeconfig", self.kubeconfig, "get", "--raw", "/readyz", "--request-timeout=2s"]
        return (
            Path(self.kubeconfig).exists() and subprocess.run(ready, capture_output=True, check=False).returncode == 0
        )


class Cluster:
    """A running cluster with the Flink operator."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.kubeconfig = kit.kubeconfig

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = 120) -> str:
        return run(["kubectl", "--kubeconfig", self.kubeconfig, *arguments], stdin=stdin, seconds=seconds)

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(list(manifests)))

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("-n", namespace, "get", kind, name, "-o", "json"))
        return found

    def deployment(self, name: str) -> dict[str, Any]:
        return self.get("flinkdeployments.flink.apache.org", name)

    def delete_deployment(self, name: str) -> None:
        self.kubectl("delete", "flinkdeployment", name, "--ignore-not-found", "--timeout=90s")
        wait_for(lambda: not self.pods(name), f"the pods of {name} are gone", seconds=60)
        # What a killed run left behind would be taken for the high-availability data of the next one.
        self.kubectl("delete", "configmap", "-l", f"app={name}", "--ignore-not-found")

    def pods(self, name: str) -> list[str]:
        return self.kubectl("get", "pods", "-l", f"app={name}", "-o", "name").split()

    def operator_pods(self) -> list[str]:
        labels = "app=flink-kubernetes-operator"
        return self.kubectl("-n", "flink-operator", "get", "pods", "-l", labels, "-o", "name").split()

    def spare_operator(self) -> None:
        """Its probes wait longer: on a machine that is busy it answers late, and was restarted in mid-upgrade."""
        names = ("-n", "flink-operator", "deployment/flink-kubernetes-operator")
        failures = {"livenessProbe": 30, "startupProbe": 300}
        probes = {probe: {"timeoutSeconds": 10, "failureThreshold": count} for probe, count in failures.items()}
        container = {"name": "operator", **probes}
        spec = {"spec": {"template": {"spec": {"containers": [container]}}}}
        self.kubectl("patch", *names, "--patch", json.dumps(spec))
        self.kubectl("rollout", "status", *names, "--timeout=300s", seconds=330)

    def stop_with_savepoint(self, name: str, job_id: str) -> str:
        """As the operator does it, over REST through the API server; the savepoint's path."""
        proxy = f"/api/v1/namespaces/default/services/{name}-rest:8081/proxy/jobs/{job_id}"
        body = json.dumps({"drain": False, "formatType": "CANONICAL"})
        asked = json.loads(self.kubectl("create", "--raw", f"{proxy}/stop", "-f", "-", stdin=body))

        def polled() -> str | None:
            answer = json.loads(self.kubectl("get", "--raw", f"{proxy}/savepoints/{asked['request-id']}"))
            return (answer.get("operation") or {}).get("location")

        path: str = wait_for(polled, "the savepoint", seconds=60, every=0.2)
        return path

    def flinkops(
        self, *arguments: str, kubeconfig: str | None = None, expect: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Runs the command line as a user would, with this cluster as the kubeconfig."""
        command = [sys.executable, "-m", "flinkops", *arguments, "--kubeconfig", kubeconfig or self.kubeconfig]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60, check=False)
        assert done.returncode == expect, f"exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done

    def status(self, *arguments: str, kubeconfig: str | None = None, expect: int = 0) -> dict[str, Any]:
        done = self.flinkops("status", "-o", "json", *arguments, kubeconfig=kubeconfig, expect=expect)
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def job(self, name: str, *arguments: str) -> dict[str, Any]:
        """The row of one job in the status document."""
        (row,) = [row for row in self.status(*arguments)["jobs"] if row["name"] == name]
        return dict(row)


def run(command: list[str], *, stdin: str | None = None, seconds: float = 120) -> str:
    """stdout; what it said is part of the error when it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def wait_for(condition: Callable[[], Any], what: str, *, seconds: float, every: float = 1.0) -> Any:
    """The first truthy value of the condition; fails with `what` and the last value after `seconds`, or three minutes.

    Whatever it waits for, a machine that is slow or busy may need minutes: fewer than three are never too many.
    """
    seconds = max(seconds, 180.0)
    ends = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < ends, f"not within {seconds:g} s: {what}; last: {value!r}"
        time.sleep(every)


def state_of(deployment: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Flink's state and the operator's, as the resource says."""
    status = deployment.get("status") or {}
    return (status.get("jobStatus") or {}).get("state"), status.get("lifecycleState")


def count_manifest(kit: Kit, name: str = "count", **spec: Any) -> dict[str, Any]:
    """The kit's example: a foreign job, which knows nothing of flinkops."""
    text = (kit.folder / "examples" / "flinkdeployment.yaml").read_text(encoding="utf-8")
    manifest: dict[str, Any] = yaml.safe_load(text)
    manifest["metadata"]["name"] = name
    manifest["metadata"]["labels"] = {"team": "examples"}
    manifest["spec"].update(spec)
    return manifest
