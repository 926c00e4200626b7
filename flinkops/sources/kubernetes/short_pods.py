"""Runs one pod to its end over the Kubernetes API: creates it, follows it, takes its output, removes everything.

The one place that does so: a rehearsal of an operator job, and work beside the cluster's storage. Only the executor and
commands that say so beforehand call it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec

from flinkops.clock import Clock
from flinkops.errors import Denied, OperationFailed, Unreachable
from flinkops.model.facts import StuckFacts
from flinkops.model.json_reading import Json, items, section, text
from flinkops.outside.text import clean
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink.http import Method, NotFound, Rejected
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.api import KubeClient, core_path, get_object, list_all
from flinkops.sources.kubernetes.pod_log import PodLog
from flinkops.sources.kubernetes.pod_task import (
    RUN,
    PodTask,
    checked,
    job_manifest,
    left_behind,
    new_name,
    payload_manifest,
    policy_manifest,
    selector,
)
from flinkops.sources.kubernetes.resources import identity
from flinkops.sources.kubernetes.startup_blockers import stuck_reasons

ROLE_FILE = "deploy/rbac-pods.yaml"

Why = Literal["image", "unschedulable", "quota", "volume", "container", "deadline", "gone", "refused"]

_ASK_SECONDS = 15.0
_POLL_SECONDS = 0.5
_POLLS_A_CHECK = 4  # of the Job and of events
_MARGIN_SECONDS = 30.0  # the Job's own deadline comes first
_SILENCE_SECONDS = 60.0  # of the API server
_REMOVALS = 3
_CODES: Mapping[str, Why] = {
    "image": "image",
    "quota": "quota",
    "unschedulable": "unschedulable",
    "volume": "volume",
    "container": "container",
}
# How long a reason has to hold: the kubelet and the scheduler try again by themselves.
_PATIENCE_SECONDS: Mapping[str, float] = {"image": 12.0, "quota": 10.0, "volume": 45.0, "container": 12.0}

_decoder: "msgspec.json.Decoder[dict[str, Any]]" = msgspec.json.Decoder(dict[str, Any])

Note = Callable[[str], None]


class PodFailed(OperationFailed):
    """It did not run to its end: ``why`` says of which kind that is; the words have what Kubernetes says."""

    def __init__(self, why: Why, what: str, *, next_step: str | None = None) -> None:
        super().__init__(what, next_step=next_step)
        self.why = why


class PodEnd(msgspec.Struct, frozen=True):
    """What came of it. ``reason``: as Kubernetes gives it with the exit code (``Error``, ``OOMKilled``, ``Completed``).

    ``output`` are the lines that it printed, of both streams; the last ones, where there were many.
    """

    exit_code: int
    reason: str
    output: tuple[str, ...]

    @property
    def out_of_memory(self) -> bool:
        """Whether it was killed for using more memory than its limit."""
        return self.reason == "OOMKilled"


def run_pod(
    access: KubeAccess, task: PodTask, clock: Clock, *, note: Note, on_line: Callable[[str], None] | None = None
) -> PodEnd:
    """Creates it, waits for its end, and removes all of it, whatever happens. `on_line` is told each line as it comes.

    Raises PodFailed; Denied with the role that is missing; Unreachable while nothing could be created, and when the API
    server has been silent for a minute.
    """
    checked(task)
    api = _Api(access, task.namespace, clock)
    try:
        api.remove_leftovers(task.purpose)
        name = new_name(task.purpose)
        try:
            return _Run(api, task, _created(api, task, name), clock, note, on_line).to_the_end()
        finally:
            api.remove(name)
    finally:
        api.close()


def _created(api: "_Api", task: PodTask, name: str) -> Json:
    """The Job first, since it owns the rest; its pod starts once the ConfigMaps are there, which come last."""
    job = api.create("jobs", job_manifest(task, name))
    if task.egress is not None:
        api.create("networkpolicies", policy_manifest(task, task.egress, job))
    for payload in task.payloads:
        api.create("configmaps", payload_manifest(task, payload, job))
    return job


class _Run:
    """One pod on its way."""

    def __init__(
        self,
        api: "_Api",
        task: PodTask,
        job: Json,
        clock: Clock,
        note: Note,
        on_line: Callable[[str], None] | None,
    ) -> None:
        self._api, self._task, self._clock, self._note = api, task, clock, note
        self._name = identity(job)[1]
        self._log = PodLog(on_line)
        self._stuck_since: dict[str, float] = {}
        self._ends = clock.monotonic() + task.deadline_seconds + _MARGIN_SECONDS
        self._heard = clock.monotonic()

    def to_the_end(self) -> PodEnd:
        polls = 0
        while True:
            try:
                end = self._poll(thorough=polls % _POLLS_A_CHECK == 0)
                self._heard = self._clock.monotonic()
                if end is not None:
                    return end
            except Denied:
                raise
            except Unreachable:
                if self._clock.monotonic() - self._heard > _SILENCE_SECONDS:
                    raise
            if self._clock.monotonic() > self._ends:
                raise self._overdue()
            polls += 1
            self._clock.sleep(_POLL_SECONDS)

    def _poll(self, *, thorough: bool) -> PodEnd | None:
        pods = self._api.pods(self._name)
        pod = pods[0] if pods else None
        state = None if pod is None else self._container(pod)
        if pod is not None and (state is None or not _has_begun(state)):
            self._note("waiting for the pod" if section(pod, "spec").get("nodeName") else "waiting for a node")
        elif pod is not None:
            self._log.take(self._api.log(identity(pod)[1], self._task.container, self._log.since))
        if pod is not None and (ended := _terminated(state)):
            code = ended.get("exitCode")
            reason = text(section(pod, "status"), "reason") or text(ended, "reason") or ""
            return PodEnd(code if isinstance(code, int) else -1, reason, tuple(self._log.lines))
        if thorough:
            self._judge(pods)
        return None

    def _container(self, pod: Json) -> Json | None:
        found = items(section(pod, "status"), "containerStatuses")
        return next((one for one in found if one.get("name") == self._task.container), None)

    def _judge(self, pods: list[Json]) -> None:
        """Raises PodFailed when it will not come to an end by itself."""
        job = self._api.job(self._name)
        if job is None:
            raise PodFailed("gone", f"the Job {self._name} was removed by somebody else")
        failed = next((one for one in items(section(job, "status"), "conditions") if _is(one, "Failed")), None)
        if failed is not None:
            if failed.get("reason") == "DeadlineExceeded":
                raise self._overdue()
            self._after_the_end(text(failed, "message"))
        reasons = stuck_reasons(pods, self._api.warnings(), cluster=self._name, now_ms=self._clock.now_ms())
        now = self._clock.monotonic()
        self._stuck_since = {one.code: self._stuck_since.get(one.code, now) for one in reasons}
        for one in reasons:
            patience = self._task.room_seconds if one.code == "unschedulable" else _PATIENCE_SECONDS.get(one.code)
            if patience is not None and now - self._stuck_since[one.code] >= patience:
                raise _stuck(one)

    def _after_the_end(self, message: str | None) -> None:
        """The Job has failed. Unless its container has ended just now, the pod was evicted, or somebody deleted it."""
        pods = self._api.pods(self._name)
        if any(_terminated(self._container(pod)) for pod in pods):
            return
        said = [text(section(pod, "status"), "message") for pod in pods]
        reasons = [text(section(pod, "status"), "reason") for pod in pods]
        told = next((one for one in (*said, *reasons, message) if one), "nobody says why")
        raise PodFailed("gone", f"the pod of {self._name} is gone before its end: {clean(told)[:300]}")

    def _overdue(self) -> PodFailed:
        last = f"; its last line: {clean(self._log.lines[-1])[:200]}" if self._log.lines else ""
        return PodFailed("deadline", f"the pod did not end within {self._task.deadline_seconds} s{last}")


def _has_begun(container: Json) -> bool:
    state = section(container, "state")
    return isinstance(state.get("running"), dict) or isinstance(state.get("terminated"), dict)


def _terminated(container: Json | None) -> Json:
    return section(section(container, "state"), "terminated")


def _is(condition: Json, kind: str) -> bool:
    return condition.get("type") == kind and condition.get("status") == "True"


def _stuck(reason: StuckFacts) -> PodFailed:
    said = clean(reason.text)[:300]
    why = _CODES[reason.code]
    words = {
        "image": "the image of the pod cannot be had",
        "quota": "no pod may be created in the namespace",
        "unschedulable": "no node has room for the pod",
        "volume": "a volume of the pod cannot be mounted",
    }.get(why, "the pod's container cannot be created")
    return PodFailed(why, f"{words}: {said}")


class _Api:
    """The requests that it takes, in one namespace."""

    def __init__(self, access: KubeAccess, namespace: str, clock: Clock) -> None:
        self._access, self._namespace, self._clock = access, namespace, clock
        self._client: KubeClient | None = None
        self._seen: object = None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def create(self, plural: str, body: Mapping[str, Any]) -> Json:
        with self._named("create", plural):
            return self._send("POST", f"{self._path(plural)}?fieldManager=flinkops", body)

    def job(self, name: str) -> Json | None:
        with self._named("get", "jobs"), suppress(NotFound), self._asking() as (client, deadline):
            return get_object(client, f"{self._path('jobs')}/{quote(name, safe='')}", deadline)
        return None

    def pods(self, run: str) -> list[Json]:
        with self._named("list", "pods"), self._asking() as (client, deadline):
            return list_all(client, core_path("pods", self._namespace), deadline, labelSelector=f"{RUN}={run}")

    def warnings(self) -> list[Json]:
        """Events of the namespace; without the permission to read them none is known."""
        with suppress(Denied), self._asking() as (client, deadline):
            return list_all(client, core_path("events", self._namespace), deadline, fieldSelector="type=Warning")
        return []

    def log(self, pod: str, container: str, since: str | None) -> bytes:
        """Of one container, each line with its time; from `since` on. Empty while there is none."""
        query = {"container": container, "timestamps": "true", **({"sinceTime": since} if since else {})}
        path = f"{core_path('pods', self._namespace)}/{quote(pod, safe='')}/log?{urlencode(query)}"
        with self._named("get", "pods/log"), suppress(NotFound, Rejected), self._asking() as (client, deadline):
            return client.read("GET", path, deadline)
        return b""

    def remove(self, name: str) -> None:
        """The Job, and by their owner all the rest. What cannot be removed now has a deadline and a time to live."""
        for left in reversed(range(_REMOVALS)):
            try:
                self._send(
                    "DELETE", f"{self._path('jobs')}/{quote(name, safe='')}", {"propagationPolicy": "Background"}
                )
            except (NotFound, Denied):
                return
            except Unreachable:
                self._clock.sleep(_POLL_SECONDS if left else 0)
            else:
                return

    def remove_leftovers(self, purpose: str) -> None:
        """Those of processes on this machine that were killed. Raises Denied with the role."""
        with self._named("list", "jobs"), self._asking() as (client, deadline):
            found = list_all(client, self._path("jobs"), deadline, labelSelector=selector(purpose))
        for job in filter(left_behind, found):
            self.remove(identity(job)[1])

    def _path(self, plural: str) -> str:
        where = quote(self._namespace, safe="")
        group = {"jobs": "/apis/batch/v1", "networkpolicies": "/apis/networking.k8s.io/v1"}.get(plural, "/api/v1")
        return f"{group}/namespaces/{where}/{plural}"

    def _send(self, method: Method, path: str, body: Mapping[str, Any]) -> Json:
        with self._asking() as (client, deadline):
            return client.send(method, path, body, _decoder, deadline)

    @contextmanager
    def _named(self, verb: str, resource: str) -> Iterator[None]:
        """A refusal with the role that would allow it, or, where the account may, with what forbids it all the same."""
        try:
            yield
        except Denied as problem:
            if not problem.logged_in:
                raise
            if problem.user is None:  # a quota or an admission policy: of a missing permission the user is named
                raise PodFailed("refused", f"the cluster does not take it: {problem.what}") from None
            raise Denied(
                f"not allowed to {verb} {resource} in namespace {self._namespace} as {problem.user}",
                next_step=f"the role flinkops-pods in {ROLE_FILE} allows it",
                http_status=problem.http_status,
                user=problem.user,
            ) from None

    @contextmanager
    def _asking(self) -> Iterator[tuple[KubeClient, Deadline]]:
        endpoint = self._access.endpoint()
        if self._client is None or endpoint != self._seen:
            self._client, self._seen = KubeClient(endpoint, connections=2), endpoint
        deadline = Deadline(_ASK_SECONDS)
        with self._client.enforced(deadline):
            yield self._client, deadline
