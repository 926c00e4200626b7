"""A Flink REST API with jobs that live, stop with savepoints and start from them; what they hold tells lost state.

Each job counts records. A savepoint holds the count that its job had, and a job that starts from it goes on there: one
that runs with fewer records than the last savepoint has lost its state. Faults are set by the number of the request.
"""

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

NAME = "prices"
JOB_ID = "a" * 32
SAVEPOINTS = "s3://bucket/savepoints"
VERTEX = "f" * 32
ENDED = ("FINISHED", "CANCELED", "FAILED")
Answer = tuple[int, Any]


@dataclass
class Living:
    """One job. ``polls_to_run``: how often it is seen INITIALIZING before it runs."""

    id: str
    name: str = NAME
    state: str = "RUNNING"
    parallelism: int = 1
    records: int = 1_000
    completed: int = 3
    restored: str | None = None
    polls_to_run: int = 0
    started_ms: int = field(default_factory=lambda: round(time.time() * 1000) - 3_600_000)
    ended_ms: int = -1
    restarts: int = 0
    loops: bool = False
    savepoints: list[str] = field(default_factory=list)
    running_ms: int = 0
    failed_ms: list[int] = field(default_factory=list)
    triggered_ms: list[int] = field(default_factory=list)  # of the newest checkpoints


@dataclass
class Trigger:
    """A savepoint that is under way."""

    job_id: str
    location: str
    stops: bool
    polls_left: int = 1


@dataclass
class World:
    """Everything that lasts. A copy of it is another cluster in the same state."""

    jobs: dict[str, Living] = field(default_factory=lambda: {JOB_ID: Living(JOB_ID)})
    triggers: dict[str, Trigger] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)  # savepoint -> records in it
    disposals: dict[str, str] = field(default_factory=dict)
    slots: int = 4
    orders: list[str] = field(default_factory=list)
    savepoint_failure: str | None = None
    forgets_triggers: bool = False
    bad_jars: tuple[str, ...] = ("bad.jar",)
    looping_jars: tuple[str, ...] = ("loop.jar",)
    clock_ms: int = field(default_factory=lambda: round(time.time() * 1000))

    def live(self, name: str = NAME) -> list[Living]:
        """The jobs of that name that have not ended."""
        return [job for job in self.jobs.values() if job.name == name and job.state not in ENDED]

    @property
    def most_saved(self) -> int:
        """The records in the newest savepoint; 0 without one."""
        return max(self.held.values(), default=0)


Trap = Callable[[int, str, str], str | None]
"""Number of the request since it was set, method, path -> a fault: see `LivingFlink.serve`."""


