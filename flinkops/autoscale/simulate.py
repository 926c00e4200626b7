"""A job as numbers: rates, capacities, skew, pauses and noise; deterministic, for scenarios and what-ifs.

Time goes in steps, one a poll. In each, sources take in what has arrived and what waits, as far as every vertex below
can process it: the tightest one holds back the rest, as backpressure does. A rescale stops the job for its pause; what
arrives meanwhile waits. Its metrics are those that Flink would show.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from flinkops.autoscale.controller import Controller
from flinkops.autoscale.window import PolledJob, Sample, Vertex, VertexSample, in_order

Load = Callable[[float], float]
"""Records that arrive a second, at a time in seconds."""


@dataclass(frozen=True)
class Stage:
    """One vertex. `rate_each`: records per second of one subtask that is never idle.

    `sends`: records out for each record in. `skew`: how much more than the mean the busiest subtask gets.
    """

    id: str
    rate_each: float
    inputs: Mapping[str, str] = field(default_factory=dict)
    sends: float = 1.0
    parallelism: int = 1
    max_parallelism: int = 128
    partitions: int | None = None
    skew: float = 1.0


@dataclass(frozen=True)
class World:
    """What surrounds a job. `noise`: by how much, as a share, arrivals and busy times vary from step to step."""

    step_seconds: float = 60.0
    pause_seconds: float = 20.0
    slots: int | None = None
    noise: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Moment:
    """A job at the end of a step."""

    seconds: float
    arrived_per_second: float
    slots: int
    lag_records: float
    parallelism: Mapping[str, int]
    rescaled: bool


@dataclass(frozen=True)
class Outcome:
    """A whole run. Lag in seconds is that of the arrivals of the moment."""

    moments: Sequence[Moment]
    step_seconds: float

    @property
    def rescales(self) -> int:
        """How often the job was rescaled."""
        return sum(moment.rescaled for moment in self.moments)

    @property
    def slot_hours(self) -> float:
        """What it cost."""
        return sum(moment.slots for moment in self.moments) * self.step_seconds / 3600

    @property
    def peak_lag_records(self) -> float:
        """The most that waited."""
        return max((moment.lag_records for moment in self.moments), default=0.0)

    @property
    def mean_lag_records(self) -> float:
        """What waited on the average."""
        return math.fsum(moment.lag_records for moment in self.moments) / max(1, len(self.moments))


class Simulation:
    """One job that runs. Sources share the load by equal parts."""

    def __init__(self, stages: Sequence[Stage], load: Load, world: World) -> None:
        self._world = world
        self._load = load
        self._chance = random.Random(world.seed)  # noqa: S311 - noise, not secrets
        self._stages = {stage.id: stage for stage in stages}
        self.parallelism = {stage.id: stage.parallelism for stage in stages}
        self._graph = in_order([self._vertex(stage) for stage in stages])
        self._sources = [vertex.id for vertex in self._graph if not vertex.inputs]
        self._seconds = 0.0
        self._paused_until = 0.0
        self._running_since = 0.0
        self._attempt = 0
        self._lag = dict.fromkeys(self._sources, 0.0)
        self._counters = {vertex.id: [0.0, 0.0, 0.0] for vertex in self._graph}  # in, out, busy ms

    def rescale(self, wanted: Mapping[str, int]) -> None:
        """Begin a rescale: the job stands still for its pause, then counts from zero."""
        self.parallelism.update(wanted)
        self._graph = in_order([self._vertex(stage) for stage in self._stages.values()])
        self._paused_until = self._seconds + self._world.pause_seconds
        self._running_since = self._paused_until
        self._attempt += 1
        self._counters = {vertex.id: [0.0, 0.0, 0.0] for vertex in self._graph}

    @property
    def slots(self) -> int:
        """With slot sharing, as many as the widest vertex has subtasks."""
        return max(self.parallelism.values())

    @property
    def lag_records(self) -> float:
        """What waits at the sources."""
        return math.fsum(self._lag.values())

    def step(self) -> PolledJob:
        """One step on; what a poll at its end shows."""
        world = self._world
        begin, self._seconds = self._seconds, self._seconds + world.step_seconds
        working = max(0.0, self._seconds - max(begin, self._paused_until))
        arrived = max(0.0, self._load(begin)) * self._noise() * world.step_seconds / len(self._sources)
        for source in self._sources:
            self._lag[source] += arrived
        taken, held = self._taken(working)
        for source in self._sources:
            self._lag[source] = max(0.0, self._lag[source] - taken[source])
        return self._polled(taken, held, working)

    def _taken(self, working: float) -> tuple[dict[str, float], float]:
        """Records into each vertex in this step: what it would take, times what the tightest vertex leaves.

        And the share of time that this holds the sources back.
        """
        wanted: dict[str, float] = {}
        share = 1.0
        for vertex in self._graph:
            stage = self._stages[vertex.id]
            incoming = math.fsum(wanted[up] * self._stages[up].sends for up in vertex.inputs)
            wanted[vertex.id] = incoming if vertex.inputs else self._lag[vertex.id]
            can = stage.rate_each * self.parallelism[vertex.id] / stage.skew * working
            if wanted[vertex.id] > can:
                share = min(share, can / wanted[vertex.id])
        return {key: value * share for key, value in wanted.items()}, 1 - share

    def _polled(self, taken: Mapping[str, float], held: float, working: float) -> PolledJob:
        metrics = {vertex.id: self._metrics(vertex.id, taken[vertex.id], held, working) for vertex in self._graph}
        down = self._seconds < self._paused_until
        return PolledJob(
            job="simulated",
            state="RESTARTING" if down else "RUNNING",
            attempt=(self._attempt, down),
            vertices=self._graph,
            sample=Sample(round(self._seconds * 1000), metrics),
            running_since_ms=round(self._running_since * 1000),
        )

    def _metrics(self, vertex: str, taken: float, held: float, working: float) -> VertexSample:
        stage, parallelism = self._stages[vertex], self.parallelism[vertex]
        mean = taken / (stage.rate_each * parallelism * working) if working else 0.0
        mean = min(1.0, mean * self._noise())
        counters = self._counters[vertex]
        counters[0] += taken
        counters[1] += taken * stage.sends
        counters[2] += mean * parallelism * working * 1000
        return VertexSample(
            records_in=counters[0],
            records_out=counters[1],
            busy_max_ratio=min(1.0, mean * stage.skew),
            busy_avg_ratio=mean,
            busy_ms=counters[2],
            backpressured_ratio=max(0.0, held - mean) if vertex in self._lag else 0.0,
            pending_records=self._lag.get(vertex),
            records_in_per_second=taken / self._world.step_seconds,
        )

    def _noise(self) -> float:
        return 1.0 + self._chance.uniform(-self._world.noise, self._world.noise) if self._world.noise else 1.0

    def _vertex(self, stage: Stage) -> Vertex:
        return Vertex(
            id=stage.id,
            name=stage.id,
            parallelism=self.parallelism[stage.id],
            max_parallelism=stage.max_parallelism,
            inputs=dict(stage.inputs),
            partitions=stage.partitions,
        )


def simulate(
    stages: Sequence[Stage], load: Load, controller: Controller | None, seconds: float, world: World | None = None
) -> Outcome:
    """Run a job for so long, rescaled as the controller decides; None leaves it as it is."""
    surroundings = world or World()
    job = Simulation(stages, load, surroundings)
    moments = []
    for number in range(round(seconds / surroundings.step_seconds)):
        at = number * surroundings.step_seconds
        polled = job.step()
        moment = Moment(at, load(at), job.slots, job.lag_records, dict(job.parallelism), rescaled=False)
        if controller is not None:
            free = None if surroundings.slots is None else surroundings.slots - job.slots
            decision = controller.observe(polled, slots_free=free)
            if decision.changes:
                job.rescale(decision.changes)
                controller.rescaled(decision, polled.sample.at_ms)
                moment = Moment(at, load(at), job.slots, job.lag_records, dict(job.parallelism), rescaled=True)
        moments.append(moment)
    return Outcome(moments, surroundings.step_seconds)
