"""Polls come in, decisions come out: the same for a live loop, for a recording, and for a simulated job."""

from collections.abc import Sequence

import msgspec

from flinkops.autoscale.decide import Decision, decide, held, scalings
from flinkops.autoscale.memory import Memory
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.window import PolledJob, polled_job, running_since_ms, window_of, with_memory
from flinkops.model.detail import JobDetail
from flinkops.model.facts import BATCH, JobFacts
from flinkops.model.quantities import human_seconds
from flinkops.model.states import JobState

SHORTEST_SECONDS = 30.0
"""Flink refreshes its metrics every 10 s: over less, a counter may not have moved although records come in."""
_CLOCK_SLACK_SECONDS = 0.5
"""Polls are stamped in whole milliseconds by a clock that NTP slews; rounded to whole seconds it is enough or not."""
BATCH_WHY = "a batch job: Flink's adaptive batch scheduler decides the parallelism of each stage by its input"


class Controller:
    """One job. Keeps the polls of the metrics window, and what the decisions remember."""

    def __init__(self, settings: Settings, memory: Memory | None = None) -> None:
        self.settings = settings
        self.memory = memory or Memory()
        self._polls: list[PolledJob] = []
        self._rescaled_ms: int | None = None
        self._restarting_since_ms: int | None = None

    def observe_facts(
        self, job: JobFacts, *, slots_free: int | None = None, detail: JobDetail | None = None
    ) -> Decision:
        """Decide with one more poll. `slots_free` None: there is no such limit; `detail`: for the memory."""
        if job.job_type == BATCH:
            return held(window_of([polled_job(job)]), self.settings, job.seen_ms, BATCH_WHY)
        return self.observe(polled_job(job), slots_free=slots_free, memory=memory_pressure(detail))

    def observe(
        self,
        polled: PolledJob,
        *,
        slots_free: int | None = None,
        memory: tuple[float | None, float | None] = (None, None),
    ) -> Decision:
        """The same with a poll as decisions need it; `memory`: shares of garbage collection and heap."""
        now_ms = polled.sample.at_ms
        if self._polls and self._polls[-1].sample.at_ms > now_ms:
            self._clock_set_back(now_ms)
        elif self._polls and self._polls[-1].sample.at_ms == now_ms:
            self._polls.pop()  # the same once more
        self._polls.append(polled)
        self._time_restart(polled)
        oldest_ms = now_ms - self.settings.metrics_window_seconds * 1000
        begin_ms = max((each.sample.at_ms for each in self._polls if each.sample.at_ms <= oldest_ms), default=oldest_ms)
        self._polls = [each for each in self._polls if each.sample.at_ms >= begin_ms]
        window = with_memory(window_of(self._polls, slots_free=slots_free), *memory)
        decision, self.memory = decide(window, self.settings, self.memory, now_ms)
        return self._cooled_down(decision)

    def rescaled(self, decision: Decision, at_ms: int) -> None:
        """The decision was carried out."""
        self.memory = self.memory.scaled(scalings(decision))
        self._rescaled_ms = at_ms
        self._restarting_since_ms = decision.at_ms

    def tried(self, at_ms: int) -> None:
        """It could not be carried out: the next try waits for the cool-down."""
        self._rescaled_ms = at_ms

    def _time_restart(self, polled: PolledJob) -> None:
        """The first poll at which all tasks run again tells how long the last rescale took."""
        began_ms, since_ms = self._restarting_since_ms, polled.running_since_ms
        if began_ms is None or since_ms is None or since_ms <= began_ms or polled.state != JobState.RUNNING:
            return
        self._restarting_since_ms = None
        self.memory = self.memory.restarted((since_ms - began_ms) / 1000)

    def _clock_set_back(self, now_ms: int) -> None:
        """What was seen and wanted before lies in a time that is still to come: the windows begin again."""
        self._polls.clear()
        self._restarting_since_ms = None
        self.memory = msgspec.structs.replace(self.memory, waiting={}, rising_since_ms=None)
        if self._rescaled_ms is not None:
            self._rescaled_ms = min(self._rescaled_ms, now_ms)

    def _cooled_down(self, decision: Decision) -> Decision:
        if decision.verdict != "scale" or self._rescaled_ms is None:
            return decision
        left_seconds = self.settings.cool_down_seconds - (decision.at_ms - self._rescaled_ms) / 1000
        if left_seconds <= 0:
            return decision
        why = f"cooling down for {human_seconds(left_seconds)} after the last rescale"
        return msgspec.structs.replace(decision, verdict="blocked", blocked_by=(why,))


def advise(
    polls: Sequence[JobFacts], settings: Settings, *, slots_free: int | None = None, detail: JobDetail | None = None
) -> Decision:
    """One decision from a few polls, for a person who asks now.

    The window is what was polled, and neither a scale-down nor a load that rises has to wait.
    """
    running_ms = running_since_ms(polls[-1])
    stable_ms = polls[0].seen_ms if running_ms is None else running_ms + round(settings.stabilization_seconds * 1000)
    span_seconds = (polls[-1].seen_ms - max(polls[0].seen_ms, stable_ms)) / 1000
    window = window_of([polled_job(job) for job in polls], slots_free=slots_free)
    if polls[-1].job_type == BATCH:
        return held(window, settings, polls[-1].seen_ms, BATCH_WHY)
    polled_seconds = (window.samples[-1].at_ms - window.samples[0].at_ms) / 1000
    if polls[-1].state == JobState.RUNNING and polled_seconds < SHORTEST_SECONDS - _CLOCK_SLACK_SECONDS:
        why = f"too young: {human_seconds(polled_seconds)} of metrics, at least {human_seconds(SHORTEST_SECONDS)} count"
        return held(window, settings, polls[-1].seen_ms, why)
    at_once = msgspec.structs.replace(
        settings,
        metrics_window_seconds=min(settings.metrics_window_seconds, max(1.0, span_seconds)),
        scale_down_interval_seconds=0.0,
        settle_seconds=0.0,
    )
    window = with_memory(window, *memory_pressure(detail))
    return decide(window, at_once, Memory(), polls[-1].seen_ms)[0]


def memory_pressure(detail: JobDetail | None) -> tuple[float | None, float | None]:
    """The worst TaskManager's share of time in garbage collection, and how full its heap is; None: not known."""
    managers = detail.taskmanagers if detail else ()
    gc = [each.gc_ratio for each in managers if each.gc_ratio is not None]
    heap = [
        each.heap_used_bytes / each.heap_max_bytes
        for each in managers
        if each.heap_used_bytes is not None and each.heap_max_bytes
    ]
    return max(gc, default=None), max(heap, default=None)
