"""The Flink cluster of the fake operator: one job, its savepoints and checkpoints, its HA metadata, its REST API.

Where a job is (`position`) is a number that grows while it runs; a savepoint or checkpoint keeps it, and a job started
from one is there again. `durable` is the newest that was kept: a job that starts before it has lost state.
"""

from collections.abc import Mapping
from typing import Any

from flinkops.model.option_names import OPERATOR
from flinkops.plan.operator.scaling import Bounds
from flinkops.plan.operator.situation import ObservedJob
from flinkops.plan.operator.spec import configuration
from tests.unit.true_upgrade_modes import Thrown, copied

BAD_IMAGE, LOOPING_IMAGE, WRONG_STATE_IMAGE = "nowhere:1", "loop:1", "forgets:1"
_NOW_MS = 1_795_500_000_000
Answer = tuple[int, Any]


def refusal(code: int, message: str) -> Answer:
    return code, {"kind": "Status", "code": code, "message": message}


class Died(Exception):
    """The JobManager is gone before it has answered."""


class FakeFlink:
    """A :class:`~tests.unit.true_upgrade_modes.Cluster` for the operator, and `_flink`, its REST API."""

    def __init__(self) -> None:
        self.started_ms = 1_000_000
        self.savepoints = 0
        self.orders: list[str] = []  # what changed something
        self.job: dict[str, Any] | None = {"restored": None, "started_ms": self.started_ms, "completed": 0}
        self.job_id = "a" * 32
        self.job_ids = 0
        self.vertex_id = "v"
        self.deployed: Mapping[str, Any] = {}  # the spec that the job was started from
        self.without_effect: dict[str, Any] = {}  # of the deployed spec, what does not become so: as it is here
        self.pods: list[dict[str, Any]] = []
        self.metadata: str | None = None  # the checkpoint that HA metadata points to; "": to none
        self.cancelled = False
        self.newest: str | None = None  # the last checkpoint of the job that runs, or ran last
        self.shows_checkpoints = False  # by its REST API too
        self.savepoint_error: str | None = None
        self.dies: str | None = (
            None  # the JobManager, at the stop: "forgets" its job's state; "ended" or "loops": no job
        )
        self.lost_states: list[str] = []  # a start from these crash-loops
        self.most_parallelism = 9  # for more there are no slots, and no TaskManager comes
        self.cached_answers = 0  # so many about a new job's checkpoints are of before it was restored
        self.position, self.durable = 0, 0
        self.places: dict[str, int] = {}
        self.losses: list[str] = []

    # --- as the operator sees it ---

    def seen(self) -> ObservedJob:
        return ObservedJob(
            now_ms=_NOW_MS + self.started_ms,
            checkpoints_read=True,
            checkpoint_age_seconds=None if self.newest is None else 0.0,
            checkpoint_path=self.newest,
            ha_metadata=self.metadata is not None,
            jobmanager_never_started=self.job is None and bool(self.pods) and "ErrImagePull" in str(self.pods),
            vertices=("v",),
            operator_configuration={},
            autoscaler_overrides={},
        )

    def stop_with_savepoint(self) -> str:
        if self.savepoint_error is not None:
            raise Thrown(self.savepoint_error)
        if self.dies is not None:
            self.die(self.dies)
            raise Died
        self.savepoints += 1
        path = f"s3://bucket/savepoint-{self.savepoints}"
        self._keep(path)
        self.orders.append("stopped")
        self.job, self.metadata = None, None
        return path

    def cancel(self) -> bool:
        if self.job is not None:
            self.orders.append("cancelled")
            self.cancelled = True
        self.job, self.metadata = None, None
        return False

    def delete(self, *, keep_metadata: bool) -> None:
        self.job, self.pods = None, []
        if not keep_metadata:
            self.metadata = None

    def submit(self, spec: Mapping[str, Any], path: str | None, *, from_metadata: bool) -> None:
        self.cancelled = False
        self.deployed = copied(dict(spec))
        restored = self.metadata if from_metadata and self.metadata else path
        if self.rotates_job_ids() and not from_metadata:
            self.job_ids += 1
            self.job_id = f"{self.job_ids:032x}"
        self.pods = []
        if self.image(spec) == BAD_IMAGE:
            waiting = {"reason": "ErrImagePull", "message": f"{BAD_IMAGE} is not to be had"}
            self._pod({"state": {"waiting": waiting}})
            return
        self.metadata = (restored or "") if self.ha_on(spec) else None
        if restored in self.lost_states:
            self.loop()
            return
        self.orders.append(f"deployed {self.image(spec)} from {restored}")
        if self.image(spec) == WRONG_STATE_IMAGE:
            restored = "s3://bucket/another"
        self.begin(restored, loops=self.image(spec) == LOOPING_IMAGE)

    def scale(self, bounds: Bounds | None) -> None:
        """Nothing here; see the autoscaler's own fake."""

    def rotates_job_ids(self) -> bool:
        """From 1.10 on each start has a job id of its own, but for one from HA metadata."""
        return False

    def ha_on(self, spec: Mapping[str, Any]) -> bool:
        """Whether high availability is on."""
        return str((spec.get("flinkConfiguration") or {}).get("high-availability.type", "NONE")).upper() != "NONE"

    def image(self, spec: Mapping[str, Any]) -> str:
        """What the job is of."""
        return str(spec.get("image"))

    # --- the job ---

    def begin(self, restored: str | None, *, loops: bool = False) -> None:
        """The job runs, from that state."""
        self.position = self.places.get(restored or "", 0)
        if self.position < self.durable:
            self.losses.append(f"from {restored} at {self.position}, and {self.durable} had been kept")
        self.durable, self.newest = self.position, None
        self.started_ms += 1000
        self.job = {
            "restored": restored,
            "started_ms": self.started_ms,
            "completed": 0,
            "loops": loops,
            "cached": self.cached_answers,
        }

    def progress(self) -> None:
        """It goes on, and completes a checkpoint; HA metadata points to that."""
        if self.job is not None and not self.job.get("loops"):
            self.position += 1
            self.newest = f"s3://bucket/{self.job_id[-4:]}-{self.started_ms}/chk-{self.position}"
            self._keep(self.newest)
            if self.metadata is not None:
                self.metadata = self.newest

    def _keep(self, path: str) -> None:
        self.places[path] = self.durable = self.position

    def die(self, how: str) -> None:
        """The JobManager ends with its job."""
        self.job = None
        if how == "loops":
            self.loop()
        elif how == "forgets":
            self.dies = None
            self.started_ms += 1
            self.job = {"restored": None, "started_ms": self.started_ms, "completed": 0}

    def loop(self) -> None:
        """The JobManager's pod is in CrashLoopBackOff."""
        waiting = {"reason": "CrashLoopBackOff", "message": "back-off restarting"}
        self._pod({"state": {"waiting": waiting}, "restartCount": 5})

    def _pod(self, container: dict[str, Any]) -> None:
        self.pods = [{"metadata": {"name": "count-1"}, "status": {"containerStatuses": [container]}}]

    def told(self) -> Mapping[str, Any]:
        """The spec that the job shows."""
        return {**self.deployed, **self.without_effect}

    def running_pods(self) -> list[dict[str, Any]]:
        """A JobManager and a TaskManager, while there is a job; and those that do not come up."""
        if self.job is None:
            return self.pods
        containers = [{"name": "flink-main-container", "image": self.image(self.told())}]
        times = {"creationTimestamp": "2026-01-01T00:00:00Z"}
        names = {"jobmanager": "count-1", "taskmanager": "count-taskmanager-1-1"}
        return self.pods + [
            {
                "metadata": {"name": name, "labels": {"component": role}, **times},
                "spec": {"containers": containers},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }
            for role, name in names.items()
        ]

    # --- its REST API ---

    def _flink(self, path: str) -> Answer:
        if self.job is None:
            return refusal(503, 'no endpoints available for service "count-rest"')
        job, job_id = self.job, self.job_id
        job["requests"] = job.get("requests", 0) + 1
        if path == "/jobs/overview":
            row = {"jid": job_id, "name": "a job", "state": "RUNNING", "start-time": job["started_ms"]}
            return 200, {"jobs": [{**row, "end-time": -1, "duration": 1, "last-modification": 1, "tasks": {}}]}
        if path == f"/jobs/{job_id}":
            vertex = {"id": self.vertex_id, "name": "all", "maxParallelism": 128}
            vertex |= {"status": "SCHEDULED" if self._lacks_slots() else "RUNNING", "parallelism": self._parallelism()}
            about = {"jid": job_id, "name": "a job", "state": "RUNNING", "start-time": job["started_ms"]}
            return 200, {
                **about,
                "end-time": -1,
                "vertices": [vertex],
                "plan": {"nodes": [{"id": self.vertex_id, "inputs": []}]},
            }
        if path == f"/jobs/{job_id}/checkpoints":
            return 200, self._checkpoints(job)
        if path == f"/jobs/{job_id}/checkpoints/config":
            return 200, {"mode": "exactly_once", "interval": 5, "timeout": 600_000}
        if path.startswith(f"/jobs/{job_id}/metrics"):
            restarts = job["requests"] if job.get("loops") else 0
            return 200, [{"id": "numRestarts", "value": str(restarts)}]
        if path == f"/jobs/{job_id}/config":
            return 200, {"jid": job_id, "name": "a job", "execution-config": {"job-parallelism": self._parallelism()}}
        if path == "/jobmanager/config":
            return 200, self._configuration()
        if path == "/overview":
            available = 0 if self._lacks_slots() else 8
            return 200, {"flink-version": "1.20.5", "taskmanagers": 1, "slots-total": 9, "slots-available": available}
        if path.endswith("/metrics"):
            return 200, []
        return 404, {"errors": [f"no {path}"]}

    def _configuration(self) -> list[dict[str, str]]:
        """As Flink tells it: secrets masked by their keys."""
        settings = configuration(self.told())
        known = {key: value for key, value in settings.items() if not key.startswith(OPERATOR)}
        secret = ("password", "secret", "token", "api-key")
        return [
            {"key": key, "value": "******" if any(word in key for word in secret) else value}
            for key, value in known.items()
        ]

    def _lacks_slots(self) -> bool:
        return self._parallelism() > self.most_parallelism

    def _parallelism(self) -> int:
        return int((self.told().get("job") or {}).get("parallelism") or 1)

    def _disposal(self, method: str, body: dict[str, Any]) -> Answer:
        if method == "POST":
            self.orders.append(f"flink disposes of {body['savepoint-path']}")
            return 202, {"request-id": "1"}
        return 200, {"status": {"id": "COMPLETED"}, "operation": {}}

    def _checkpoints(self, job: dict[str, Any]) -> dict[str, Any]:
        job["completed"] += 1
        job["cached"] = job.get("cached", 0) - 1
        counts = {"restored": 1, "total": 9, "in_progress": 0, "completed": job["completed"], "failed": 0}
        restored, completed = None, job.get("newest")
        if job["restored"] and job["cached"] < 0:
            number = self.places.get(job["restored"], 7) if self.shows_checkpoints else 7
            restored = {"id": number, "restore_timestamp": 1, "is_savepoint": True, "external_path": job["restored"]}
        if self.shows_checkpoints and self.newest is not None:
            completed = {"id": self.position, "status": "COMPLETED", "external_path": self.newest}
        latest = {"completed": completed, "savepoint": None, "failed": None, "restored": restored}
        return {"counts": counts, "latest": latest, "history": []}
