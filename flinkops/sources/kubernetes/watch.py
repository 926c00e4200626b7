"""The custom resources of one kind and place as they are now: listed, and followed by a watch from the second poll on.

A single poll (a script's `status -o json`) lists and is done. Who polls again is going to poll often: the second poll
lists and starts a watch, and as long as that stands a poll costs the API server no list. When a watch breaks, the
next poll lists again and goes on from there, so facts are never older than the poll; after failures in a row, or where
`watch` is not allowed, polls simply list for a while.
"""

import threading
import time
from collections.abc import Mapping

from flinkops.errors import Denied, FlinkopsError
from flinkops.model.json_reading import Json, section, text
from flinkops.sources.circuit import Circuit
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink.http import Overdue
from flinkops.sources.kubernetes.api import Change, Gone, KubeClient, custom_path, list_versioned, watch_changes
from flinkops.sources.kubernetes.resources import identity

IDLE_SECONDS = 100.0
"""Longer without a word than a bookmark's minute: the connection is dead, whatever TCP thinks."""
_HASTY_SECONDS = 1.0  # a watch that ends sooner, without an event, is no watch: some proxy is in the way


class Feed:
    """The objects of `plural` in `namespace` (None: all) with the labels of `selector`. One thread polls at a time."""

    def __init__(
        self,
        plural: str,
        namespace: str | None,
        selector: str | None = None,
        *,
        circuit: Circuit | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.plural = plural
        self.namespace = namespace
        self._selector = selector
        self._idle_seconds = idle_seconds
        self._circuit = circuit or Circuit(failures_to_open=2)
        self._lock = threading.Lock()
        self._objects: dict[tuple[str, str], Json] = {}
        self._listed_before = False
        self._following = False
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def following(self) -> bool:
        """Whether a watch stands, so that the objects come from memory."""
        return self._following

    def objects(self, client: KubeClient, deadline: Deadline) -> list[Json]:
        """As they are now. Raises as :func:`list_all` does when they have to be listed."""
        with self._lock:
            if self._following:
                return list(self._objects.values())
        path = custom_path(self.plural, self.namespace)
        listed = list_versioned(client, path, deadline, labelSelector=self._selector)
        self._follow_from(client, path, {identity(one): one for one in listed.objects}, listed.version)
        return listed.objects

    def close(self) -> None:
        """No further watch; the one under way ends when its client is closed."""
        self._closed = True

    def _follow_from(
        self, client: KubeClient, path: str, objects: Mapping[tuple[str, str], Json], version: str | None
    ) -> None:
        again, self._listed_before = self._listed_before, True
        if self._thread is not None and self._thread.is_alive():
            return  # it is about to stand, and from an older version: what it replays must not meet newer objects
        self._objects = dict(objects)
        if again and version and not self._closed and self._circuit.wait_seconds == 0:
            name = f"watch {self.plural}"[:30]
            self._thread = threading.Thread(target=self._follow, args=(client, path, version), name=name, daemon=True)
            self._thread.start()

    def _follow(self, client: KubeClient, path: str, version: str) -> None:
        """Watch after watch, each from where the last one ended, until one fails."""
        try:
            while not self._closed:
                version = self._one_watch(client, path, version)
        except Gone:
            return  # too long away: the next poll lists
        except Denied:
            self._circuit.failed()
            self._circuit.failed()  # no use in asking again soon
        except FlinkopsError:
            self._circuit.failed()
        finally:
            self._following = False

    def _one_watch(self, client: KubeClient, path: str, version: str) -> str:
        """The version that the next watch goes on from, once the server has ended this one."""
        begun, events = time.monotonic(), 0
        changes = watch_changes(client, path, version, idle_seconds=self._idle_seconds, selector=self._selector)
        try:
            for change in changes:
                with self._lock:
                    version = self._apply(change) or version
                    self._following = True
                if change.kind != "STARTED":
                    events += 1
                    self._circuit.succeeded()
                if self._closed:
                    break
        except Overdue:
            return version
        finally:
            self._following = False
        if not events and time.monotonic() - begun < _HASTY_SECONDS:
            raise FlinkopsError("the watch ended at once")
        return version

    def _apply(self, change: Change) -> str | None:
        """Takes a change in; the version it has."""
        if change.kind in ("ADDED", "MODIFIED"):
            self._objects[identity(change.object)] = change.object
        elif change.kind == "DELETED":
            self._objects.pop(identity(change.object), None)
        return text(section(change.object, "metadata"), "resourceVersion")
