"""The fake operator with a session cluster: one FlinkSessionJob, and beside it a job of somebody else's.

As operator 1.7.0 was seen to do: the id of each submission is the resource's uid and generation, a jar that cannot be
had is an error of the resource's that is tried again at each poll.
"""

import copy
from collections.abc import Mapping
from typing import Any

from tests.unit.fake_flink import Answer, refusal
from tests.unit.fake_operator import FakeOperator
from tests.unit.true_upgrade_modes import Thrown

GROUP = "/apis/flink.apache.org/v1beta1/namespaces/default"
PROXY = "/api/v1/namespaces/default/services/session-rest:8081/proxy"
BAD_JAR = "http://jars/nowhere.jar"
OTHERS_JOB = "f" * 32
OTHERS_SAVEPOINT = "s3://bucket/of-another"


class FakeSession(FakeOperator):
    """`resource` is the session job, `cluster` what it runs on."""

    def __init__(self) -> None:
        super().__init__()
        self.metadata = None
        assert self.resource is not None
        application = copy.deepcopy(self.resource)
        spec = application["spec"]
        del spec["job"]
        status = {"jobManagerDeploymentStatus": "READY", "lifecycleState": "STABLE"}
        metadata = {"name": "session", "namespace": "default"}
        self.cluster = {**application, "metadata": metadata, "status": status}
        self.ended: list[str] = []
        self.began_ms: dict[str, int] = {}
        self.late = 0  # how many polls the operator sleeps through
        self.resource["kind"] = "FlinkSessionJob"
        self.resource["metadata"]["name"] = "ticks"
        del self.resource["status"]["jobManagerDeploymentStatus"]
        self.resource["spec"] = {
            "deploymentName": "session",
            "job": {**self.resource["spec"]["job"], "jarURI": "http://jars/ticks-1.jar"},
        }
        self._reconciled("DEPLOYED", "RUNNING", "STABLE")

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        path = target.partition("?")[0]
        with self.lock:
            if path == f"{GROUP}/flinkdeployments/session":
                return refusal(404, "not found") if self.cluster is None else (200, copy.deepcopy(self.cluster))
            if path.startswith(f"{GROUP}/flinksessionjobs"):
                return self._custom(method, body, dry_run="dryRun" in target)
            if path.startswith(PROXY):
                return self._flink(path.removeprefix(PROXY))
        return super().answer(method, target, body)

    def _flink(self, path: str) -> Answer:
        if path == "/jobs/overview":
            rows = [self._row(OTHERS_JOB, "RUNNING", 9_000_000), *map(self._ended, self.ended)]
            if self.job is not None:
                rows.append(self._row(self.job_id, "RUNNING", self.job["started_ms"]))
            return 200, {"jobs": rows}
        if path.removeprefix("/jobs/") in self.ended:
            return 200, {**self._ended(path.removeprefix("/jobs/")), "vertices": [], "plan": {"nodes": []}}
        if path == f"/jobs/{OTHERS_JOB}":
            return 200, {**self._row(OTHERS_JOB, "RUNNING", 9_000_000), "vertices": [], "plan": {"nodes": []}}
        if path == f"/jobs/{OTHERS_JOB}/checkpoints":
            savepoint = {"id": 4, "status": "COMPLETED", "is_savepoint": True, "trigger_timestamp": 5}
            latest = {"savepoint": {**savepoint, "external_path": OTHERS_SAVEPOINT}}
            counts = {"restored": 0, "total": 4, "in_progress": 0, "completed": 4, "failed": 0}
            return 200, {"counts": counts, "latest": latest, "history": []}
        if path == f"/jobs/{OTHERS_JOB}/checkpoints/config":
            return 200, {"mode": "exactly_once", "interval": 5, "timeout": 600_000}
        return (404, {"errors": [f"no {path}"]}) if self.job is None else super()._flink(path)

    def _ended(self, job_id: str) -> dict[str, Any]:
        return self._row(job_id, "FINISHED", self.began_ms.get(job_id, 1))

    def _row(self, job_id: str, state: str, started_ms: int) -> dict[str, Any]:
        row = {"jid": job_id, "name": "ticks", "state": state, "start-time": started_ms, "tasks": {}}
        return {**row, "end-time": -1 if state == "RUNNING" else 2, "duration": 1, "last-modification": 1}

    def _tick(self) -> None:
        self.late = max(0, self.late - 1)
        if not self.late:
            super()._tick()

    def stop_with_savepoint(self) -> str:
        began_ms = self.job["started_ms"] if self.job is not None else 1
        path = super().stop_with_savepoint()
        self.began_ms[self.job_id] = began_ms
        self.ended.append(self.job_id)
        return path

    def submit(self, spec: Mapping[str, Any], path: str | None, *, from_metadata: bool) -> None:
        if spec["job"]["jarURI"] == BAD_JAR:
            raise Thrown(f"{BAD_JAR}: 404")
        self.versions += 1
        self.job_id = f"{self.versions:032x}"
        super().submit(spec, path, from_metadata=from_metadata)

    def image(self, spec: Mapping[str, Any]) -> str:
        return str(spec["job"]["jarURI"])
