"""What can be done to custom resources over the Kubernetes API: one request each, no waiting, no judgement.

Only the executor (flinkops.act) calls these. All raise Unreachable (a later try may work), Denied, Conflict (the object
has changed since it was read), or OperationFailed with the API server's words when the answer is no for good.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from flinkops.clock import Clock
from flinkops.errors import OperationFailed, Unreachable
from flinkops.model.effect import PodImage, PodTimes
from flinkops.model.facts import StuckFacts
from flinkops.model.json_reading import Json, items, section, text
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink.http import Method, NotFound, Rejected
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.api import (
    KubeClient,
    core_path,
    custom_path,
    flink_resources,
    get_object,
    list_all,
    pods_of,
)
from flinkops.sources.kubernetes.pod_images import pod_images
from flinkops.sources.kubernetes.pod_times import pod_times
from flinkops.sources.kubernetes.resources import identity, rest_port, time_ms
from flinkops.sources.kubernetes.why_stuck import why_stuck

PLURALS = {
    "FlinkDeployment": "flinkdeployments",
    "FlinkSessionJob": "flinksessionjobs",
    "FlinkStateSnapshot": "flinkstatesnapshots",
    "FlinkBlueGreenDeployment": "flinkbluegreendeployments",
}
FIELD_MANAGER = "flinkops"
HA_LABEL = "configmap-type=high-availability"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
_FINAL = frozenset({400, 405, 406, 413, 415, 422})

_decoder: "msgspec.json.Decoder[dict[str, Any]]" = msgspec.json.Decoder(dict[str, Any])


class ResourceRef(NamedTuple):
    """One custom resource of the operator."""

    kind: str
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Where the API server has it."""
        return f"{custom_path(PLURALS[self.kind], self.namespace)}/{quote(self.name, safe='')}"


class Leftover(NamedTuple):
    """Something that is still there of a Flink cluster or of a job whose resource is gone."""

    kind: Literal["pod", "configmap", "job"]
    name: str


class Conflict(Rejected):
    """HTTP 409: it has changed since it was read, or it exists already."""


class _Invalid(Rejected):
    """The API server will never take that."""


class _VerbClient(KubeClient):
    """Tells apart what is worth another try."""

    _patch_type = "application/merge-patch+json"

    def _refusal(self, status: int, content: bytes, path: str, location: str | None) -> Unreachable:
        problem = super()._refusal(status, content, path, location)
        if status == 409:
            return Conflict(problem.what, http_status=status)
        return _Invalid(problem.what, http_status=status) if status in _FINAL else problem


