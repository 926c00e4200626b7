"""An API server with a FlinkBlueGreenDeployment and its operator, which goes one round at each poll of a resource.

Written after ``BlueGreenDeploymentService`` and the state handlers of operator 1.15, apart from the prediction. Each
child is a :class:`~tests.unit.fake_operator.FakeOperator` of its own. The operator's time is virtual: a round takes
half a second.
"""

import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flinkops.plan.operator.configuration import duration_seconds
from flinkops.plan.operator.merge_patch import merged
from flinkops.plan.operator.rules import Rules
from flinkops.plan.operator.spec import Change, compared, desired_state
from tests.unit.cr_samples import case
from tests.unit.fake_flink import Answer, refusal
from tests.unit.fake_operator import FakeOperator
from tests.unit.true_upgrade_modes import copied

BASE = "/apis/flink.apache.org/v1beta1/namespaces/default"
CORE = "/api/v1/namespaces/default"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
OTHER = {"BLUE": "GREEN", "GREEN": "BLUE"}
_ROUND_MS = 500
_PREFIX = "kubernetes.operator.bluegreen."


class FakePair(FakeOperator):
    """The pair is called `bg`, as the recorded one; blue is active to begin with."""

    def __init__(self, **configuration: str) -> None:
        super().__init__(15)
        self.now_ms = int(time.time() * 1000)
        self.children: dict[str, FakeOperator] = {}
        self.triggers: dict[str, str] = {}  # of savepoints: their paths
        self.rounds_of_savepoint = 1
        self.refuses_savepoints = False  # one that was triggered fails
        self.children_asleep = False  # their operator is slow
        found: dict[str, Any] = case("bluegreen")
        found["spec"]["configuration"] = configuration
        found["metadata"]["uid"] = "uid-bg"
        self.resource = found
        self.status: dict[str, Any] = {"blueGreenState": "ACTIVE_BLUE", "jobStatus": {"state": "RUNNING"}}
        found["status"] = self.status
        self._write_last()
        self._create_or_replace("BLUE", None, first=True)
        for _ in range(3):
            self.children["bg-blue"]._tick()

    # --- what tests ask ---

    @property
    def state(self) -> str:
        return str(self.status["blueGreenState"])

    def template(self) -> dict[str, Any]:
        assert self.resource is not None
        found: dict[str, Any] = self.resource["spec"]["template"]["spec"]
        return found

    def settings(self) -> dict[str, Any]:
        assert self.resource is not None
        found: dict[str, Any] = self.resource["spec"].get("configuration") or {}
        return found

    def all_orders(self) -> list[str]:
        return [f"{name}: {order}" for name, child in self.children.items() for order in child.orders]

    # --- the API server ---

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        url = urlsplit(target)
        query, path = parse_qs(url.query), url.path
        with self.lock:
            if self.away:
                self.away -= 1
                return refusal(503, "the API server is starting")
            if path.startswith(CRD):
                return 200, self.crd()
            if path.startswith(f"{BASE}/flinkbluegreendeployments/bg"):
                return self._pair(method, body, dry_run="dryRun" in query)
            if path.startswith(f"{BASE}/flinkdeployments/"):
                return self._child(method, path.rpartition("/")[2], body)
            if path.startswith(f"{CORE}/services/"):
                service, _, rest = path.removeprefix(f"{CORE}/services/").partition(":8081/proxy")
                child = self.children.get(service.removesuffix("-rest"))
                return refusal(503, f"no endpoints for {service}") if child is None else child._flink(rest)
            if path.startswith("/apis/coordination.k8s.io/"):
                return self._lease(method, path, body)
            if path == f"{CORE}/pods":
                wanted = query.get("labelSelector", ["app="])[0].partition("app=")[2]
                found = self.children.get(wanted)
                return 200, {"items": [] if found is None else found.running_pods()}
            if path.startswith(f"{CORE}/"):
                return 200, {"items": []}
            return refusal(404, f"no {path}")

    def _pair(self, method: str, body: dict[str, Any], *, dry_run: bool) -> Answer:
        assert self.resource is not None
        if method == "GET":
            self._round()
            return 200, copied(self.resource)
        assert method == "PATCH"
        if self.conflicts or body["metadata"]["resourceVersion"] != self.resource["metadata"]["resourceVersion"]:
            self.conflicts = max(0, self.conflicts - 1)
            return refusal(409, "the object has been modified")
        answer = copied(self.resource)
        answer["spec"] = merged(self.resource["spec"], body.get("spec") or {})
        if not dry_run:
            self.orders.append(f"patch {json.dumps(body['spec'], sort_keys=True)}")
            self.edit(answer["spec"])
        return 200, answer

    def _child(self, method: str, name: str, body: dict[str, Any]) -> Answer:
        if method == "GET":
            self._round()
        child = self.children.get(name)
        if child is None or child.resource is None:
            return refusal(404, "not found")
        if method == "GET":
            return 200, copied(child.resource)
        assert method == "DELETE"
        if body["preconditions"]["uid"] != child.resource["metadata"]["uid"]:
            return refusal(409, "the UID is another one")
        self.orders.append(f"delete {name}")
        del self.children[name]
        return 200, {}

    # --- the operator ---

    def _round(self) -> None:
        self.now_ms += _ROUND_MS
        if not self.asleep:
            self._reconcile()
            self._touch()
        if not self.children_asleep:
            for child in self.children.values():
                child._tick()

    def _reconcile(self) -> None:
        kind, _, colour = self.state.rpartition("_")
        if kind == "ACTIVE":
            self._active(colour)
        elif kind == "SAVEPOINTING":
            self.rounds_of_savepoint -= 1
            if self.rounds_of_savepoint <= 0:
                self.status["blueGreenState"] = f"ACTIVE_{colour}"
        else:
            self._transitioning(OTHER[colour], colour)

    def _active(self, colour: str) -> None:
        """``checkAndInitiateDeployment``."""
        change, child = self._diff(), self.children.get(f"bg-{colour.lower()}")
        if change in ("IGNORE", "SUSPEND", "RESUME"):
            return
        if child is None or not self._ready(child):
            if self.status["jobStatus"]["state"] != "FAILING":
                self._write_last()
                self._fail(f"Transition to {OTHER[colour]} not possible, bg-{colour.lower()} is not READY")
            return
        if change != "TRANSITION":
            self._write_last()
            self._patch_child(colour)
            return
        stateless = self.template()["job"].get("upgradeMode", "stateless") == "stateless"
        if not stateless and not self.status.get("savepointTriggerId"):
            trigger = f"trigger-{len(self.triggers)}"
            path = self.triggers[trigger] = f"s3://bucket/bg-{len(self.triggers)}"
            child._keep(path)
            self.status["savepointTriggerId"] = trigger
            self.status["blueGreenState"] = f"SAVEPOINTING_{colour}"
            return
        self._write_last()
        if not stateless and self.refuses_savepoints:
            self.status["savepointTriggerId"] = None
            self._fail("Could not start Transition. Details: Could not fetch savepoint")
            return
        taken: str | None = None if stateless else self.triggers[self.status["savepointTriggerId"]]
        self._create_or_replace(OTHER[colour], taken or self.template()["job"].get("initialSavepointPath"))
        self._begun(f"TRANSITIONING_TO_{OTHER[colour]}")

    def _transitioning(self, old: str, new: str) -> None:
        """``monitorTransition``."""
        change = self._diff()
        if change not in ("IGNORE", "SUSPEND"):
            self._write_last()
            self._patch_child(new)
            return
        child, name = self.children[f"bg-{new.lower()}"], f"bg-{old.lower()}"
        assert child.resource is not None
        suspended = desired_state(child.resource["spec"]) == "suspended"
        if suspended and child.resource["status"].get("lifecycleState") == "SUSPENDED":
            self._finalize(new, "SUSPENDED")
        elif not suspended and self._ready(child):
            self._delete_or_finalize(name, new)
        elif self._time("abortTimestamp") < self.now_ms:
            child.edit(merged(child.resource["spec"], {"job": {"state": "suspended"}}))
            self.status["blueGreenState"] = f"ACTIVE_{old}"
            self.status["savepointTriggerId"] = None
            self._fail(f"Aborting deployment 'bg-{new.lower()}', rolling B/G deployment back to ACTIVE_{old}")

    def _delete_or_finalize(self, old: str, new: str) -> None:
        """``shouldWeDelete``."""
        if old not in self.children:
            self._finalize(new, "RUNNING")
        elif not self._time("deploymentReadyTimestamp"):
            self.status["deploymentReadyTimestamp"] = self._instant(self.now_ms)
        elif self._time("deploymentReadyTimestamp") + self._setting("deployment-deletion.delay", 0.0) < self.now_ms:
            self.orders.append(f"deleted {old}")
            del self.children[old]

    def _finalize(self, colour: str, job_state: str) -> None:
        self.status.update(blueGreenState=f"ACTIVE_{colour}", savepointTriggerId=None, error=None)
        self.status.update(deploymentReadyTimestamp=self._instant(0), abortTimestamp=self._instant(0))
        self.status["jobStatus"]["state"] = job_state

    def _patch_child(self, colour: str) -> None:
        """``patchFlinkDeployment``, which keeps the savepoint that the child was started from."""
        child = self.children[f"bg-{colour.lower()}"]
        assert child.resource is not None
        self._create_or_replace(colour, child.resource["spec"]["job"].get("initialSavepointPath"))
        self._begun(f"TRANSITIONING_TO_{colour}")

    def _create_or_replace(self, colour: str, path: str | None, *, first: bool = False) -> None:
        name, spec = f"bg-{colour.lower()}", copied(self.template())
        if path is not None:
            spec["job"]["initialSavepointPath"] = path.replace("file:", "")
        if (child := self.children.get(name)) is not None:
            child.edit(spec)
            return
        child = self.children[name] = FakeOperator(15)
        child.job, child.orders, child.job_ids = None, [], 16 * self.versions
        child.places = self.places
        self.versions += 1
        metadata = {"name": name, "namespace": "default", "uid": f"uid-{self.versions}", "generation": 1}
        child.resource = {"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "metadata": metadata}
        child.resource |= {"spec": spec, "status": {}}
        child.metadata = None
        child._touch()

    def _begun(self, state: str) -> None:
        grace_ms = self._setting("abort.grace-period", 600.0)
        self.status.update(blueGreenState=state, abortTimestamp=self._instant(int(self.now_ms + grace_ms)), error=None)
        self.status["jobStatus"]["state"] = "RECONCILING"

    def _fail(self, error: str) -> None:
        self.status["jobStatus"]["state"], self.status["error"] = "FAILING", error

    def _diff(self) -> str:
        """``FlinkBlueGreenDeploymentSpecDiff``."""
        before, after = json.loads(self.status["lastReconciledSpec"])["spec"]["template"]["spec"], self.template()
        was, wanted = desired_state(before), desired_state(after)
        if was != wanted:
            return "SUSPEND" if wanted == "suspended" else "RESUME"
        change = compared(before, after, Rules(15), native=True).change
        if change is Change.NONE:
            return "IGNORE"
        return "PATCH_CHILD" if change is Change.IGNORE else "TRANSITION"

    def _ready(self, child: FakeOperator) -> bool:
        assert child.resource is not None
        status = child.resource["status"]
        return status.get("lifecycleState") == "STABLE" and (status.get("jobStatus") or {}).get("state") == "RUNNING"

    def _write_last(self) -> None:
        assert self.resource is not None
        self.status["lastReconciledSpec"] = json.dumps({"spec": self.resource["spec"]})

    def _setting(self, key: str, default_seconds: float) -> float:
        """Milliseconds."""
        seconds = duration_seconds(self.settings().get(f"{_PREFIX}{key}") or "")
        return (default_seconds if seconds is None else seconds) * 1000

    def _time(self, name: str) -> int:
        found = self.status.get(name)
        return 0 if found is None else int(datetime.fromisoformat(found).timestamp() * 1000)

    @staticmethod
    def _instant(at_ms: int) -> str:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
