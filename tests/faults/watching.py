"""Watches all jobs of the lab by the raw facts alone, beside the doctor and slower in nothing."""

import threading
import time
from collections.abc import Sequence

from flinkops.clock import SystemClock
from flinkops.collect import Collector
from flinkops.model.endpoint import parse_endpoint
from flinkops.sources.flink.source import FlinkRestSource
from tests.faults.cases import Symptom
from tests.faults.lab import Lab
from tests.faults.symptoms import FACTS, Seen

POLL_SECONDS = 2.0


class Watcher:
    """Polls in a thread of its own from `with` to its end; remembers every poll of every job."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._collector = Collector([FlinkRestSource(parse_endpoint(lab.url, name="lab"))], SystemClock())
        self._seen: dict[str, list[Seen]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="fault lab watcher")

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._stop.set()
        self._thread.join()
        self._collector.close()

    def seen(self, name: str) -> Sequence[Seen]:
        """All polls of one job, oldest first."""
        return tuple(self._seen.get(name, ()))

    def placed(self, name: str) -> bool:
        """The job runs, all of it."""
        seen = self.seen(name)
        return (
            bool(seen)
            and seen[-1].job.state == "RUNNING"
            and all(vertex.status == "RUNNING" for vertex in seen[-1].job.vertices)
        )

    def begun_at(self, name: str, symptom: Symptom) -> float | None:
        """When the symptoms began: epoch seconds of the first poll with the fact at its limit; None: not yet."""
        seen = self.seen(name)
        for count in range(1, len(seen) + 1):
            value = FACTS[symptom.fact](seen[:count])
            if value is not None and value >= symptom.limit:
                return seen[count - 1].at_seconds
        return None

    def _watch(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            self._sample()
            self._stop.wait(max(0.1, POLL_SECONDS - (time.monotonic() - begun)))

    def _sample(self) -> None:
        snapshot = self._collector.collect()
        gc_ratio = self._lab.gc_ratio()
        cluster = snapshot.clusters[0] if snapshot.clusters else None
        for job in snapshot.jobs:
            entry = Seen(snapshot.taken_ms / 1000, job, cluster, gc_ratio)
            self._seen.setdefault(job.name, []).append(entry)