class KubeVerbs:
    """The verbs of one API server. Safe to use from several threads."""

    def __init__(self, access: KubeAccess, *, deadline_seconds: float = 15.0) -> None:
        self._access = access
        self._deadline_seconds = deadline_seconds
        self._client: _VerbClient | None = None
        self._endpoint_seen: object = None

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()

    def resource(self, ref: ResourceRef) -> Json | None:
        """The resource as it is now; None when there is none."""
        return self._get(ref.path)

    def session_cluster(self, ref: ResourceRef, resource: Json) -> Json | None:
        """The FlinkDeployment that a session job runs on; None when there is none, and for other resources."""
        name = text(section(resource, "spec"), "deploymentName")
        return None if name is None else self.resource(ResourceRef("FlinkDeployment", ref.namespace, name))

    def patch(
        self, ref: ResourceRef, body: Mapping[str, Any], *, resource_version: str | None, dry_run: bool = False
    ) -> Json:
        """A JSON merge patch; with `resource_version` only if the resource is still at that version."""
        sent = dict(body)
        if resource_version is not None:
            sent["metadata"] = {**(body.get("metadata") or {}), "resourceVersion": resource_version}
        return self._send("PATCH", f"{ref.path}?{_manager(dry_run=dry_run)}", sent)

    def create(self, ref: ResourceRef, body: Mapping[str, Any]) -> Json:
        """Creates it. Raises Conflict when it exists."""
        return self._send("POST", f"{custom_path(PLURALS[ref.kind], ref.namespace)}?{_manager()}", body)

    def delete(self, ref: ResourceRef, *, uid: str) -> None:
        """Begins to delete just this one. Raises Conflict when another one has its name; nothing when it is gone."""
        try:
            self._send("DELETE", ref.path, {"preconditions": {"uid": uid}})
        except NotFound:
            return

    def lease(self, namespace: str, name: str) -> Json | None:
        """The Lease, None when there is none."""
        return self._get(f"{_LEASES.format(quote(namespace, safe=''))}/{quote(name, safe='')}")

    def written_ms(self, read: Json) -> int | None:
        """When flinkops wrote the spec of this object last, by the API server's clock; None where that does not say."""
        fields = items(section(read, "metadata"), "managedFields")
        ours = [one for one in fields if one.get("manager") == FIELD_MANAGER and not one.get("subresource")]
        return max((at_ms for one in ours if (at_ms := time_ms(one, "time")) is not None), default=None)

    def seconds_since_written(self, read: Json) -> float | None:
        """How long ago an object that was read just now was last written, by the API server's clock for both.

        None where the server does not say (no ``managedFields``, no Date): then only the clocks of writers are left.
        """
        fields = items(section(read, "metadata"), "managedFields")
        times = [at_ms for one in fields if (at_ms := time_ms(one, "time")) is not None]
        try:
            now_seconds = parsedate_to_datetime(
                self._client.date if self._client and self._client.date else ""
            ).timestamp()
        except (TypeError, ValueError):
            return None
        return max(0.0, now_seconds - max(times) / 1000) if times else None

    def create_lease(self, namespace: str, body: Mapping[str, Any]) -> Json:
        """Raises Conflict when somebody was faster."""
        return self._send("POST", f"{_LEASES.format(quote(namespace, safe=''))}?{_manager()}", body)

    def replace_lease(self, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        """The body carries the resourceVersion; raises Conflict when somebody was faster."""
        path = f"{_LEASES.format(quote(namespace, safe=''))}/{quote(name, safe='')}?{_manager()}"
        return self._send("PUT", path, body)

    def delete_lease(self, namespace: str, name: str, resource_version: str) -> None:
        """Raises Conflict when it is not the one that was read."""
        path = f"{_LEASES.format(quote(namespace, safe=''))}/{quote(name, safe='')}"
        try:
            self._send("DELETE", path, {"preconditions": {"resourceVersion": resource_version}})
        except NotFound:
            return

    def why_stuck(
        self, namespace: str, cluster: str, clock: Clock, *, lacks_slots: bool = False
    ) -> tuple[StuckFacts, ...]:
        """What holds up a Flink cluster, from its pods, their events and, where it `lacks_slots`, the quotas."""
        now_ms = clock.now_ms()
        with self._asking() as (client, deadline):
            return why_stuck(client, namespace, cluster, deadline, now_ms=now_ms, lacks_slots=lacks_slots)

    def pod_images(self, namespace: str, cluster: str) -> tuple[PodImage, ...]:
        """What the pods of a Flink cluster run, those left out that are ending."""
        with self._asking() as (client, deadline):
            pods = pods_of(client, namespace, cluster, deadline)
        return pod_images(pods)

    def nodes_of(self, namespace: str, cluster: str) -> tuple[str, ...]:
        """Where the pods of a Flink cluster run."""
        with self._asking() as (client, deadline):
            pods = pods_of(client, namespace, cluster, deadline)
        return tuple(sorted({node for one in pods if (node := text(section(one, "spec"), "nodeName"))}))

    def pod_times(self, namespace: str, cluster: str) -> tuple[PodTimes, ...]:
        """How the pods of a Flink cluster came up."""
        with self._asking() as (client, deadline):
            pods = pods_of(client, namespace, cluster, deadline)
            events = list_all(client, core_path("events", namespace), deadline, fieldSelector="reason=Pulled")
        return pod_times(pods, events)

    def leftovers(self, namespace: str, cluster: str) -> tuple[Leftover, ...]:
        """Pods of a Flink cluster and its high-availability ConfigMaps, by name."""
        with self._asking() as (client, deadline):
            pods = pods_of(client, namespace, cluster, deadline)
            maps = list_all(
                client, core_path("configmaps", namespace), deadline, labelSelector=f"app={cluster},{HA_LABEL}"
            )
        return (
            *(Leftover("pod", identity(one)[1]) for one in pods),
            *(Leftover("configmap", identity(one)[1]) for one in maps),
        )

    def snapshots(self, namespace: str) -> list[Json]:
        """All FlinkStateSnapshots of a namespace; empty where the operator has no such resource."""
        with self._asking() as (client, deadline):
            if PLURALS["FlinkStateSnapshot"] not in flink_resources(client, deadline):
                return []
            return list_all(client, custom_path(PLURALS["FlinkStateSnapshot"], namespace), deadline)

    def _get(self, path: str) -> Json | None:
        try:
            with self._asking() as (client, deadline):
                return get_object(client, path, deadline)
        except NotFound:
            return None

    def _send(self, method: Method, path: str, body: Mapping[str, Any]) -> Json:
        with self._asking() as (client, deadline):
            return client.send(method, path, body, _decoder, deadline)

    @contextmanager
    def _asking(self) -> Iterator[tuple[_VerbClient, Deadline]]:
        client = self._connected()
        deadline = Deadline(self._deadline_seconds)
        try:
            with client.enforced(deadline):
                yield client, deadline
        except _Invalid as problem:
            raise OperationFailed(problem.what) from None

    def _connected(self) -> _VerbClient:
        """The client; a new one when the credentials were renewed."""
        endpoint = self._access.endpoint()
        if self._client is None or endpoint != self._endpoint_seen:
            self._client, self._endpoint_seen = _VerbClient(endpoint, connections=4), endpoint
        return self._client


def rest_service(resource: Json, cluster: Json | None = None) -> tuple[str, int]:
    """Name and port of the service that leads to the REST API of a resource's Flink cluster.

    `cluster` is the FlinkDeployment that a session job runs on.
    """
    name = text(section(resource, "spec"), "deploymentName") or identity(resource)[1]
    return f"{name}-rest", rest_port(cluster or resource)


def _manager(*, dry_run: bool = False) -> str:
    return f"fieldManager={FIELD_MANAGER}{'&dryRun=All' if dry_run else ''}"
