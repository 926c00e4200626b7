"""All custom resources of the scopes that one source reads, by their watches."""

import time
from collections.abc import Sequence

from flinkops.errors import Denied
from flinkops.model.facts import JobKey
from flinkops.model.json_reading import Json, section, text
from flinkops.sources.deadline import Deadline
from flinkops.sources.kubernetes.api import KubeClient, denied_line, flink_resources
from flinkops.sources.kubernetes.join import Listing
from flinkops.sources.kubernetes.operator_version import read_operator
from flinkops.sources.kubernetes.resources import identity, snapshots_by_job
from flinkops.sources.kubernetes.watch import Feed
from flinkops.sources.protocol import Wanted

DEPLOYMENTS, SESSION_JOBS = "flinkdeployments", "flinksessionjobs"
SNAPSHOTS, BLUE_GREEN = "flinkstatesnapshots", "flinkbluegreendeployments"
NO_OPERATOR = "this cluster has no Flink operator (no API group flink.apache.org)"

_OPERATOR_SECONDS = 600.0  # how long its version is taken for the same
_WITHOUT = {
    SESSION_JOBS: "session jobs are not shown",
    SNAPSHOTS: "snapshots are not shown",
    BLUE_GREEN: "blue/green states are not shown",
}


class Resources:
    """The operator's resources in `scopes` (None: all). A kind that the cluster does not have is no error."""

    def __init__(
        self, context: str, scopes: Sequence[str | None], selector: str | None, wanted: Wanted | None = None
    ) -> None:
        self._context = context
        self._scopes = tuple(scopes)
        self._selector = selector
        self._wanted = wanted
        self._feeds: dict[tuple[str, str | None], Feed] = {}
        self._last: Listing | None = None
        self._last_at = 0.0
        self._operator_version: str | None = None
        self._operator_read: float | None = None

    @property
    def last(self) -> Listing | None:
        """As the last good poll had them."""
        return self._last

    @property
    def age_seconds(self) -> float:
        """How old :attr:`last` is."""
        return time.monotonic() - self._last_at

    @property
    def watches(self) -> int:
        """How many watches stand."""
        return sum(feed.following for feed in self._feeds.values())

    def read(self, client: KubeClient, deadline: Deadline) -> Listing:
        """As they are now. Raises Denied, with the permission, when deployments may not be read; Unreachable."""
        present = flink_resources(client, deadline)
        if DEPLOYMENTS not in present:
            return Listing(notes=(NO_OPERATOR,))
        notes: list[str] = []
        deployments = self._of_kind(client, DEPLOYMENTS, deadline)

        def optional(plural: str) -> list[Json]:
            if plural not in present:
                return []
            try:
                return self._of_kind(client, plural, deadline)
            except Denied as problem:
                notes.append(f"{problem.what}: {_WITHOUT[plural]}")
                return []

        self._last = Listing(
            deployments=tuple(deployments),
            session_jobs=tuple(optional(SESSION_JOBS)),
            snapshots=snapshots_by_job(optional(SNAPSHOTS)),
            blue_green={
                identity(one): text(section(one, "status"), "blueGreenState") or "UNKNOWN"
                for one in optional(BLUE_GREEN)
            },
            operator_version=self._operator(client, deadline),
            notes=tuple(notes),
        )
        self._last_at = time.monotonic()
        return self._last

    def forget_watches(self) -> None:
        """Lets go of all watches, since their client is about to be closed; the next poll lists."""
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()

    def _operator(self, client: KubeClient, deadline: Deadline) -> str | None:
        now = time.monotonic()
        if self._operator_read is None or now - self._operator_read > _OPERATOR_SECONDS:
            self._operator_version, self._operator_read = read_operator(client, deadline).version, now
        return self._operator_version

    def _of_kind(self, client: KubeClient, plural: str, deadline: Deadline) -> list[Json]:
        found: list[Json] = []
        for namespace in self._scopes:
            try:
                found += self._feed(plural, namespace).objects(client, deadline)
            except Denied as problem:
                line = denied_line("list", f"{plural}.flink.apache.org", namespace, problem)
                raise Denied(f"{self._context}: {line}", http_status=problem.http_status, user=problem.user) from None
        if self._wanted is None or plural not in (DEPLOYMENTS, SESSION_JOBS):
            return found
        return [one for one in found if self._wanted(JobKey(self._context, *identity(one)))]

    def _feed(self, plural: str, namespace: str | None) -> Feed:
        if (feed := self._feeds.get((plural, namespace))) is None:
            # A snapshot and a blue/green parent do not carry the labels of their jobs.
            selector = self._selector if plural in (DEPLOYMENTS, SESSION_JOBS) else None
            feed = self._feeds[plural, namespace] = Feed(plural, namespace, selector)
        return feed
