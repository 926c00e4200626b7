"""flinkops acting on the test cluster: run to its end, killed at a step of its journal, and what the journal says."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.kit import Cluster, run, wait_for

_CONTAINERD = "/run/flinkops-kit/containerd.sock"
ACTION_SECONDS = 1500.0
"""An upgrade there and back again on a machine whose cores are shared by ten."""


class CommandLine:
    """flinkops with a journal of its own."""

    def __init__(self, cluster: Cluster, journal: Path) -> None:
        self._cluster = cluster
        self.journal = journal

    def command(self, *arguments: str) -> list[str]:
        where = ["--kubeconfig", self._cluster.kubeconfig, "--journal", str(self.journal)]
        return [sys.executable, "-m", "flinkops", *arguments, *where]

    def run(self, *arguments: str, expect: int | None = 0) -> dict[str, Any]:
        """The document of an action; fails with all that was said when the exit code is another one (None: any)."""
        done = subprocess.run(
            self.command(*arguments, "-o", "json"),
            capture_output=True,
            text=True,
            cwd="/",
            timeout=ACTION_SECONDS,
            check=False,
        )
        assert expect in (None, done.returncode), f"exit {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        document: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
        return {**document, "stderr": done.stderr}

    def entries(self) -> list[dict[str, Any]]:
        """The journal's whole lines."""
        path = self.journal / "journal.jsonl"
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    @contextmanager
    def begun(self, step: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """An action of which the journal has the intent of `step`; killed afterwards if it still runs."""
        before = len(self.entries())
        command = self.command(*arguments, "--yes", "-o", "json")
        process = subprocess.Popen(
            command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        try:
            wait_for(lambda: self._intended(step, process, before), f"the intent of {step}", seconds=180, every=0.05)
            yield process
        finally:
            process.kill()
            process.communicate()

    def kill_at(self, step: str, *arguments: str) -> None:
        """Begins an action and ends it with SIGKILL once the journal has the intent of `step`."""
        with self.begun(step, *arguments) as process:
            process.kill()
            assert process.wait() == -signal.SIGKILL
        assert self.entries()[-1]["event"] != "finished", "it died in the middle"

    def seen(self, step: str) -> bool:
        """Whether the step has an outcome."""
        return any(one["event"] == "outcome" and one["step"] == step for one in self.entries())

    def _intended(self, step: str, process: subprocess.Popen[str], before: int) -> bool:
        """Of this action: the journal may have `before` entries of earlier ones."""
        assert process.poll() is None, f"it ended before {step}: {process.communicate()}"
        return any(one["event"] == "intent" and one["step"] == step for one in self.entries()[before:])


def shown(name: str, document: dict[str, Any]) -> dict[str, Any]:
    """The result; also as evidence."""
    result: dict[str, Any] = document["result"]
    print(f"\n{name}: {json.dumps({key: value for key, value in result.items() if value is not None})}")  # noqa: T201
    return result


def settled(cluster: Cluster, name: str) -> bool:
    """The operator sees the job RUNNING, and has nothing to do."""
    status = cluster.deployment(name).get("status") or {}  # none until the operator has reconciled it first
    reconciled = (status.get("reconciliationStatus") or {}).get("state")
    ready = status.get("jobManagerDeploymentStatus") == "READY" and reconciled == "DEPLOYED"
    return bool(ready and (status.get("jobStatus") or {}).get("state") == "RUNNING")


def another_parallelism(cluster: Cluster, name: str) -> str:
    """1 or 2, whichever it does not have."""
    return "1" if cluster.deployment(name)["spec"]["job"]["parallelism"] == 2 else "2"


def restored_from(cluster: Cluster, name: str) -> str | None:
    """What the running job was restored from, as its own REST API has it."""
    proxy = f"/api/v1/namespaces/default/services/{name}-rest:8081/proxy/jobs"
    (job,) = json.loads(cluster.kubectl("get", "--raw", f"{proxy}/overview"))["jobs"]
    restored = json.loads(cluster.kubectl("get", "--raw", f"{proxy}/{job['jid']}/checkpoints"))["latest"]["restored"]
    return None if restored is None else str(restored["external_path"])


def retag(image: str, name: str) -> None:
    """Another name for an image that the kit's node has."""
    command = ["ctr", "-a", _CONTAINERD, "-n", "k8s.io", "images", "tag", "--force"]
    run([*command, f"docker.io/library/{image}", f"docker.io/library/{name}"])
