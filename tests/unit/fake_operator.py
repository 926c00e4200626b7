"""An API server with a Flink operator behind it, as a state machine that moves one step at each look at the resource.

It does what operator 1.7.0 was seen to do with one FlinkDeployment: stop with a savepoint, deploy, recreate.
"""

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flinkops.plan.operator.steps import merged
from tests.unit.cr_samples import resource

RESOURCES = "/apis/flink.apache.org/v1beta1/namespaces/default/flinkdeployments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
PROXY = "/api/v1/namespaces/default/services/count-rest:8081/proxy"
BAD_IMAGE, LOOPING_IMAGE, WRONG_STATE_IMAGE = "nowhere:1", "loop:1", "forgets:1"
Answer = tuple[int, Any]


def refusal(code: int, message: str) -> Answer:
    return code, {"kind": "Status", "code": code, "message": message}


class FakeOperator:
    """The cluster's state; `answer` is the API server."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.versions = 1000
        self.started_ms = 1_000_000
        self.savepoints = 0
        self.leases: dict[str, dict[str, Any]] = {}
        self.orders: list[str] = []  # what changed something
        self.job: dict[str, Any] | None = {"restored": None, "started_ms": self.started_ms, "completed": 0, "looks": 0}
        self.pods: list[dict[str, Any]] = []
        self.resource: dict[str, Any] | None = resource("1.7.0", 15)
        self.resource["metadata"]["uid"] = "uid-1"
        self.resource["spec"]["job"]["upgradeMode"] = "savepoint"
        self.asleep = False  # the operator is down
        self.date: str | None = None  # the API server's clock, in its answers' head
        self.away = 0  # the API server answers nothing so often
        self.savepoint_error: str | None = None
        self.dies: str | None = (
            None  # the JobManager, at the stop: "forgets" its job's state; "ended" or "loops": no job
        )
        self.lost_states: list[str] = []  # a start from these crash-loops
        self.conflicts = 0  # answers 409 so often
        self.cached_answers = 0  # so many about a new job's checkpoints are of before it was restored
        self.drops: str | None = None  # a field of the job that the schema does not have
        self.schema_redeploys = False
        self.job_id = "a" * 32
        self._reconciled("DEPLOYED", "RUNNING", "STABLE")

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        url = urlsplit(target)
        query = parse_qs(url.query)
        with self.lock:
            if self.away:
                self.away -= 1
                return refusal(503, "the API server is starting")
            if url.path.startswith(PROXY):
                if method == "PATCH":
                    self.orders.append(f"{query['mode'][0]} {url.path.rpartition('/')[2][:4]}")
                return self._flink(url.path.removeprefix(PROXY))
            if url.path.startswith(LEASES):
                return self._lease(method, url.path, body)
            if url.path.startswith(RESOURCES):
                return self._custom(method, body, dry_run="dryRun" in query)
            if url.path == "/api/v1/namespaces/default/pods":
                return 200, {"items": self.pods}
            if url.path.startswith("/api/v1/namespaces/default/"):
                return 200, {"items": []}
            return refusal(404, f"no {url.path}")

    # the resource

    def _custom(self, method: str, body: dict[str, Any], *, dry_run: bool) -> Answer:
        found = self.resource
        if method == "POST":
            return self._create(body)
        if found is None:
            return refusal(404, "not found")
        if method == "GET":
            self._tick()
            return 200, copy.deepcopy(self.resource)
        if method == "DELETE":
            if body["preconditions"]["uid"] != found["metadata"]["uid"]:
                return refusal(409, "the UID is another one")
            self.orders.append("delete")
            self.resource, self.job, self.pods = None, None, []
            return 200, {}
        assert method == "PATCH"
        if self.conflicts or body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            self.conflicts = max(0, self.conflicts - 1)
            return refusal(409, "the object has been modified")
        answer = copy.deepcopy(found)
        answer["spec"] = merged(found["spec"], body.get("spec") or {})
        if self.drops is not None:
            answer["spec"]["job"].pop(self.drops, None)
        if not dry_run:
            self.orders.append(f"patch {json.dumps(body['spec'], sort_keys=True)}")
            self.edit(answer["spec"])
        return 200, answer

    def edit(self, spec: dict[str, Any]) -> None:
        """Somebody writes this spec."""
        assert self.resource is not None
        self.resource["spec"] = spec
        self.resource["metadata"]["generation"] += 1
        self._touch()

    def _create(self, body: dict[str, Any]) -> Answer:
        if self.resource is not None:
            return refusal(409, "it exists already")
        self.dies = None
        self.orders.append(f"create from {body['spec']['job'].get('initialSavepointPath')}")
        self.resource = {**body, "status": {}}
        self.resource["metadata"] = {**body["metadata"], "uid": f"uid-{self.versions}", "generation": 1}
        self._touch()
        return 201, copy.deepcopy(self.resource)

    def _touch(self) -> None:
        assert self.resource is not None
        self.versions += 1
        self.resource["metadata"]["resourceVersion"] = str(self.versions)

    def _tick(self) -> None:
        """One step of the operator."""
        assert self.resource is not None
        if self.asleep or (self.dies in ("ended", "loops") and self.job is None):
            return
        status, spec = self.resource["status"], self.resource["spec"]
        reconciliation = status.get("reconciliationStatus") or {}
        suspended = spec["job"].get("state") == "suspended"
        last = json.loads(reconciliation.get("lastReconciledSpec") or "{}")
        seen = last.get("resource_metadata", {}).get("metadata", {}).get("generation")
        if (
            reconciliation.get("state") == "UPGRADING"
            or not last
            or (
                seen != self.resource["metadata"]["generation"] and self.job is None and not suspended and not self.pods
            )
        ):
            self._deploy(spec)
        elif seen == self.resource["metadata"]["generation"]:
            if self.job is not None:
                status["jobStatus"]["state"], status["lifecycleState"] = "RUNNING", "STABLE"
        else:
            if spec["job"].get("savepointRedeployNonce") != last["spec"]["job"].get("savepointRedeployNonce"):
                status["jobStatus"]["savepointInfo"].pop("lastSavepoint", None)
                self._deploy(spec)
            elif suspended and self.job is None:
                pass  # as the real one: nothing is written down until the job is resumed
            elif _same(last["spec"], spec):
                self._reconciled("DEPLOYED", "RUNNING", "STABLE")
            else:
                self._stop(status, spec)
        self._touch()

    def _stop(self, status: dict[str, Any], spec: dict[str, Any]) -> None:
        if self.savepoint_error is not None:
            status["error"] = json.dumps({"message": self.savepoint_error})
            return
        if self.dies is not None:
            self._die(status)
            return
        self.savepoints += 1
        path = f"s3://bucket/savepoint-{self.savepoints}"
        info = status["jobStatus"].setdefault("savepointInfo", {})
        info["lastSavepoint"] = {"location": path, "timeStamp": 5000 + self.savepoints, "triggerType": "UPGRADE"}
        self.orders.append("stopped")
        self.job = None
        if spec["job"].get("state") == "suspended":
            self._reconciled("DEPLOYED", "FINISHED", "SUSPENDED")
        else:
            self.resource["status"]["reconciliationStatus"]["state"] = "UPGRADING"  # type: ignore[index]

    def _die(self, status: dict[str, Any]) -> None:
        if self.dies != "forgets":
            status["jobManagerDeploymentStatus"] = "READY"  # as a crash loop is now and then
            self.job = None
            if self.dies == "ended":
                status["error"] = json.dumps({"message": "HA data is not available. Manual restore required."})
                return
            self._loop()
            return
        self.dies = None
        self.started_ms += 1
        self.job = {"restored": None, "started_ms": self.started_ms, "completed": 0, "looks": 0}

    def _loop(self) -> None:
        waiting = {"reason": "CrashLoopBackOff", "message": "back-off restarting"}
        found = {"containerStatuses": [{"state": {"waiting": waiting}, "restartCount": 5}]}
        self.pods = [{"metadata": {"name": "count-1"}, "status": found}]

    def _deploy(self, spec: dict[str, Any]) -> None:
        status = self.resource["status"]  # type: ignore[index]
        recorded = (status.get("jobStatus") or {}).get("savepointInfo", {}).get("lastSavepoint", {}).get("location")
        restored = recorded or spec["job"].get("initialSavepointPath")
        self._reconciled("DEPLOYED", "RECONCILING", "DEPLOYED")
        self.pods = []
        if spec["image"] == BAD_IMAGE:
            waiting = {"reason": "ErrImagePull", "message": f"{BAD_IMAGE} is not to be had"}
            self.pods = [
                {"metadata": {"name": "count-1"}, "status": {"containerStatuses": [{"state": {"waiting": waiting}}]}}
            ]
            return
        if restored in self.lost_states:
            self._loop()
            return
        self.orders.append(f"deployed {spec['image']} from {restored}")
        self.started_ms += 1000
        if spec["image"] == WRONG_STATE_IMAGE:
            restored = "s3://bucket/another"
        self.job = {
            "restored": restored,
            "started_ms": self.started_ms,
            "completed": 0,
            "looks": 0,
            "loops": spec["image"] == LOOPING_IMAGE,
            "cached": self.cached_answers,
        }

    def _reconciled(self, state: str, job_state: str, lifecycle: str) -> None:
        assert self.resource is not None
        status, metadata = self.resource.setdefault("status", {}), self.resource["metadata"]
        last = {
            "spec": self.resource["spec"],
            "resource_metadata": {"metadata": {"generation": metadata["generation"]}},
        }
        status["reconciliationStatus"] = {"state": state, "lastReconciledSpec": json.dumps(last)}
        status.setdefault("jobStatus", {}).update(state=job_state, jobId=self.job_id)
        status["lifecycleState"] = lifecycle
        status.pop("error", None)

    # the Lease

    def _lease(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        name = path.removeprefix(LEASES).strip("/") or body["metadata"]["name"]
        found = self.leases.get(name)
        if method == "POST" and found is not None:
            return refusal(409, "it exists already")
        if method != "POST" and found is None:
            return refusal(404, "not found")
        if method == "GET":
            return 200, found
        if method == "DELETE":
            del self.leases[name]
            return 200, {}
        if found is not None and body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            return refusal(409, "the object has been modified")
        self.versions += 1
        self.leases[name] = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.versions)}}
        return 200, self.leases[name]

    # Flink

    def _flink(self, path: str) -> Answer:
        if self.job is None:
            return refusal(503, 'no endpoints available for service "count-rest"')
        job, job_id = self.job, self.job_id
        job["looks"] += 1
        if path == "/jobs/overview":
            row = {"jid": job_id, "name": "a job", "state": "RUNNING", "start-time": job["started_ms"]}
            return 200, {"jobs": [{**row, "end-time": -1, "duration": 1, "last-modification": 1, "tasks": {}}]}
        if path == f"/jobs/{job_id}":
            vertex = {"id": "v", "name": "all", "parallelism": 1, "maxParallelism": 128, "status": "RUNNING"}
            about = {"jid": job_id, "name": "a job", "state": "RUNNING", "start-time": job["started_ms"]}
            return 200, {**about, "end-time": -1, "vertices": [vertex], "plan": {"nodes": [{"id": "v", "inputs": []}]}}
        if path == f"/jobs/{job_id}/checkpoints":
            return 200, _checkpoints(job)
        if path == f"/jobs/{job_id}/checkpoints/config":
            return 200, {"mode": "exactly_once", "interval": 5, "timeout": 600_000}
        if path.startswith(f"/jobs/{job_id}/metrics"):
            restarts = job["looks"] if job.get("loops") else 0
            return 200, [{"id": "numRestarts", "value": str(restarts)}]
        if path.endswith("/metrics") or path == "/jobmanager/config":
            return 200, []
        return 404, {"errors": [f"no {path}"]}


def _checkpoints(job: dict[str, Any]) -> dict[str, Any]:
    job["completed"] += 1
    job["cached"] = job.get("cached", 0) - 1
    counts = {"restored": 1, "total": 9, "in_progress": 0, "completed": job["completed"], "failed": 0}
    restored = (
        job["restored"]
        and job["cached"] < 0
        and {
            "id": 7,
            "restore_timestamp": 1,
            "is_savepoint": True,
            "external_path": job["restored"],
        }
    )
    latest = {"completed": job.get("newest"), "savepoint": None, "failed": None, "restored": restored or None}
    return {"counts": counts, "latest": latest, "history": []}


def _same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


@contextmanager
def operating(fake: FakeOperator) -> Iterator[str]:
    """Its address."""

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: small ones wait for each other's acknowledgement
        disable_nagle_algorithm = True

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length) or b"{}")
            if self.command == "PATCH" and "/proxy/" not in self.path:
                assert self.headers["Content-Type"] == "application/merge-patch+json"
            code, body = fake.answer(self.command, self.path, sent)
            content = json.dumps(body).encode()
            self.send_response_only(code)
            self.send_header("Content-Type", "application/json")
            if fake.date is not None:
                self.send_header("Date", fake.date)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
