"""The fleet as one Kubernetes cluster has it: the operator's custom resources, joined to each job's REST API.

Each look lists the custom resources and asks, through the API server's service proxy, the REST API of every Flink
cluster among them. A resource whose REST API does not answer is still a row: with what the operator wrote, the reason,
and what its pods say. A failed probe never turns a job into a dead one.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from flinkops.clock import Clock, SystemClock
from flinkops.errors import Denied, FlinkopsError
from flinkops.model.facts import SourceKind, SourceState, SourceStatus, StuckFacts
from flinkops.sources import kube_api, kube_rows
from flinkops.sources.circuit import Circuit
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink import FlinkRestSource
from flinkops.sources.kube_access import KubeAccess
from flinkops.sources.kube_api import KubeClient
from flinkops.sources.kube_resources import Json, identity, rest_port, section, snapshots_by_job, text
from flinkops.sources.kube_rows import Cluster, Listing
from flinkops.sources.kube_stuck import stuck_reasons
from flinkops.sources.protocol import SourceLook, Wanted

DEPLOYMENTS, SESSION_JOBS = "flinkdeployments", "flinksessionjobs"
SNAPSHOTS, BLUE_GREEN = "flinkstatesnapshots", "flinkbluegreendeployments"
T = TypeVar("T")

_REST_WORKERS = 16
_REST_SHARE = 0.9  # of what is left after the lists; the rest is for reading the pods of what did not answer
_LONGEST_WAIT_SECONDS = 10.0  # a JobManager that comes up is seen soon; the API server refuses cheaply till then
_NO_OPERATOR = "this cluster has no Flink operator (no API group flink.apache.org)"


class KubernetesSource:
    """All Flink jobs of one context, in some namespaces (None: in all), optionally by label selector."""

    def __init__(
        self,
        access: KubeAccess,
        *,
        namespaces: Sequence[str] | None = None,
        all_namespaces: bool = False,
        selector: str | None = None,
        clock: Clock | None = None,
        wanted: Wanted | None = None,
    ) -> None:
        self._access = access
        self._wanted = wanted
        self._clock = clock or SystemClock()
        self._scopes: tuple[str | None, ...] = (
            (None,) if all_namespaces else tuple(dict.fromkeys(namespaces or (access.namespace,)))
        )
        self._selector = selector
        self._client: KubeClient | None = None
        self._endpoint_seen: object = None
        self._rest: dict[tuple[str, str, int], FlinkRestSource] = {}
        self._rest_of_job: dict[str, FlinkRestSource] = {}
        self._pool = ThreadPoolExecutor(_REST_WORKERS, thread_name_prefix=f"kube-{access.context[:20]}")

    @property
    def name(self) -> str:
        """The context."""
        return self._access.context

    @property
    def kind(self) -> SourceKind:
        """Kubernetes."""
        return "kubernetes"

    def look(self, deadline_seconds: float) -> SourceLook:
        """Lists, then asks all Flink clusters at once. Never raises."""
        begun = time.monotonic()
        deadline = Deadline(deadline_seconds)
        before = self._requests()
        try:
            client = self._connect()
            with client.enforced(deadline):
                listing = self._list(client, deadline)
                clusters = self._probe(client, listing, deadline)
            jobs, cluster_facts = kube_rows.rows(listing, clusters, self.name, self._clock.now_ms())
        except Denied as problem:
            return SourceLook(self._status("denied", problem.line(), begun, before))
        except FlinkopsError as problem:
            return SourceLook(self._status("unreachable", problem.line(), begun, before))
        self._rest_of_job = {
            job.id: self._rest[rest]
            for rest in self._rest
            if (probed := clusters.get(rest[:2])) is not None and probed.look is not None
            for job in probed.look.jobs
        }
        return SourceLook(self._status("ok", "; ".join(listing.notes) or None, begun, before), cluster_facts, jobs)

    def rest_source(self, job_id: str) -> FlinkRestSource | None:
        """The REST API that answered for this job at the last look."""
        return self._rest_of_job.get(job_id)

    def retry_now(self) -> None:
        """The next look asks also the JobManagers that did not answer lately."""
        for source in self._rest.values():
            source.retry_now()

    def close(self) -> None:
        """Frees connections and threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._drop_connections()

    def _connect(self) -> KubeClient:
        """The client for the API server; a new one when the credentials were renewed."""
        endpoint = self._access.endpoint()
        if self._client is None or endpoint != self._endpoint_seen:
            self._drop_connections()
            self._client, self._endpoint_seen = KubeClient(endpoint), endpoint
        return self._client

    def _drop_connections(self) -> None:
        for source in self._rest.values():
            source.close()
        self._rest.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _list(self, client: KubeClient, deadline: Deadline) -> Listing:
        present = kube_api.flink_resources(client, deadline)
        if DEPLOYMENTS not in present:
            return Listing(notes=(_NO_OPERATOR,))
        notes: list[str] = []
        deployments = self._list_kind(client, DEPLOYMENTS, deadline)

        def optional(plural: str, what: str) -> list[Json]:
            if plural not in present:
                return []
            try:
                return self._list_kind(client, plural, deadline)
            except Denied as problem:
                notes.append(f"{problem.what}: {what}")
                return []

        return Listing(
            deployments=tuple(deployments),
            session_jobs=tuple(optional(SESSION_JOBS, "session jobs are not shown")),
            snapshots=snapshots_by_job(optional(SNAPSHOTS, "snapshots are not shown")),
            blue_green={
                identity(one): text(section(one, "status"), "blueGreenState") or "UNKNOWN"
                for one in optional(BLUE_GREEN, "blue/green states are not shown")
            },
            notes=tuple(notes),
        )

    def _list_kind(self, client: KubeClient, plural: str, deadline: Deadline) -> list[Json]:
        # A snapshot and a blue/green parent do not carry the labels of their jobs.
        selector = self._selector if plural in (DEPLOYMENTS, SESSION_JOBS) else None
        found: list[Json] = []
        for namespace in self._scopes:
            try:
                found += kube_api.list_all(
                    client, kube_api.custom_path(plural, namespace), deadline, labelSelector=selector
                )
            except Denied as problem:
                line = kube_api.denied_line("list", f"{plural}.flink.apache.org", namespace, problem)
                raise Denied(f"{self.name}: {line}") from None
        if self._wanted is None or plural not in (DEPLOYMENTS, SESSION_JOBS):
            return found
        return [one for one in found if self._wanted((self.name, *identity(one)))]

    def _probe(self, client: KubeClient, listing: Listing, deadline: Deadline) -> dict[tuple[str, str], Cluster]:
        """What each Flink cluster's REST API says, and, where that is not enough, what its pods say."""
        wanted = {identity(one): rest_port(one) for one in listing.deployments}
        for session_job in listing.session_jobs:  # its cluster may not match the selector
            namespace, _ = identity(session_job)
            cluster = text(section(session_job, "spec"), "deploymentName") or ""
            wanted.setdefault((namespace, cluster), 8081)
        self._forget_others({(*key, port) for key, port in wanted.items()})
        rest_seconds = max(0.0, deadline.remaining_seconds * _REST_SHARE)
        futures: dict[tuple[str, str], Future[SourceLook]] = {
            key: self._pool.submit(self._rest_for(key, port).look, rest_seconds) for key, port in wanted.items()
        }
        wait(futures.values(), timeout=rest_seconds)
        looks = {key: _result(future) for key, future in futures.items()}
        reading = {
            key: self._pool.submit(self._why_stuck, client, key, deadline) for key in kube_rows.suspects(listing, looks)
        }
        wait(reading.values(), timeout=max(0.0, deadline.remaining_seconds))
        found: dict[tuple[str, str], Cluster] = {}
        for key, look in looks.items():
            stuck, unknown = _result(reading[key]) or ((), "no time was left") if key in reading else ((), None)
            found[key] = Cluster(look, stuck, unknown)
        return found

    def _why_stuck(
        self, client: KubeClient, key: tuple[str, str], deadline: Deadline
    ) -> tuple[tuple[StuckFacts, ...], str | None]:
        """The reasons that hold up a Flink cluster, or why they could not be read."""
        namespace, name = key
        try:
            pods = kube_api.list_all(
                client, kube_api.core_path("pods", namespace), deadline, labelSelector=f"app={name}"
            )
            events = kube_api.list_all(
                client, kube_api.core_path("events", namespace), deadline, fieldSelector="type=Warning"
            )
        except Denied as problem:
            return (), kube_api.denied_line("list", "pods and events", namespace, problem)
        except FlinkopsError as problem:
            return (), problem.line()
        return stuck_reasons(pods, events, cluster=name, now_ms=self._clock.now_ms()), None

    def _rest_for(self, key: tuple[str, str], port: int) -> FlinkRestSource:
        namespace, name = key
        if (source := self._rest.get((namespace, name, port))) is None:
            endpoint = self._access.service_endpoint(namespace, f"{name}-rest", port)
            circuit = Circuit(longest_wait_seconds=_LONGEST_WAIT_SECONDS)
            source = self._rest[namespace, name, port] = FlinkRestSource(endpoint, clock=self._clock, circuit=circuit)
        return source

    def _forget_others(self, keep: set[tuple[str, str, int]]) -> None:
        for key in set(self._rest) - keep:
            self._rest.pop(key).close()

    def _requests(self) -> int:
        return self._client.requests if self._client is not None else 0

    def _status(self, state: SourceState, error: str | None, begun: float, requests_before: int) -> SourceStatus:
        return SourceStatus(
            name=self.name,
            kind="kubernetes",
            state=state,
            age_seconds=0.0 if state == "ok" else None,
            error=error,
            requests=max(0, self._requests() - requests_before),
            seconds=time.monotonic() - begun,
        )


def _result(future: "Future[T]") -> T | None:
    """What was asked for, or None when it did not come in time."""
    return future.result() if future.done() and not future.cancelled() else None
