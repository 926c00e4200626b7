"""One action a job at a time across machines: a Kubernetes Lease, renewed while the action runs.

A Lease whose holder has not renewed it for its duration and a grace is stale: whoever finds it may take it over. How
old it is the API server's own clock says, where it does; else those of the two machines, which may differ. The same
plan may always take its own Lease again, so that resuming after a crash does not wait.
"""

import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flinkops.clock import Clock, iso_utc
from flinkops.errors import FlinkopsError, OperationFailed, Refused, Unreachable
from flinkops.model.json_reading import Json, section, text
from flinkops.model.plan import Plan
from flinkops.outside.shell import shell_command
from flinkops.sources.flink.http import NotFound
from flinkops.sources.kubernetes.resources import number, time_ms
from flinkops.sources.kubernetes.verbs import Conflict, KubeVerbs

DURATION_SECONDS = 60
CLOCK_GRACE_SECONDS = 15
_RENEW_SECONDS = 15.0
_MADE_BY = {"app.kubernetes.io/managed-by": "flinkops"}


class Lease:
    """The Lease of one job."""

    def __init__(self, verbs: KubeVerbs, namespace: str, kind: str, name: str, clock: Clock) -> None:
        self._verbs = verbs
        self._namespace = namespace
        self._name = f"flinkops-{kind.lower()}-{name}"[:253].rstrip("-.")
        self._clock = clock
        self._lost: str | None = None
        self._renewed = 0.0
        self._held = False

    def require(self) -> None:
        """Raises OperationFailed when somebody else has the Lease: nothing may be changed any more.

        Unreachable when it was not renewed for so long that somebody may have it: a renewal tells, once one succeeds.
        """
        if not self._held:
            raise OperationFailed(f"the lease {self._name} is not held")
        if self._lost is not None:
            raise OperationFailed(f"the lease {self._name} is lost: {self._lost}")
        if time.monotonic() - self._renewed > DURATION_SECONDS:
            raise Unreachable(f"the lease {self._name} could not be renewed for {DURATION_SECONDS} s")

    @contextmanager
    def held(self, plan: Plan) -> Iterator[None]:
        """Taken, renewed by a thread, given back. Raises Refused while somebody else has it."""
        self._take(plan)
        self._held, self._lost, self._renewed = True, None, time.monotonic()
        stopping = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=(stopping, plan), daemon=True, name="flinkops lease")
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
            self._held = False
            self._give_back(plan)

    def _take(self, plan: Plan) -> None:
        for _ in range(3):
            try:
                found = self._verbs.lease(self._namespace, self._name)
                if found is None:
                    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **self._body(plan, None)}
                    self._verbs.create_lease(self._namespace, body)
                else:
                    self._refuse_if_alive(found, plan)
                    self._verbs.replace_lease(self._namespace, self._name, self._body(plan, found))
                return
            except (Conflict, NotFound):
                continue
        raise Refused(f"somebody else is taking the lease {self._name} just now", next_step="try again in a minute")

    def _refuse_if_alive(self, found: Json, plan: Plan) -> None:
        spec = section(found, "spec")
        holder = text(spec, "holderIdentity")
        if holder is None or holder.partition(" ")[0] == plan.id:
            return
        duration = number(spec, "leaseDurationSeconds") or DURATION_SECONDS
        age = self._verbs.seconds_since_written(found)
        if age is None:
            age = self._by_own_clock(spec)
        if age is not None and age > duration + CLOCK_GRACE_SECONDS:
            return
        if age is None:
            command = shell_command("kubectl", "-n", self._namespace, "delete", "lease", self._name)
            seen, then = "at an unknown time", f"if it is gone: {command}"
        else:
            left = math.ceil(duration + CLOCK_GRACE_SECONDS - age)
            seen, then = f"{max(0.0, age):.0f} s ago", f"if it is gone, the job is free again in {left} s"
        raise Refused(
            f"another action on {self._namespace}/{plan.target.job_name} is under way: {holder}, renewed {seen}",
            next_step=then,
        )

    def _by_own_clock(self, spec: Json) -> float | None:
        """None when it was renewed in a time that is still to come: one of the clocks is wrong."""
        renewed_ms = time_ms(spec, "renewTime")
        age = None if renewed_ms is None else (self._clock.now_ms() - renewed_ms) / 1000
        return None if age is None or age < -CLOCK_GRACE_SECONDS else age

    def _body(self, plan: Plan, found: Json | None) -> dict[str, Any]:
        now = (iso_utc(self._clock.now_ms()) or "").replace("Z", "000Z")  # a MicroTime
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace, "labels": _MADE_BY}
        if found is not None:
            metadata["resourceVersion"] = text(section(found, "metadata"), "resourceVersion")
        return {
            "metadata": metadata,
            "spec": {
                "holderIdentity": f"{plan.id} on {socket.gethostname()}",
                "leaseDurationSeconds": DURATION_SECONDS,
                "acquireTime": now,
                "renewTime": now,
            },
        }

    def _renew_until(self, stopping: threading.Event, plan: Plan) -> None:
        while not stopping.wait(_RENEW_SECONDS):
            try:
                found = self._verbs.lease(self._namespace, self._name)
                holder = text(section(found, "spec"), "holderIdentity") or "" if found else ""
                if found is None or holder.partition(" ")[0] != plan.id:
                    self._lost = f"its holder is {holder or 'nobody'} now"
                    return
                self._verbs.replace_lease(self._namespace, self._name, self._body(plan, found))
                self._renewed = time.monotonic()
            except (Unreachable, OperationFailed):
                continue  # require() knows how old the last renewal is

    def _give_back(self, plan: Plan) -> None:
        """Where that cannot be done, it runs out by itself."""
        for _ in range(3):
            try:
                found = self._verbs.lease(self._namespace, self._name)
                holder = text(section(found, "spec"), "holderIdentity") or "" if found else ""
                if found is not None and holder.partition(" ")[0] == plan.id:
                    version = text(section(found, "metadata"), "resourceVersion") or ""
                    self._verbs.delete_lease(self._namespace, self._name, version)
                return
            except Conflict:
                continue
            except FlinkopsError:
                return
