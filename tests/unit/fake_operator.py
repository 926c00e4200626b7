"""An API server with a Flink operator behind it, which goes one round at each poll of its resource.

The operator is the one of ``true_operator``, by the rules of `minor`; the Flink cluster is that of ``fake_flink``.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Any, Protocol
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from urllib3 import HTTPConnectionPool, HTTPResponse

from flinkops.plan.operator.merge_patch import merged
from flinkops.plan.operator.rules import Rules
from flinkops.plan.operator.spec import desired_state
from flinkops.sources.flink import http
from tests.served import served
from tests.unit.cr_samples import resource
from tests.unit.fake_flink import BAD_IMAGE, LOOPING_IMAGE, WRONG_STATE_IMAGE, Answer, Died, FakeFlink, refusal
from tests.unit.true_operator import TrueOperator
from tests.unit.true_upgrade_modes import copied

__all__ = ["BAD_IMAGE", "LOOPING_IMAGE", "WRONG_STATE_IMAGE", "Answer", "FakeOperator", "operating", "refusal"]

RESOURCES = "/apis/flink.apache.org/v1beta1/namespaces/default/flinkdeployments"
API = "/apis/flink.apache.org/v1beta1"
SNAPSHOTS = f"{API}/namespaces/default/flinkstatesnapshots"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
PROXY = "/api/v1/namespaces/default/services/count-rest:8081/proxy"


class FakeOperator(FakeFlink):
    """The cluster's state; `answer` is the API server."""

    def __init__(self, minor: int = 7) -> None:
        super().__init__()
        self.minor = minor  # of operator 1.x, whose rules it follows
        self.lock = threading.RLock()
        self.versions = 1000
        self.leases: dict[str, dict[str, Any]] = {}
        self.resource: dict[str, Any] | None = resource("1.7.0", 15)
        self.resource["metadata"]["uid"] = "uid-1"
        self.resource["spec"]["job"]["upgradeMode"] = "savepoint"
        self.cluster: dict[str, Any] | None = None  # what a session job runs on
        self.asleep = False  # the operator is down
        self.date: str | None = None  # the API server's clock, in its answers' head
        self.away = 0  # the API server answers nothing so often
        self.conflicts = 0  # answers 409 so often
        self.denied: str | None = None  # a path that answers 403
        self.snapshots: dict[str, dict[str, Any]] | None = None  # None: the operator has no such resource
        self.quotas: list[dict[str, Any]] = []
        self.drops: str | None = None  # a field of the job that the schema does not have
        self.deployed = self.resource["spec"]
        self._reconciled("DEPLOYED", "RUNNING", "STABLE")
        if self.ha_on(self.resource["spec"]):
            self.metadata = ""

    def rotates_job_ids(self) -> bool:
        return self.minor >= 10

    def crd(self) -> dict[str, Any]:
        """The schema of the custom resource, as far as it tells the version."""
        anything = {"x-kubernetes-preserve-unknown-fields": True}
        nonces = {"savepointRedeployNonce": 8, "autoscalerResetNonce": 11}
        job = {**anything, "properties": {name: {} for name, since in nonces.items() if self.minor >= since}}
        versions = sorted(Rules(self.minor).flink_versions)
        spec: dict[str, Any] = {"job": job, "flinkVersion": {"enum": versions}}
        spec["flinkConfiguration"] = anything if self.minor >= 13 else {"additionalProperties": True}
        if self.minor >= 16:
            spec["jobManager"] = {**anything, "properties": {"resources": anything}}
        job_status: dict[str, Any] = {"upgradeSavepointPath": {}} if self.minor >= 10 else {}
        status = {"properties": {"jobStatus": {"properties": job_status}}}
        schema = {"properties": {"spec": {**anything, "properties": spec}, "status": status}}
        return {"spec": {"versions": [{"served": True, "schema": {"openAPIV3Schema": schema}}]}}

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        url = urlsplit(target)
        query = parse_qs(url.query)
        with self.lock:
            if self.away:
                self.away -= 1
                return refusal(503, "the API server is starting")
            if url.path == self.denied:
                return refusal(403, "pods is forbidden")
            if url.path.startswith(PROXY):
                if "savepoint-disposal" in url.path:
                    return self._disposal(method, body)
                if method == "PATCH":
                    self.orders.append(f"{query['mode'][0]} {url.path.rpartition('/')[2][:4]}")
                return self._flink(url.path.removeprefix(PROXY))
            if url.path == API:
                names = ["flinkdeployments", *(["flinkstatesnapshots"] if self.snapshots is not None else [])]
                return 200, {"resources": [{"name": name} for name in names]}
            if url.path.startswith(SNAPSHOTS) and self.snapshots is not None:
                return self._snapshot(method, url.path.removeprefix(SNAPSHOTS).strip("/"), body)
            if url.path.startswith(LEASES):
                return self._lease(method, url.path, body)
            if url.path.startswith(RESOURCES):
                return self._custom(method, body, dry_run="dryRun" in query)
            if url.path.startswith("/api/v1/namespaces/default/"):
                lists = {"pods": self.running_pods(), "resourcequotas": self.quotas}
                return 200, {"items": lists.get(url.path.rpartition("/")[2], [])}
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
            return 200, copied(self.resource)
        if method == "DELETE":
            if body["preconditions"]["uid"] != found["metadata"]["uid"]:
                return refusal(409, "the UID is another one")
            self.orders.append("delete")
            self.delete(keep_metadata=False)
            self.resource = None
            return 200, {}
        assert method == "PATCH"
        if self.conflicts or body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            self.conflicts = max(0, self.conflicts - 1)
            return refusal(409, "the object has been modified")
        answer = copied(found)
        answer["spec"] = merged(found["spec"], body.get("spec") or {})
        for dropped in (self.drops, None if self.minor >= 8 else "savepointRedeployNonce"):
            answer["spec"]["job"].pop(dropped, None)
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

    def claim_done(self) -> None:
        """The operator's status says that the spec as it is now was deployed."""
        assert self.resource is not None
        suspended = desired_state(self.resource["spec"]) == "suspended"
        self._reconciled("DEPLOYED", "RUNNING", "SUSPENDED" if suspended else "STABLE")
        self.resource["status"]["observedGeneration"] = self.resource["metadata"]["generation"]
        self._touch()

    def _create(self, body: dict[str, Any]) -> Answer:
        if self.resource is not None:
            return refusal(409, "it exists already")
        self.dies = None
        self.orders.append(f"create from {body['spec']['job'].get('initialSavepointPath')}")
        self.resource = {**body, "status": {}}
        self.resource["metadata"] = {**body["metadata"], "uid": f"uid-{self.versions}", "generation": 1}
        self._touch()
        return 201, copied(self.resource)

    def _touch(self) -> None:
        assert self.resource is not None
        self.versions += 1
        self.resource["metadata"]["resourceVersion"] = str(self.versions)

    def _tick(self) -> None:
        """One round of the operator."""
        assert self.resource is not None
        if self.asleep or (self.dies in ("ended", "loops") and self.job is None):
            return
        operator = TrueOperator(Rules(self.minor), self, self.resource, self.cluster)
        self._observe(operator)
        try:
            operator.round()
        except Died:
            self._died(operator)
        last = operator.last
        if last is not None:
            operator.status["lifecycleState"] = self._lifecycle(operator, last)
        self._touch()

    def _observe(self, operator: TrueOperator) -> None:
        """What the operator sees of the cluster before it reconciles: nothing in an upgrade, but a cancelled job."""
        last, job_status = operator.last, operator.job_status
        if last is None or desired_state(last) == "suspended":
            return
        if self.cancelled:
            job_status.update(state="CANCELED", upgradeSavepointPath=self.newest)
        elif self.job is not None and operator.reconciliation.get("state") != "UPGRADING":
            self.progress()
            job_status.update(state="RUNNING", startTime=str(self.job["started_ms"]), jobId=self.job_id)
            operator.status["jobManagerDeploymentStatus"] = "READY"

    def _died(self, operator: TrueOperator) -> None:
        operator.status["jobManagerDeploymentStatus"] = "READY"  # as a crash loop is now and then
        if self.dies == "ended":
            operator.status["error"] = json.dumps({"message": "HA data is not available. Manual restore required."})

    def _lifecycle(self, operator: TrueOperator, last: dict[str, Any]) -> str:
        if operator.reconciliation.get("state") == "UPGRADING":
            return "UPGRADING"
        if desired_state(last) == "suspended":
            return "SUSPENDED"
        return "STABLE" if operator.job_status.get("state") == "RUNNING" else "DEPLOYED"

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

    # FlinkStateSnapshots

    def snapshot(self, name: str, path: str, *, dispose: bool = True, job: str = "count") -> None:
        """One that is complete."""
        self.snapshots = self.snapshots or {}
        self.snapshots[name] = {
            "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
            "spec": {
                "jobReference": {"kind": "FlinkDeployment", "name": job},
                "savepoint": {"path": "s3://bucket", "disposeOnDelete": dispose},
            },
            "status": {"state": "COMPLETED", "path": path, "resultTimestamp": "2026-01-01T00:00:00Z"},
        }

    def _snapshot(self, method: str, name: str, body: dict[str, Any]) -> Answer:
        assert self.snapshots is not None
        if not name:
            return 200, {"items": list(self.snapshots.values())}
        found = self.snapshots.get(name)
        if found is None:
            return refusal(404, "not found")
        if method == "DELETE":
            assert body["preconditions"]["uid"] == found["metadata"]["uid"]
            self.orders.append(f"delete snapshot {name}")
            if self.asleep:
                found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:01Z"
            else:
                del self.snapshots[name]
                if found["spec"]["savepoint"]["disposeOnDelete"]:
                    self.orders.append(f"operator disposes of {found['status']['path']}")
        return 200, found

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


