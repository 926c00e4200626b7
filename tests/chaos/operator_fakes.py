"""API servers with operators behind them whose requests go wrong: one job, busy, with snapshots, or three jobs."""

import copy
import signal
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flinkops.model.option_names import AUTOSCALER_ENABLED
from tests.unit.fake_flink import Answer
from tests.unit.fake_operator import PROXY, RESOURCES, FakeOperator, refusal
from tests.unit.test_autoscale_on_operator import ScalingOperator

NAME = "count"
SNAPSHOTS = tuple(f"s3://bucket/periodic-{number}" for number in range(3))
WAVE = ("count", "second", "third")
"""The jobs of a wave."""
_CRD = "/customresourcedefinitions/flinkdeployments.flink.apache.org"
Trap = Callable[[int, str, str], str | None]
"""Number of the request since it was set, method, path -> a fault."""


class Trapped:
    """What goes wrong with the requests, by their number."""

    lock: Any

    def __init__(self) -> None:
        self.trap: Trap | None = None
        self.send: Callable[[int], None] = lambda _signal: None
        self.count = 0

    def trapped(self, method: str, target: str, answer: Callable[[], Answer]) -> Answer:
        """As the API server, unless the trap says else."""
        with self.lock:
            self.count += 1
            fault = self.trap(self.count, method, target) if self.trap else None
        if fault == "kill-before":
            self.send(signal.SIGKILL)
            return refusal(503, "nobody hears this")
        if fault is not None and fault.isdigit():
            return refusal(int(fault), f"refused by the test: {fault}")
        found = answer()
        if fault == "kill-after":
            self.send(signal.SIGKILL)
        elif fault is not None:
            self.send(signal.Signals[fault])
        return found


def one_job(fake: FakeOperator, method: str, target: str, body: dict[str, Any]) -> Answer:
    """What that fake leaves out: the schema and the list of resources."""
    path = urlsplit(target).path
    if path.endswith(_CRD):
        return 200, fake.crd()
    if method == "GET" and path == RESOURCES:
        with fake.lock:
            return 200, {"items": [] if fake.resource is None else [copy.deepcopy(fake.resource)]}
    if path.startswith(f"{PROXY}/jobs/{fake.job_id}/savepoints"):
        return _savepoint(fake, method, path, body)
    code, found = fake.answer(method, target, body)
    if code == 200 and path == f"{PROXY}/jobs/{fake.job_id}/checkpoints":
        found["history"] = [*found["history"], *_listed(fake)]
    return code, found


def _listed(fake: FakeOperator) -> list[dict[str, Any]]:
    """The savepoints of the job that runs, as Flink lists them."""
    paths = (fake.job or {}).get("triggers", {}).values()
    about = {"status": "COMPLETED", "is_savepoint": True, "trigger_timestamp": 1, "latest_ack_timestamp": 2}
    return [{"id": 100 + n, "external_path": path, "state_size": 10, **about} for n, path in enumerate(paths)]


def _savepoint(fake: FakeOperator, method: str, path: str, body: dict[str, Any]) -> Answer:
    """Flink's own savepoint: the same trigger twice is one."""
    with fake.lock:
        if fake.job is None:
            return refusal(503, 'no endpoints available for service "count-rest"')
        triggers = fake.job.setdefault("triggers", {})
        if method == "POST":
            trigger = str(body["triggerId"])
            if trigger not in triggers:
                fake.savepoints += 1
                triggers[trigger] = f"{body.get('target-directory') or 's3://bucket'}/savepoint-{fake.savepoints}"
                fake.places[triggers[trigger]] = fake.position
                fake.durable = max(fake.durable, fake.position)
                fake.orders.append("savepoint")
            return 202, {"request-id": trigger}
        location = triggers.get(path.rpartition("/")[2])
        if location is None:
            return 404, {"errors": ["There is no savepoint operation with triggerId"]}
        return 200, {"status": {"id": "COMPLETED"}, "operation": {"location": location}}


