"""All sources at once, as one FleetSnapshot. A source that fails costs its own rows' freshness, nobody else's."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import msgspec

from flinkops.clock import Clock
from flinkops.model.facts import FleetSnapshot, SourceState, SourceStatus
from flinkops.sources.delivery import Deliveries
from flinkops.sources.protocol import Source, SourceSnapshot

DEADLINE_SECONDS = 8.0
GRACE_SECONDS = 0.5
"""A source keeps its own deadline; this much later the collector goes on without it."""
SUSPECT_SECONDS = 1.0
"""How long a snapshot waits for a source whose last poll failed."""
EARLY_SECONDS = 0.4
"""How long the first partial snapshot waits for sources that have never answered."""
EARLY_GAP_SECONDS = 0.25
"""Early pictures are at least so far apart, however many sources answer one after the other."""


class Collector:
    """Polls every source in parallel and remembers the last good snapshot of each.

    States in the snapshot's `sources`: ``ok``; ``stale`` when a source is too slow now (what is shown of it is older,
    or not complete); ``unreachable`` and ``denied`` when it fails. `age_seconds` is always that of the facts shown;
    None: nothing was ever seen. Rows of a failing source stay, with the `seen_ms` they were seen at.
    """

    def __init__(self, sources: Sequence[Source], clock: Clock, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        names = [source.name for source in sources]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"two sources are named {repeated[0]!r}")
        self._memories = [_Memory(source) for source in sources]
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        # One thread a source: however many of them hang, the others are asked at once.
        self._threads = ThreadPoolExecutor(max(1, len(sources)), thread_name_prefix="flinkops poll")
        self._lock = threading.Lock()
        self._started: float | None = None  # when the poll under way began, on the monotonic clock

    @property
    def sources(self) -> tuple[Source, ...]:
        """As they were given."""
        return tuple(memory.source for memory in self._memories)

    def collect(self) -> FleetSnapshot:
        """One poll of everything; not longer than the deadline and a little. Never raises for a source's sake.

        A source that failed last time gets the same deadline but holds up the others for a second only: what it says
        later is in the next snapshot.
        """
        with self._lock:
            started = self._start()
            self._started = None
            spent = time.monotonic() - started
            wait(_futures(self._memories, suspect=False), timeout=self._deadline_seconds + GRACE_SECONDS - spent)
            patience = SUSPECT_SECONDS - (time.monotonic() - started)
            wait(_futures(self._memories, suspect=True), timeout=max(0.0, min(patience, self._deadline_seconds)))
            answers = [memory.shown(self._deadline_seconds, self._clock) for memory in self._memories]
            return _snapshot(answers, self._clock.now_ms(), started)

    def partial_snapshots(self) -> Iterator[FleetSnapshot]:
        """Partial snapshots of a first poll while it goes on: what has answered, and that the others are `pending`.

        Each further one has more of it; the poll as a whole is what :meth:`collect` gives afterwards, without
        asking anybody twice. Nothing once each source has answered or failed, and nothing while none has.
        """
        with self._lock:
            if all(memory.known for memory in self._memories):
                return
            started = self._start()
        answered, patience = 0, EARLY_SECONDS
        while time.monotonic() - started < self._deadline_seconds:
            futures = [memory.future for memory in self._memories if memory.future is not None]
            wait(futures, timeout=patience)
            done = sum(future.done() for future in futures)
            if done == len(futures):
                return
            if done > answered:
                answered = done
                answers = [memory.so_far(self._clock) for memory in self._memories]
                yield _snapshot(answers, self._clock.now_ms(), started)
            left = self._deadline_seconds - (time.monotonic() - started)
            wait([f for f in futures if not f.done()], timeout=max(0.0, left), return_when=FIRST_COMPLETED)
            patience = min(EARLY_GAP_SECONDS, max(0.0, left))

    def _start(self) -> float:
        """Begins a poll, unless a partial snapshot did; returns when it began."""
        if self._started is None:
            self._started = time.monotonic()
            for memory in self._memories:
                memory.start(self._threads, self._deadline_seconds, self._clock)
        return self._started

    def retry_now(self) -> None:
        """Makes the next collect ask also those that failed so often that they are left alone for a while."""
        for memory in self._memories:
            retry = getattr(memory.source, "retry_now", None)
            if retry is not None:
                retry()

    def close(self) -> None:
        """Closes all sources; a poll under way ends with an error that nobody sees."""
        for memory in self._memories:
            memory.source.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Memory:
    """One source with its last good snapshot and the poll under way."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._deliveries = Deliveries()
        self.future: Future[SourceSnapshot] | None = None
        self._good: SourceSnapshot | None = None
        self._good_at = 0.0  # monotonic: a clock that is set back does not make old facts young
        self._last: SourceStatus | None = None

    def start(self, threads: ThreadPoolExecutor, deadline_seconds: float, clock: Clock) -> None:
        """Starts a poll unless the last one is still under way."""
        if self.future is None:
            self.future = threads.submit(self._poll, deadline_seconds, clock)

    @property
    def suspect(self) -> bool:
        """Its last poll failed or was too slow."""
        return self._last is not None and self._last.state != "ok"

    @property
    def known(self) -> bool:
        """It has answered or failed once."""
        return self._last is not None

    def so_far(self, clock: Clock) -> SourceSnapshot:
        """What a partial snapshot shows of it; the poll as a whole is shown later."""
        if self.future is not None and self.future.done():
            return self._with_status(self.future.result().status, clock)
        waiting = f"{self.source.name} has not answered yet"
        status = SourceStatus(
            name=self.source.name, kind=self.source.kind, state="unreachable", error=waiting, pending=True
        )
        return self._with_status(status, clock)

    def shown(self, deadline_seconds: float, clock: Clock) -> SourceSnapshot:
        """What the snapshot shows of it: the new answer, or the last good one with what is wrong now."""
        if self.future is None or not self.future.done():
            if self._last is None or self._last.state == "ok":
                error = f"{self.source.name} has not answered within {deadline_seconds:g} s"
                state: SourceState = "unreachable" if self._good is None else "stale"
                self._last = SourceStatus(name=self.source.name, kind=self.source.kind, state=state, error=error)
            return self._with_status(self._last, clock)
        answer, self.future = self.future.result(), None
        self._last = answer.status
        return self._with_status(answer.status, clock)

    def _poll(self, deadline_seconds: float, clock: Clock) -> SourceSnapshot:
        try:
            answer = self._deliveries.add_to(self.source.poll(deadline_seconds))
        except Exception as problem:  # noqa: BLE001 - a mistake in one source must not take the others' rows along
            error = f"{self.source.name} could not be read ({type(problem).__name__}: {problem})"
            status = SourceStatus(name=self.source.name, kind=self.source.kind, state="unreachable", error=error)
            return SourceSnapshot(status)
        if answer.status.state in ("ok", "stale"):
            self._good, self._good_at = answer, clock.monotonic()
        return answer

    def _with_status(self, status: SourceStatus, clock: Clock) -> SourceSnapshot:
        """The last good snapshot, under the status of the source now."""
        age_seconds = None
        if self._good is not None:  # what it saw then may have been of some age already
            age_seconds = (self._good.status.age_seconds or 0.0) + clock.monotonic() - self._good_at
        status = msgspec.structs.replace(status, age_seconds=age_seconds)
        return SourceSnapshot(status) if self._good is None else msgspec.structs.replace(self._good, status=status)


def _snapshot(answers: Sequence[SourceSnapshot], now_ms: int, started: float) -> FleetSnapshot:
    return FleetSnapshot(
        taken_ms=now_ms,
        poll_seconds=round(time.monotonic() - started, 3),
        sources=tuple(answer.status for answer in answers),
        clusters=tuple(cluster for answer in answers for cluster in answer.clusters),
        jobs=tuple(job for answer in answers for job in answer.jobs),
    )


def _futures(memories: Sequence[_Memory], *, suspect: bool) -> list[Future[SourceSnapshot]]:
    return [memory.future for memory in memories if memory.future is not None and memory.suspect is suspect]
