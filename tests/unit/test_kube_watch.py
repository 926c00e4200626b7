"""List and watch, over the wire: what a poll costs, what it sees, and what happens when a watch breaks."""

import queue
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flinkops.sources.circuit import Circuit
from flinkops.sources.kubernetes import watch
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.source import KubernetesSource
from tests.patience import PATIENT_SECONDS, until
from tests.unit.cr_samples import resource
from tests.unit.kube_server import GROUP, Answer, ApiServer, serving, status, write_kubeconfig

DEPLOYMENTS = f"{GROUP}/namespaces/default/flinkdeployments"


def named(name: str, version: str = "10") -> dict[str, Any]:
    made = resource("1.15.0", 5)
    made["metadata"] |= {"name": name, "resourceVersion": version}
    return made


class WatchedKind:
    """flinkdeployments of the small server: a list with a version, and watches that tests feed."""

    def __init__(self, api: ApiServer) -> None:
        self.listed = [named("a")]
        self.lists = 0
        self.watched_from: list[str] = []
        self.refuse: Answer | None = None
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        api.answers[DEPLOYMENTS] = self._answer

    def send(self, kind: str, *objects: dict[str, Any]) -> None:
        for one in objects:
            self._events.put({"type": kind, "object": one})

    def end(self) -> None:
        """The server ends the watch that stands."""
        self._events.put(None)

    def _answer(self, _: str, query: dict[str, str]) -> Answer:
        if "watch" not in query:
            self.lists += 1
            return 200, {"metadata": {"resourceVersion": str(100 * self.lists)}, "items": self.listed}
        assert query["allowWatchBookmarks"] == "true"
        self.watched_from.append(query["resourceVersion"])
        return self.refuse or (200, iter(self._events.get, None))


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
def kind(api: ApiServer) -> WatchedKind:
    return WatchedKind(api)


@pytest.fixture
def source(api: ApiServer, kind: WatchedKind, tmp_path: Path) -> Iterator[KubernetesSource]:
    with serving(api) as url:
        found = KubernetesSource(open_access(write_kubeconfig(url, tmp_path)))
        yield found
        found.close()
        kind.end()


def names(source: KubernetesSource) -> list[str]:
    snapshot = source.poll(PATIENT_SECONDS)
    assert snapshot.status.state == "ok", snapshot.status.error
    return sorted(job.name for job in snapshot.jobs)


def test_one_poll_lists_and_starts_no_watch(source: KubernetesSource, kind: WatchedKind) -> None:
    assert names(source) == ["a"]
    assert (kind.lists, kind.watched_from) == (1, [])


def test_the_second_poll_starts_a_watch_and_the_third_needs_no_list(
    source: KubernetesSource, kind: WatchedKind, api: ApiServer
) -> None:
    names(source)
    names(source)
    until(lambda: kind.watched_from == ["200"])
    kind.send("ADDED", named("b", "201"))
    until(lambda: names(source) == ["a", "b"])
    lists = kind.lists
    api.asked.clear()
    assert names(source) == ["a", "b"]
    assert kind.lists == lists
    assert not any("flinkdeployments" in one for one in api.asked)


def test_changes_and_deletions_arrive(source: KubernetesSource, kind: WatchedKind) -> None:
    start_watching(source, kind)
    kind.send("ADDED", named("b", "201"))
    changed = named("a", "202")
    changed["spec"]["image"] = "another:2"
    kind.send("MODIFIED", changed)
    until(lambda: images(source) == {"a": "another:2", "b": named("b")["spec"]["image"]})
    kind.send("DELETED", named("a", "203"))
    until(lambda: names(source) == ["b"])


def images(source: KubernetesSource) -> dict[str, str | None]:
    return {job.name: job.resource.image for job in source.poll(PATIENT_SECONDS).jobs if job.resource}


def start_watching(source: KubernetesSource, kind: WatchedKind) -> None:
    names(source)
    names(source)
    until(lambda: bool(kind.watched_from))
    kind.send("BOOKMARK", {"metadata": {"resourceVersion": "201"}})
    kind.send("MODIFIED", named("a", "202"))
    until(lambda: source.watches >= 1)


def test_a_watch_that_the_server_ends_is_taken_up_where_it_was(source: KubernetesSource, kind: WatchedKind) -> None:
    start_watching(source, kind)
    kind.send("BOOKMARK", {"metadata": {"resourceVersion": "250"}})
    kind.end()
    until(lambda: len(kind.watched_from) == 2)
    assert kind.watched_from[1] == "250"
    kind.send("ADDED", named("later", "251"))
    until(lambda: names(source) == ["a", "later"])


@pytest.mark.parametrize("how", ["in the stream", "at once"])
@pytest.mark.thorough
def test_a_version_that_is_too_old_leads_to_a_new_list(source: KubernetesSource, kind: WatchedKind, how: str) -> None:
    start_watching(source, kind)
    kind.listed = [named("new")]
    before = kind.lists
    if how == "in the stream":
        kind.send("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})
    else:
        kind.refuse = status(410, "too old resource version")
        kind.end()
    until(lambda: names(source) == ["new"])
    assert kind.lists > before


def test_who_may_not_watch_lists_at_each_poll(
    source: KubernetesSource, kind: WatchedKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "Circuit", partial(Circuit, monotonic=lambda: 0.0))  # no time passes
    kind.refuse = status(403, 'flinkdeployments is forbidden: User "ann" cannot watch')
    for number in range(4):
        kind.listed = [named(f"n{number}")]
        assert names(source) == [f"n{number}"]
        until(lambda: not watching_threads())
    assert len(kind.watched_from) == 1  # not asked again and again


def test_a_broken_watch_costs_a_list_and_no_row(source: KubernetesSource, kind: WatchedKind) -> None:
    start_watching(source, kind)
    kind.send("GARBAGE", {})  # unknown kinds are passed over
    kind._events.put("not an event")  # type: ignore[arg-type]
    until(lambda: source.watches < 2)
    kind.listed = [named("a"), named("b")]
    until(lambda: names(source) == ["a", "b"])


def test_a_session_of_polls_leaves_no_watch_behind(source: KubernetesSource, kind: WatchedKind) -> None:
    start_watching(source, kind)
    assert watching_threads()
    source.close()
    until(lambda: not watching_threads())


def watching_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("watch flinkdeployments")]
