"""All sources at once, as one FleetSnapshot. A source that fails costs its own rows' freshness, nobody else's."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import msgspec

from flinkops.clock import Clock
from flinkops.model.facts import FleetSnapshot, SourceStatus
from flinkops.sources.protocol import Source, SourceLook

DEADLINE_SECONDS = 8.0
GRACE_SECONDS = 0.5
"""A source keeps its own deadline; this much later the collector goes on without it."""


class Collector:
    """Looks at every source in parallel and remembers the last good look of each.

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
        self._threads = ThreadPoolExecutor(max(1, len(sources)), thread_name_prefix="flinkops look")
        self._lock = threading.Lock()

    @property
    def sources(self) -> tuple[Source, ...]:
        """As they were given."""
        return tuple(memory.source for memory in self._memories)

    def collect(self) -> FleetSnapshot:
        """One look at everything; not longer than the deadline and a little. Never raises for a source's sake."""
        with self._lock:
            started = time.monotonic()
            for memory in self._memories:
                memory.start(self._threads, self._deadline_seconds, self._clock)
            under_way = [memory.future for memory in self._memories if memory.future is not None]
            wait(under_way, timeout=self._deadline_seconds + GRACE_SECONDS)
            now_ms = self._clock.now_ms()
            shown = [memory.shown(now_ms, self._deadline_seconds) for memory in self._memories]
            return FleetSnapshot(
                taken_ms=now_ms,
                poll_seconds=round(time.monotonic() - started, 3),
                sources=tuple(look.status for look in shown),
                clusters=tuple(cluster for look in shown for cluster in look.clusters),
                jobs=tuple(job for look in shown for job in look.jobs),
            )

    def retry_now(self) -> None:
        """Makes the next collect ask also those that failed so often that they are left alone for a while."""
        for memory in self._memories:
            retry = getattr(memory.source, "retry_now", None)
            if retry is not None:
                retry()

    def close(self) -> None:
        """Closes all sources; a look under way ends with an error that nobody sees."""
        for memory in self._memories:
            memory.source.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Memory:
    """One source with its last good look and the look under way."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.future: Future[SourceLook] | None = None
        self._good: SourceLook | None = None
        self._good_ms = 0

    def start(self, threads: ThreadPoolExecutor, deadline_seconds: float, clock: Clock) -> None:
        """Starts a look unless the last one is still going on."""
        if self.future is None:
            self.future = threads.submit(self._look, deadline_seconds, clock)

    def shown(self, now_ms: int, deadline_seconds: float) -> SourceLook:
        """What the snapshot shows of it: the new look, or the last good one with what is wrong now."""
        if self.future is None or not self.future.done():
            return self._older("stale", f"{self.source.name} has not answered within {deadline_seconds:g} s", now_ms)
        look, self.future = self.future.result(), None
        if look.status.state in ("ok", "stale"):
            return look
        return self._older(look.status.state, look.status.error, now_ms, look.status)

    def _look(self, deadline_seconds: float, clock: Clock) -> SourceLook:
        try:
            look = self.source.look(deadline_seconds)
        except Exception as problem:  # noqa: BLE001 - a mistake in one source must not take the others' rows along
            error = f"{self.source.name} could not be read ({type(problem).__name__}: {problem})"
            status = SourceStatus(name=self.source.name, kind=self.source.kind, state="unreachable", error=error)
            return SourceLook(status)
        if look.status.state in ("ok", "stale"):
            self._good, self._good_ms = look, clock.now_ms()
        return look

    def _older(self, state: str, error: str | None, now_ms: int, status: SourceStatus | None = None) -> SourceLook:
        good = self._good
        new = SourceStatus(
            name=self.source.name,
            kind=self.source.kind,
            state="unreachable" if state == "stale" and good is None else state,  # type: ignore[arg-type]
            age_seconds=None if good is None else max(0.0, (now_ms - self._good_ms) / 1000),
            error=error,
            requests=status.requests if status else 0,
            seconds=status.seconds if status else None,
        )
        return SourceLook(new) if good is None else msgspec.structs.replace(good, status=new)