class Answering(Protocol):
    """An API server."""

    @property
    def date(self) -> str | None:
        """Its clock, in the head of its answers."""

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        """Status and JSON."""


def _answered(
    fake: Answering, method: str, target: str, content_type: str | None, sent: bytes | None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of its answer, whichever way it is asked."""
    if method == "PATCH" and "/proxy/" not in target:
        assert content_type == "application/merge-patch+json"
    code, body = fake.answer(method, target, json.loads(sent or b"{}"))
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    return code, headers if fake.date is None else {**headers, "Date": fake.date}, content


@contextmanager
def operating(fake: Answering) -> Iterator[str]:
    """Its address, for clients of this process: they call it where others send bytes.

    Half of the time of these tests was HTTP, which tests of their own have (test_rest_faults.py, test_kube_source.py).
    """

    def urlopen(_pool: object, method: str, target: str, *, body: bytes | None, **request: Any) -> HTTPResponse:
        content_type = request["headers"].get("Content-Type")
        code, headers, content = _answered(fake, method, target, content_type, body)
        return HTTPResponse(BytesIO(content), headers, code, preload_content=False, decode_content=False)

    # What is escaped already is kept from urllib3 on the way to a connection: here there is none.
    with patch.object(HTTPConnectionPool, "urlopen", urlopen), patch.object(http, "short_target", str):
        yield "http://127.0.0.1:1"


@contextmanager
def served_operator(fake: Answering) -> Iterator[str]:
    """Its address, for other processes."""

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: small ones wait for each other's acknowledgement
        disable_nagle_algorithm = True

        def _any(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            content_type = self.headers.get("Content-Type")
            code, headers, content = _answered(fake, self.command, self.path, content_type, sent)
            self.send_response_only(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with served(Requests) as url:
        yield url