class TrappedOperator(Trapped):
    """One job."""

    def __init__(self, minor: int) -> None:
        super().__init__()
        self.jobs = {NAME: self.made(minor)}
        self.lock = self.jobs[NAME].lock
        self.leases = self.jobs[NAME].leases

    def made(self, minor: int) -> FakeOperator:
        """The job's operator."""
        return FakeOperator(minor)

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        """As the API server, unless the trap says else."""
        return self.trapped(method, target, lambda: one_job(self.jobs[NAME], method, target, body))

    date = None


class _Busy(ScalingOperator):
    """It has too much to do for one subtask."""

    def _flink(self, path: str) -> Answer:
        if path.endswith("/subtasks/metrics") and self.job is not None:
            return 200, self._busy()
        return super()._flink(path)

    def _busy(self) -> list[dict[str, Any]]:
        self.position += 1
        values = {
            "Source__all.numRecordsIn": 1_000 + 100 * self.position,
            "Source__all.pendingRecords": 40,
            "numRecordsInPerSecond": 1_000.0,
            "numRecordsOutPerSecond": 1_000.0,
            "busyTimeMsPerSecond": 990.0,
            "backPressuredTimeMsPerSecond": 0.0,
            "idleTimeMsPerSecond": 10.0,
        }
        return [{"id": n, "min": v, "max": v, "avg": v, "sum": v} for n, v in values.items()]


class TrappedScaling(TrappedOperator):
    """One job that needs a higher parallelism, under the adaptive scheduler."""

    def made(self, minor: int) -> FakeOperator:
        """One that is busy."""
        found = _Busy()
        found.minor = minor
        # Written down, as the operator's own defaults are not to be seen here.
        in_place = {"kubernetes.operator.job.upgrade.inplace-scaling.enabled": "true", AUTOSCALER_ENABLED: "false"}
        found.settings().update(in_place)
        found._reconciled("DEPLOYED", "RUNNING", "STABLE")
        return found


class TrappedSnapshots(TrappedOperator):
    """One job with three savepoints that a FlinkStateSnapshot names; the last one's files are not the operator's."""

    def made(self, minor: int) -> FakeOperator:
        """One that took savepoints."""
        found = FakeOperator(minor)
        for number, path in enumerate(SNAPSHOTS):
            found.snapshot(f"periodic-{number}", path, dispose=number != 0)
            assert found.snapshots is not None
            status = found.snapshots[f"periodic-{number}"]["status"]
            status["resultTimestamp"] = f"2026-01-0{number + 1}T00:00:00Z"
        return found


class TrappedWave(Trapped):
    """Three jobs of one team, each with an operator of its own behind one API server."""

    date = None

    def __init__(self, minor: int) -> None:
        super().__init__()
        self.lock = threading.RLock()
        self.jobs = {name: FakeOperator(minor) for name in WAVE}
        self.leases = self.jobs[NAME].leases
        for name, fake in self.jobs.items():
            fake.leases = self.leases
            assert fake.resource is not None
            fake.resource["metadata"] |= {"name": name, "uid": f"uid-{name}", "labels": {"team": "pricing"}}

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        """As the API server, unless the trap says else."""
        return self.trapped(method, target, lambda: self._routed(method, target, body))

    def _routed(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        url = urlsplit(target)
        if method == "GET" and url.path == RESOURCES:
            found = [one_job(fake, method, target, body)[1]["items"] for fake in self.jobs.values()]
            return 200, {"items": [one for items in found for one in items]}
        for name, fake in self.jobs.items():
            service = f"/services/{name}-rest:"
            about = url.path.startswith(f"{RESOURCES}/{name}") or service in url.path
            if about or f"app={name}" in str(parse_qs(url.query).get("labelSelector")):
                return one_job(fake, method, target.replace(service, f"/services/{NAME}-rest:"), body)
        with self.jobs[NAME].lock:
            return one_job(self.jobs[NAME], method, target, body)
