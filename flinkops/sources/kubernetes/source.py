"""The fleet as one Kubernetes cluster has it: the operator's custom resources, joined to each job's REST API.

Each poll takes the custom resources (listed, then watched) and asks the REST API of every Flink cluster among them,
by default through the API server's service proxy. A resource whose REST API does not answer is still a row: with what
the operator wrote, the reason, and what its pods say. A failed probe never turns a job into a dead one.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import msgspec

from flinkops.clock import Clock, SystemClock
from flinkops.errors import Denied, FlinkopsError, Unreachable
from flinkops.model.detail import ResourceEvents
from flinkops.model.endpoint import RestEndpoint
from flinkops.model.facts import JobFacts, SourceKind, SourceState, SourceStatus, StuckFacts
from flinkops.model.identity import flink_cluster
from flinkops.model.json_reading import Json, section, text
from flinkops.sources.circuit import Circuit
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink.source import CONNECTIONS, FlinkRestSource
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.api import KubeClient, core_path, custom_path, denied_line, flink_resources, list_all
from flinkops.sources.kubernetes.events import events_of
from flinkops.sources.kubernetes.join import Cluster, Listing, job_rows, suspects
from flinkops.sources.kubernetes.login import end_plugins
from flinkops.sources.kubernetes.quota import lacks_slots
from flinkops.sources.kubernetes.resource_cache import Resources
from flinkops.sources.kubernetes.resources import identity
from flinkops.sources.kubernetes.rest_route import RestVia, rest_endpoint
from flinkops.sources.kubernetes.service_proxy import ServiceClient
from flinkops.sources.kubernetes.why_stuck import why_stuck
from flinkops.sources.protocol import SourceSnapshot, Wanted

T = TypeVar("T")
Key = tuple[str, str]  # namespace, name

_REST_WORKERS = 16
_REST_SHARE = 0.9  # of what is left after the resources; the rest is for reading the pods of what did not answer
_API_SHARE = 0.4  # of the whole, where REST does not need the API server and must not wait for it
_LONGEST_WAIT_SECONDS = 10.0  # a JobManager that comes up is seen soon; the API server refuses cheaply till then


class KubernetesSource:
    """All Flink jobs of one context, in some namespaces (None: in all), optionally by label selector.

    ``scopes`` are those namespaces, (None,) for all; ``rest_via`` is the way to the Flink clusters' REST APIs
    (:mod:`flinkops.sources.kubernetes.rest_route`).
    """

    def __init__(
        self,
        access: KubeAccess,
        *,
        namespaces: Sequence[str] | None = None,
        all_namespaces: bool = False,
        selector: str | None = None,
        rest_via: RestVia = "proxy",
        clock: Clock | None = None,
        wanted: Wanted | None = None,
    ) -> None:
        self._access = access
        self._clock = clock or SystemClock()
        self.scopes = (None,) if all_namespaces else tuple(dict.fromkeys(namespaces or (access.namespace,)))
        self._selector = selector
        self._resources = Resources(access.context, self.scopes, selector, wanted)
        self._rest_via: RestVia = rest_via
        self._client: KubeClient | None = None
        self._endpoint_seen: object = None
        self._rest: dict[Key, tuple[RestEndpoint, FlinkRestSource]] = {}
        self._seen: dict[Key, frozenset[str]] = {}  # the ids of the jobs of each Flink cluster, at the last poll
        self._pool = ThreadPoolExecutor(_REST_WORKERS, thread_name_prefix=f"kube-{access.context[:20]}")

    @property
    def name(self) -> str:
        """The context."""
        return self._access.context

    @property
    def access(self) -> KubeAccess:
        """How its API server is reached."""
        return self._access

    @property
    def address(self) -> str:
        """That of its API server."""
        return self._access.server

    @property
    def backend(self) -> str:
        """Its jobs are those of the Flink operator."""
        return "operator"

    @property
    def kind(self) -> SourceKind:
        """Kubernetes."""
        return "kubernetes"

    def poll(self, deadline_seconds: float) -> SourceSnapshot:
        """The resources, then all Flink clusters at once. Never raises.

        When the API server does not answer and the REST APIs need it not, the resources are those of the last poll
        and the source is ``stale``: what Flink says is new all the same.
        """
        begun = time.monotonic()
        deadline = Deadline(deadline_seconds)
        before = self._requests()
        state: SourceState = "ok"
        try:
            client = self._connect()
            try:
                listing = self._list(client, deadline)
                notes = listing.notes
            except Unreachable as problem:
                if isinstance(problem, Denied) or self._rest_via == "proxy" or self._resources.last is None:
                    raise
                state, listing, notes = "stale", self._resources.last, (problem.line(),)
            with client.enforced(deadline):
                clusters = self._probe(client, listing, deadline)
            jobs, cluster_facts = job_rows(listing, clusters, self.name, self._clock.now_ms())
        except Denied as problem:
            return SourceSnapshot(self._status("denied", problem.line(), begun, before))
        except FlinkopsError as problem:
            return SourceSnapshot(self._status("unreachable", problem.line(), begun, before))
        self._seen = {
            key: frozenset(job.id for job in probed.snapshot.jobs)
            for key, probed in clusters.items()
            if probed.snapshot is not None
        }
        return SourceSnapshot(self._status(state, "; ".join(notes) or None, begun, before), cluster_facts, jobs)

    def events(self, job: JobFacts, *, deadline_seconds: float = 5.0) -> ResourceEvents:
        """What Kubernetes and the operator reported about this job lately, and what blocks it. Never raises."""
        resource = job.resource
        if resource is None:
            return ResourceEvents(unknown={"events": "the job has no resource in Kubernetes"})
        deadline = Deadline(deadline_seconds)
        cluster = resource.session_cluster or resource.name
        names = {resource.name, cluster, *(one.name for one in resource.snapshots)}
        try:
            client = KubeClient(self._access.endpoint())  # not the poll's: this is another thread
        except FlinkopsError as problem:
            return ResourceEvents(unknown={"events": problem.line()})
        try:
            with client.enforced(deadline):
                events = list_all(client, core_path("events", resource.namespace), deadline)
                lacking = any(each.code == "quota" for each in resource.stuck)
                stuck, unknown = self._why_stuck(client, (resource.namespace, cluster), deadline, lacking=lacking)
        except Denied as problem:
            line = denied_line("list", "events", resource.namespace, problem)
            return ResourceEvents(unknown={"events": line})
        except FlinkopsError as problem:
            return ResourceEvents(unknown={"events": problem.line()})
        finally:
            client.close()
        found = events_of(events, resources=names, cluster=cluster)
        return ResourceEvents(found, stuck, {"stuck": unknown} if unknown else {})

    def resource_texts(self, *, deadline_seconds: float = 30.0) -> Mapping[str, str]:
        """Every resource of the Flink operator as JSON, by kind and name. Raises Unreachable."""
        deadline = Deadline(deadline_seconds)
        found: dict[str, str] = {}
        client = KubeClient(self._access.endpoint())  # not the poll's: this is another thread
        try:
            with client.enforced(deadline):
                for plural in sorted(flink_resources(client, deadline)):
                    for scope in self.scopes:
                        for one in list_all(client, custom_path(plural, scope), deadline):
                            found["/".join((plural, *identity(one)))] = msgspec.json.encode(one).decode()
        finally:
            client.close()
        return found

    @property
    def sees_all(self) -> bool:
        """Whether no namespace and no resource of the cluster is left out."""
        return self.scopes == (None,) and not self._selector

    @property
    def watches(self) -> int:
        """How many watches stand: what they cover is not listed at a poll."""
        return self._resources.watches

    def rest_source(self, job: JobFacts) -> FlinkRestSource | None:
        """The REST API that answered for this job at the last poll."""
        _, *key = flink_cluster(job)
        if len(key) != 2 or job.id not in self._seen.get((key[0], key[1]), ()):
            return None
        known = self._rest.get((key[0], key[1]))
        return None if known is None else known[1]

    def retry_now(self) -> None:
        """The next poll asks also the JobManagers that did not answer lately."""
        for _, source in self._rest.values():
            source.retry_now()

    def close(self) -> None:
        """Frees connections and threads, and ends log-in plug-ins that are still waited for."""
        end_plugins()
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
        for _, source in self._rest.values():
            source.close()
        self._rest.clear()
        self._resources.forget_watches()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _list(self, client: KubeClient, deadline: Deadline) -> Listing:
        if self._rest_via != "proxy":
            deadline = Deadline(deadline.remaining_seconds * _API_SHARE)
        with client.enforced(deadline):
            return self._resources.read(client, deadline)

    def _probe(self, client: KubeClient, listing: Listing, deadline: Deadline) -> dict[Key, Cluster]:
        """What each Flink cluster's REST API says, and, where that is not enough, what its pods say."""
        wanted: dict[Key, Json | None] = {identity(one): one for one in listing.deployments}
        for session_job in listing.session_jobs:  # its cluster may not match the selector
            namespace, _ = identity(session_job)
            wanted.setdefault((namespace, text(section(session_job, "spec"), "deploymentName") or ""), None)
        for key in set(self._rest) - set(wanted):
            self._rest.pop(key)[1].close()
        rest_seconds = max(0.0, deadline.remaining_seconds * _REST_SHARE)
        futures: dict[Key, Future[SourceSnapshot]] = {
            key: self._pool.submit(self._rest_for(key, deployment).poll, rest_seconds)
            for key, deployment in wanted.items()
        }
        wait(futures.values(), timeout=rest_seconds)
        snapshots = {key: _result(future) for key, future in futures.items()}
        reading = {
            key: self._pool.submit(self._why_stuck, client, key, deadline, lacking=lacks_slots(snapshots[key]))
            for key in suspects(listing, snapshots)
        }
        wait(reading.values(), timeout=max(0.0, deadline.remaining_seconds))
        found: dict[Key, Cluster] = {}
        for key, snapshot in snapshots.items():
            stuck, unknown = _result(reading[key]) or ((), "no time was left") if key in reading else ((), None)
            found[key] = Cluster(snapshot, stuck, unknown)
        return found

    def _why_stuck(
        self, client: KubeClient, key: tuple[str, str], deadline: Deadline, *, lacking: bool
    ) -> tuple[tuple[StuckFacts, ...], str | None]:
        """The reasons that hold up a Flink cluster, or why they could not be read."""
        namespace, name = key
        now_ms = self._clock.now_ms()
        try:
            return why_stuck(client, namespace, name, deadline, now_ms=now_ms, lacks_slots=lacking), None
        except Denied as problem:
            return (), denied_line("list", "pods and events", namespace, problem)
        except FlinkopsError as problem:
            return (), problem.line()

    def _rest_for(self, key: Key, deployment: Json | None) -> FlinkRestSource:
        endpoint = rest_endpoint(self._access, key, deployment, self._rest_via)
        known = self._rest.get(key)
        if known is not None and known[0] == endpoint:
            return known[1]
        if known is not None:
            known[1].close()
        circuit = Circuit(longest_wait_seconds=_LONGEST_WAIT_SECONDS)
        client = ServiceClient(endpoint, connections=CONNECTIONS) if endpoint.url.startswith(self._api_url()) else None
        source = FlinkRestSource(endpoint, clock=self._clock, circuit=circuit, client=client)
        self._rest[key] = endpoint, source
        return source

    def _api_url(self) -> str:
        return f"{self._access.endpoint().url}/"

    def _requests(self) -> int:
        return self._client.requests if self._client is not None else 0

    def _status(self, state: SourceState, error: str | None, begun: float, requests_before: int) -> SourceStatus:
        return SourceStatus(
            name=self.name,
            kind="kubernetes",
            state=state,
            age_seconds={"ok": 0.0, "stale": self._resources.age_seconds}.get(state),
            error=error,
            requests=max(0, self._requests() - requests_before),
            seconds=time.monotonic() - begun,
        )


def _result(future: "Future[T]") -> T | None:
    """What was asked for, or None when it did not come in time."""
    return future.result() if future.done() and not future.cancelled() else None
