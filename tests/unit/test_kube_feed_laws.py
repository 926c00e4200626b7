"""Whatever happens to its watches, a feed shows what the server has: a model, random histories."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flinkops.errors import Denied, Unreachable
from flinkops.sources.circuit import Circuit
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink.http import Overdue
from flinkops.sources.kubernetes.api import Change, Gone, Listed
from flinkops.sources.kubernetes.watch import Feed
from tests.effort import examples
from tests.patience import PATIENT_SECONDS, until

NAMES = ("a", "b", "c")
BREAKS = {
    "gone": Gone("too old"),
    "cut": Unreachable("cut"),
    "idle": Overdue("nothing came"),
    "denied": Denied("no longer"),
}
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(("put", "delete", "bookmark", "poll", "end", *BREAKS)), st.sampled_from(NAMES)),
    max_size=25,
)
Object = dict[str, Any]


class Server:
    """Objects with versions, and watches that say what changes."""

    def __init__(self) -> None:
        self.version = 100
        self.objects: dict[str, Object] = {}
        self.history: list[Change] = []
        self.lists = 0
        self._watches: list[queue.Queue[Change | Exception | None]] = []
        self._lock = threading.Lock()

    def change(self, kind: str, name: str) -> None:
        with self._lock:
            if kind == "delete" and name not in self.objects:
                return
            self.version += 1
            metadata = {"namespace": "default", "name": name, "resourceVersion": str(self.version)}
            body = (
                {"metadata": metadata} if kind != "bookmark" else {"metadata": {"resourceVersion": str(self.version)}}
            )
            word = {"delete": "DELETED", "bookmark": "BOOKMARK"}.get(
                kind, "MODIFIED" if name in self.objects else "ADDED"
            )
            if kind == "put":
                self.objects[name] = body
            elif kind == "delete":
                del self.objects[name]
            self._say(Change(word, body))

    def end(self, how: Exception | None) -> None:
        """Ends the watches that stand."""
        with self._lock:
            for one in self._watches:
                one.put(how)
            self._watches.clear()

    def list(self, *_: object, **__: object) -> Listed:
        with self._lock:
            self.lists += 1
            return Listed(list(self.objects.values()), str(self.version))

    def watch(self, _client: object, _path: str, version: str, **_options: object) -> Iterator[Change]:
        events: queue.Queue[Change | Exception | None] = queue.Queue()
        with self._lock:
            events.put(Change("STARTED", {}))
            for change in self.history:
                if int(change.object["metadata"]["resourceVersion"]) > int(version):
                    events.put(change)
            self._watches.append(events)
        while (event := events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    def _say(self, change: Change) -> None:
        self.history.append(change)
        for one in self._watches:
            one.put(change)


def shown(feed: Feed) -> dict[str, str]:
    found = feed.objects(None, Deadline(PATIENT_SECONDS))  # type: ignore[arg-type]
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in found}


def had(server: Server) -> dict[str, str]:
    return {name: one["metadata"]["resourceVersion"] for name, one in server.objects.items()}


@settings(max_examples=examples(2))
@given(OPERATIONS)
def test_what_a_feed_shows_is_what_the_server_has(operations: list[tuple[str, str]]) -> None:
    server = Server()
    feed = Feed("flinkdeployments", "default", circuit=Circuit(failures_to_open=1000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flinkops.sources.kubernetes.watch.list_versioned", server.list)
        patch.setattr("flinkops.sources.kubernetes.watch.watch_changes", server.watch)
        patch.setattr("flinkops.sources.kubernetes.watch._HASTY_SECONDS", 0.0)
        try:
            for kind, name in operations:
                if kind in ("put", "delete", "bookmark"):
                    server.change(kind, name)
                elif kind != "poll":
                    server.end(BREAKS.get(kind))
                settles(feed, server)
        finally:
            feed.close()
            server.end(None)
            server.change("bookmark", "a")


def settles(feed: Feed, server: Server) -> None:
    """What is under way arrives within a moment; then the two agree."""
    until(lambda: shown(feed) == had(server), pause_seconds=0.001)