class LivingFlink:
    """The server's side: `answer` is the REST API, `trap` what goes wrong with it."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.lock = threading.RLock()
        self.trap: Trap | None = None
        self.kill: Callable[[], None] = lambda: None
        self.count = 0
        self.seen: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def set_trap(self, trap: Trap | None) -> None:
        """Faults from now on; requests are counted anew."""
        with self.lock:
            self.trap, self.count, self.seen = trap, 0, []

    def fault(self, method: str, path: str) -> str | None:
        """What happens to this request, by the trap."""
        with self.lock:
            self.count += 1
            self.seen.append(f"{method} {path}")
            return self.trap(self.count, method, path) if self.trap else None

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        """Status and JSON."""
        url = urlsplit(target)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        with self.lock:
            self.world.clock_ms += 100
            if parts[0] == "jobs" and len(parts) > 1 and parts[1] != "overview":
                return self._job(method, parts[1], parts[2:], query, body)
            return self._cluster(method, parts, body)

    def _cluster(self, method: str, parts: list[str], body: dict[str, Any]) -> Answer:
        world = self.world
        if parts == ["overview"]:
            used = sum(job.parallelism for job in world.jobs.values() if job.state == "RUNNING")
            free = max(0, world.slots - used)
            return 200, {
                "flink-version": "2.3.0",
                "taskmanagers": 1,
                "slots-total": world.slots,
                "slots-available": free,
            }
        if parts == ["jobs", "overview"]:
            return 200, {"jobs": [self._row(job) for job in world.jobs.values()]}
        if parts == ["jobmanager", "config"]:
            settings = {
                "execution.checkpointing.savepoint-dir": SAVEPOINTS,
                "jobmanager.scheduler": "adaptive",
                "s3.secret-key": "planted-secret-of-the-cluster",
            }
            return 200, [{"key": key, "value": value} for key, value in settings.items()]
        if parts[0] == "jars":
            return self._jars(method, parts[1:], body)
        if parts[0] == "savepoint-disposal":
            if method == "POST":
                path = str(body["savepoint-path"])
                world.held.pop(path, None)
                world.orders.append(f"dispose {path}")
                world.disposals["d" * 32] = path
                return 200, {"request-id": "d" * 32}
            return 200, {"status": {"id": "COMPLETED"}, "operation": {}}
        if parts == ["taskmanagers"]:
            return 200, {"taskmanagers": []}
        return 404, {"errors": [f"Not found: {'/'.join(parts)}"]}

    def _row(self, job: Living) -> dict[str, Any]:
        return {
            "jid": job.id,
            "name": job.name,
            "state": job.state,
            "start-time": job.started_ms,
            "end-time": job.ended_ms,
            "duration": 1,
            "last-modification": job.started_ms,
            "tasks": {},
        }

    def _jars(self, method: str, parts: list[str], body: dict[str, Any]) -> Answer:
        names = ("old.jar", "new.jar", "bad.jar", "loop.jar")
        if not parts:
            return 200, {"files": [{"id": name, "name": name} for name in names]}
        jar, job_id = parts[0], str(body.get("jobId"))
        if method == "POST" and parts[1:] == ["plan"]:
            return 200, {"plan": {}}
        if method != "POST" or parts[1:] != ["run"]:
            return 404, {"errors": ["Not found"]}
        if job_id in self.world.jobs:
            return 409, {"errors": ["Job has already been submitted."]}
        if jar in self.world.bad_jars:
            return 400, {"errors": ["The main method caused an error: no class"]}
        savepoint = body.get("savepointPath")
        if savepoint is not None and savepoint not in self.world.held:
            return 400, {"errors": [f"Cannot find checkpoint or savepoint file/directory '{savepoint}'"]}
        self.world.jobs[job_id] = Living(
            job_id,
            state="INITIALIZING",
            parallelism=int(body.get("parallelism") or 1),
            records=self.world.held.get(str(savepoint), 0),
            completed=0,
            restored=savepoint,
            polls_to_run=2,
            started_ms=self.world.clock_ms,
            loops=jar in self.world.looping_jars,
        )
        self.world.orders.append(f"run {jar} from {savepoint}")
        return 200, {"jobid": job_id}

    def _job(self, method: str, job_id: str, rest: list[str], query: dict[str, str], body: dict[str, Any]) -> Answer:
        job = self.world.jobs.get(job_id)
        if job is None:
            return 404, {"errors": [f"Job {job_id} not found"]}
        if not rest:
            if method == "PATCH":
                self._end(job, "CANCELED")
                return 202, {}
            self._live(job)
            return 200, self._detail(job)
        about = rest[0]
        if about in ("stop", "savepoints"):
            return self._savepoint(method, job, rest, body)
        if about == "resource-requirements":
            return self._requirements(method, job, body)
        if about == "checkpoints":
            return 200, self._checkpoint_config() if rest[1:] == ["config"] else self._checkpoints(job)
        if about == "exceptions":
            entries = [
                {
                    "exceptionName": "java.lang.Error",
                    "stacktrace": "java.lang.Error: it does not work",
                    "timestamp": at_ms,
                }
                for at_ms in reversed(job.failed_ms)
            ]
            return 200, {"exceptionHistory": {"entries": entries, "truncated": False}}
        if about == "metrics":
            values = {"numRestarts": str(job.restarts), "numRescales": "0"}
            wanted = query.get("get", "").split(",")
            return 200, [{"id": name, "value": values[name]} for name in wanted if name in values]
        if about == "vertices" and rest[2:] == ["subtasks", "metrics"]:
            return 200, self._metrics(job, query)
        return 404, {"errors": [f"Not found: {'/'.join(rest)}"]}

    def _live(self, job: Living) -> None:
        if job.state == "INITIALIZING":
            job.polls_to_run -= 1
            if job.polls_to_run <= 0:
                job.state, job.running_ms = "RUNNING", self.world.clock_ms
        elif job.state == "RUNNING":
            job.records += 0 if job.loops else 10
            job.completed += 0 if job.loops else 1
            if job.loops:
                job.restarts += 1
                job.failed_ms = [*job.failed_ms[-3:], self.world.clock_ms]
                job.running_ms = self.world.clock_ms + 1
            job.triggered_ms = job.triggered_ms[-6:] + ([] if job.loops else [self.world.clock_ms])

    def _end(self, job: Living, state: str) -> None:
        if job.state not in ENDED:
            job.state, job.ended_ms = state, self.world.clock_ms
            self.world.orders.append(f"{state} {job.id[:4]}")

    def _detail(self, job: Living) -> dict[str, Any]:
        vertex = {
            "id": VERTEX,
            "name": "Source: prices",
            "parallelism": job.parallelism,
            "maxParallelism": 128,
            "status": "RUNNING" if job.state == "RUNNING" else job.state,
            "start-time": job.started_ms,
            "metrics": {"read-records": job.records, "write-records": job.records},
        }
        return {
            **{key: value for key, value in self._row(job).items() if key != "tasks"},
            "now": self.world.clock_ms,
            "schedulerType": "Adaptive",
            "timestamps": {"RUNNING": job.running_ms or job.started_ms + 500},
            "vertices": [vertex],
            "plan": {"nodes": [{"id": VERTEX, "inputs": []}]},
        }

    def _savepoint(self, method: str, job: Living, rest: list[str], body: dict[str, Any]) -> Answer:
        world = self.world
        if method == "POST":
            trigger_id = str(body.get("triggerId"))
            if trigger_id in world.triggers:
                return 202, {"request-id": trigger_id}
            if job.state != "RUNNING":
                return 409, {"errors": ["Checkpoint triggering task is not RUNNING"]}
            stops = rest[0] == "stop"
            directory = body.get("targetDirectory") or body.get("target-directory") or SAVEPOINTS
            location = f"{directory}/savepoint-{len(world.triggers) + 1}"
            world.triggers[trigger_id] = Trigger(job.id, location, stops)
            world.orders.append("stop" if stops else "savepoint")
            return 202, {"request-id": trigger_id}
        trigger = world.triggers.get(rest[-1])
        if trigger is None or world.forgets_triggers:
            return 404, {"errors": ["There is no savepoint operation with triggerId"]}
        if trigger.polls_left > 0:
            trigger.polls_left -= 1
            return 200, {"status": {"id": "IN_PROGRESS"}}
        if world.savepoint_failure is not None:
            cause = {"class": "java.io.IOException", "stack-trace": world.savepoint_failure}
            return 200, {"status": {"id": "COMPLETED"}, "operation": {"failure-cause": cause}}
        if trigger.location not in world.held:
            world.held[trigger.location] = job.records
            job.savepoints.append(trigger.location)
            if trigger.stops:
                self._end(job, "FINISHED")
        return 200, {"status": {"id": "COMPLETED"}, "operation": {"location": trigger.location}}

    def _requirements(self, method: str, job: Living, body: dict[str, Any]) -> Answer:
        if method == "PUT":
            wanted = int(body[VERTEX]["parallelism"]["upperBound"])
            if wanted != job.parallelism:
                self.world.orders.append(f"require {wanted}")
            job.parallelism = min(wanted, self.world.slots)
            return 200, {}
        return 200, {VERTEX: {"parallelism": {"lowerBound": 1, "upperBound": job.parallelism}}}

    def _checkpoint_config(self) -> dict[str, Any]:
        return {"mode": "exactly_once", "interval": 1_000, "timeout": 600_000, "min_pause": 0}

    def _checkpoints(self, job: Living) -> dict[str, Any]:
        saved = [
            {
                "id": 100 + number,
                "status": "COMPLETED",
                "is_savepoint": True,
                "trigger_timestamp": self.world.clock_ms,
                "latest_ack_timestamp": self.world.clock_ms,
                "state_size": 10,
                "external_path": path,
            }
            for number, path in enumerate(job.savepoints)
            if path in self.world.held
        ]
        newest = {
            "id": job.completed,
            "status": "COMPLETED",
            "trigger_timestamp": self.world.clock_ms,
            "latest_ack_timestamp": self.world.clock_ms,
            "state_size": 10,
            "end_to_end_duration": 5,
            "external_path": f"s3://bucket/checkpoints/{job.id}/chk-{job.completed}",
        }
        regular = [
            {**newest, "id": job.completed - number, "trigger_timestamp": at_ms, "latest_ack_timestamp": at_ms + 5}
            for number, at_ms in enumerate(reversed(job.triggered_ms))
        ]
        restored = job.restored and {
            "id": 7,
            "restore_timestamp": job.started_ms,
            "is_savepoint": True,
            "external_path": job.restored,
        }
        counts = {"restored": 1, "total": job.completed, "in_progress": 0, "completed": job.completed, "failed": 0}
        latest = {
            "completed": newest if job.completed else None,
            "savepoint": saved[-1] if saved else None,
            "failed": None,
            "restored": restored or None,
        }
        return {"counts": counts, "latest": latest, "history": [*regular, *reversed(saved)]}

    def _metrics(self, job: Living, query: dict[str, str]) -> list[dict[str, Any]]:
        busy = 990.0
        values = {
            "Source__prices.numRecordsIn": job.records,
            "Source__prices.pendingRecords": 40,
            "numRecordsInPerSecond": 1_000.0,
            "numRecordsOutPerSecond": 1_000.0,
            "busyTimeMsPerSecond": busy,
            "backPressuredTimeMsPerSecond": 0.0,
            "idleTimeMsPerSecond": 1_000.0 - busy,
        }
        if "get" not in query:
            return [{"id": name} for name in values]
        names = query["get"].split(",")
        if not all(name in values for name in names):
            return []
        return [{"id": n, "min": values[n], "max": values[n], "avg": values[n], "sum": values[n]} for n in names]


def copy_of(world: World) -> World:
    """Another cluster in the same state."""
    return copy.deepcopy(world)


def restarted(world: World) -> None:
    """With high availability: jobs keep ids and state; triggers, statistics and ended jobs are forgotten."""
    world.triggers = {key: one for key, one in world.triggers.items() if one.polls_left < 0}
    world.jobs = {key: job for key, job in world.jobs.items() if job.state not in ENDED}
    for job in world.jobs.values():
        job.completed, job.savepoints, job.triggered_ms = 0, [], []
