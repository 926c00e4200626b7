"""A Flink cluster seen through its REST API."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from flinkops.clock import Clock, SystemClock
from flinkops.errors import Denied, Unreachable
from flinkops.model.endpoint import RestEndpoint
from flinkops.model.facts import ClusterFacts, JobFacts, JobKey, SourceKind, SourceState, SourceStatus
from flinkops.model.states import TERMINAL
from flinkops.sources.circuit import Circuit
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink import wire
from flinkops.sources.flink.details import FlinkDetails
from flinkops.sources.flink.http import NotFound, RestClient
from flinkops.sources.flink.job_poller import JobWatch
from flinkops.sources.flink.settings_facts import cluster_settings
from flinkops.sources.protocol import SourceSnapshot, Wanted

T = TypeVar("T")

CONNECTIONS = 8
JOBS_PER_CONNECTION = 5
COLLECTING_SECONDS = 0.15
"""How long Flink is given to collect metrics from its TaskManagers, between a poll's first half and its second."""
TRY_AGAIN_AFTER_SECONDS = (0.3, 0.6, 1.2)
MOST_TRIES = 5
"""Of one job id, over all polls: what has no metrics then, such as a vertex of a batch job, may never have any."""
SETTINGS_AGAIN_SECONDS = 300.0


class FlinkRestSource(FlinkDetails):
    """Reads all jobs of one cluster. See docs/poller.md for the requests it makes, and why those."""

    def __init__(
        self,
        endpoint: RestEndpoint,
        *,
        clock: Clock | None = None,
        circuit: Circuit | None = None,
        connections: int = CONNECTIONS,
        wanted: Wanted | None = None,
        client: RestClient | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._wanted = wanted
        self._clock = clock or SystemClock()
        self._circuit = circuit or Circuit()
        self._connections = connections
        self._client = client or RestClient(endpoint, connections=connections)
        self._workers: ThreadPoolExecutor | None = None
        self._watches: dict[str, JobWatch] = {}
        self._settings: dict[str, str] | None = None
        self._settings_again_at = 0.0
        self._tries: dict[str, int] = {}
        self._last_error = ""
        self._last_state: SourceState = "unreachable"

    @property
    def backend(self) -> str:
        """Its jobs are changed over Flink's own REST API."""
        return "rest"

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.endpoint.name

    @property
    def address(self) -> str:
        """That of its REST API."""
        return self.endpoint.url

    @property
    def kind(self) -> SourceKind:
        """Always rest."""
        return "rest"

    def retry_now(self) -> None:
        """The next poll asks, even if the last ones failed."""
        self._circuit.retry_now()

    def close(self) -> None:
        """Cuts all connections and ends the threads."""
        self._client.close()
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)

    def poll(self, deadline_seconds: float) -> SourceSnapshot:
        """One poll of all jobs, at most `deadline_seconds` long."""
        wait = self._circuit.wait_seconds
        if wait > 0:
            return SourceSnapshot(
                self._failed(self._last_state, f"{self._last_error}; asked again in {wait:.0f} s", 0, 0.0)
            )
        started, requests = time.monotonic(), self._client.requests
        deadline = Deadline(deadline_seconds)
        try:
            with self._client.enforced(deadline):
                cluster, jobs = self._read(deadline)
        except Unreachable as problem:
            self._circuit.failed()
            self._last_error = problem.line()
            self._last_state = "denied" if isinstance(problem, Denied) else "unreachable"
            used = self._client.requests - requests
            return SourceSnapshot(self._failed(self._last_state, self._last_error, used, time.monotonic() - started))
        self._circuit.succeeded()
        status = SourceStatus(
            name=self.name,
            kind="rest",
            state="stale" if deadline.over else "ok",
            age_seconds=0.0,
            error=f"not all was read within {deadline_seconds:g} s" if deadline.over else None,
            requests=self._client.requests - requests,
            seconds=time.monotonic() - started,
        )
        return SourceSnapshot(status, (cluster,), jobs)

    def _read(self, deadline: Deadline) -> tuple[ClusterFacts, tuple[JobFacts, ...]]:
        try:
            overview = self._client.get("/overview", wire.overview, deadline)
        except NotFound:
            raise Unreachable(
                f"{self.endpoint.url} answers, but is not a Flink REST API", next_step="check the port and the path"
            ) from None
        rows = without_superseded(self._client.get("/jobs/overview", wire.jobs_overview, deadline).jobs)
        if self._wanted is not None:
            rows = [row for row in rows if self._wanted(JobKey(self.name, "", row.name))]
        self._read_settings(deadline)
        watches = self._update_watches(rows)
        reading = [(watch, row) for watch, row in watches if not watch.ended]
        self._each(lambda pair: pair[0].outline(pair[1], deadline), reading)
        if any(row.state not in TERMINAL for _, row in reading):
            self._let_flink_collect(deadline)
        self._each(lambda pair: pair[0].measure(deadline), reading)
        self._try_again([watch for watch, _ in reading], deadline)
        seen_ms = self._clock.now_ms()
        jobs = tuple(
            watch.facts(seen_ms=seen_ms, flink_version=overview.flink_version, cluster_configuration=self._settings)
            for watch, _ in watches
        )
        cluster = ClusterFacts(
            name=self.name,
            flink_version=overview.flink_version,
            taskmanagers=overview.taskmanagers,
            slots_total=overview.slots_total,
            slots_available=overview.slots_available,
            ui_url=self.endpoint.url,
        )
        return cluster, jobs

    def _update_watches(self, rows: list[wire.OverviewJob]) -> list[tuple[JobWatch, wire.OverviewJob]]:
        """Drops jobs that Flink has dropped."""
        self._watches = {row.jid: self._watches.get(row.jid) or JobWatch(self._client, self.name, row) for row in rows}
        self._tries = {jid: tries for jid, tries in self._tries.items() if jid in self._watches}
        return [(self._watches[row.jid], row) for row in rows]

    def _read_settings(self, deadline: Deadline) -> None:
        if self._settings is not None or time.monotonic() < self._settings_again_at:
            return
        self._settings_again_at = time.monotonic() + SETTINGS_AGAIN_SECONDS
        try:
            self._settings = cluster_settings(self._client.get("/jobmanager/config", wire.settings, deadline))
        except Unreachable:
            self._settings = None

    def _let_flink_collect(self, deadline: Deadline) -> None:
        """Flink answers with what it collected last and, when that is older than 10 s, starts to collect again.

        The first half of the poll made it start; without this pause the second half would show old values.
        """
        time.sleep(max(0.0, min(COLLECTING_SECONDS, deadline.remaining_seconds)))

    def _try_again(self, watches: list[JobWatch], deadline: Deadline) -> None:
        """New jobs have no metrics at the first question; a few times, they are asked once more, after a little."""
        for seconds in TRY_AGAIN_AFTER_SECONDS:
            empty = [watch for watch in watches if watch.empty and self._tries.get(watch.id, 0) < MOST_TRIES]
            if not empty or deadline.remaining_seconds < 2 * seconds:
                return
            for watch in empty:
                self._tries[watch.id] = self._tries.get(watch.id, 0) + 1
            time.sleep(seconds)
            self._each(lambda watch: watch.measure(deadline), empty)

    def _each(self, work: Callable[[T], None], things: list[T]) -> None:
        """Does `work` on all, on as many connections as pays."""
        if len(things) <= JOBS_PER_CONNECTION:
            for thing in things:
                work(thing)
            return
        if self._workers is None:
            threads = min(self._connections, -(-len(things) // JOBS_PER_CONNECTION))
            self._workers = ThreadPoolExecutor(threads, thread_name_prefix=f"flinkops {self.name}")
        for _ in self._workers.map(work, things):
            pass

    def _failed(self, state: SourceState, error: str, requests: int, seconds: float) -> SourceStatus:
        return SourceStatus(name=self.name, kind="rest", state=state, error=error, requests=requests, seconds=seconds)


def without_superseded(rows: Iterable[wire.OverviewJob]) -> list[wire.OverviewJob]:
    """Drops ended runs of a name that has a newer one: a cluster remembers each of them for an hour.

    All jobs that have not ended stay, also when they share a name.
    """
    newest_first = sorted(rows, key=lambda row: (row.state in TERMINAL, -row.start_time))
    names: set[str] = set()
    kept = []
    for row in newest_first:
        if row.state not in TERMINAL or row.name not in names:
            kept.append(row)
        names.add(row.name)
    return kept
