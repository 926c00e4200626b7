"""What would have happened: a recorded job again, under other settings.

From each stretch of a recording come what arrived (read, and what the lag grew by) and what one subtask of each vertex
could process; with these the simulated job is run. It is a model: what the recording never showed (a busier moment, a
colder cache) it cannot know.
"""

import bisect
import itertools
import math
from collections.abc import Sequence

import msgspec

from flinkops.autoscale.controller import Controller
from flinkops.autoscale.rates import evaluate
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.simulate import Outcome, Stage, World, simulate
from flinkops.autoscale.window import PolledJob, Vertex, window_of
from flinkops.errors import OperationFailed

_STRETCH_POLLS = 6


class Recorded(msgspec.Struct, frozen=True):
    """What a recording shows. Times in seconds from its first poll."""

    stages: tuple[Stage, ...]
    times: tuple[float, ...]
    arrivals_per_second: tuple[float, ...]
    step_seconds: float
    seconds: float
    rescales: int
    slot_hours: float
    peak_lag_records: float
    mean_lag_records: float

    def load(self, at: float) -> float:
        """What arrived a second."""
        return self.arrivals_per_second[max(0, bisect.bisect_right(self.times, at) - 1)]


def measured(polls: Sequence[PolledJob], settings: Settings) -> Recorded:
    """Raises OperationFailed when the recording is too short, or its rates cannot be known."""
    times: list[float] = []
    arrivals: list[float] = []
    each: dict[str, float] = {}
    ratios: dict[str, float] = {}
    begin_ms = polls[0].sample.at_ms if polls else 0
    for number in range(2, len(polls) + 1):
        window = window_of(polls[max(0, number - _STRETCH_POLLS) : number])
        rates = evaluate(window, settings)
        sources = [rates[vertex.id].target_rate for vertex in window.vertices if not vertex.inputs]
        known = [rate for rate in sources if rate is not None]
        if not known or len(known) < len(sources):
            continue
        times.append((polls[number - 1].sample.at_ms - begin_ms) / 1000)
        arrivals.append(math.fsum(known))
        for vertex in window.vertices:
            mine = rates[vertex.id]
            if mine.true_rate is not None and math.isfinite(mine.true_rate) and mine.true_rate > 0:
                each[vertex.id] = mine.true_rate / vertex.parallelism
            if mine.target_rate is not None and math.fsum(known) > 0:
                ratios[vertex.id] = mine.target_rate / math.fsum(known)
    if not times:
        raise OperationFailed("the recording does not show what arrived", next_step="record longer: --seconds 300")
    seconds = (polls[-1].sample.at_ms - begin_ms) / 1000
    lags = [math.fsum(one.pending_records or 0.0 for one in polled.sample.vertices.values()) for polled in polls]
    slots = [max((vertex.parallelism for vertex in polled.vertices), default=0) for polled in polls]
    return Recorded(
        stages=tuple(_stages(polls[0].vertices, each, ratios)),
        times=tuple(times),
        arrivals_per_second=tuple(arrivals),
        step_seconds=seconds / (len(polls) - 1),
        seconds=seconds,
        rescales=sum(a.vertices != b.vertices for a, b in itertools.pairwise(polls)),
        slot_hours=math.fsum(slots) / len(slots) * seconds / 3600,
        peak_lag_records=max(lags),
        mean_lag_records=math.fsum(lags) / len(lags),
    )


def replayed(job: Recorded, settings: Settings, *, pause_seconds: float, slots: int | None = None) -> Outcome:
    """The recorded load under a controller with these settings; each rescale costs a pause."""
    world = World(step_seconds=job.step_seconds, pause_seconds=pause_seconds, slots=slots)
    return simulate(job.stages, job.load, Controller(settings), job.seconds, world)


def _stages(vertices: Sequence[Vertex], each: dict[str, float], ratios: dict[str, float]) -> list[Stage]:
    """A vertex whose capacity never showed costs nothing. Its output is what those below it took of it."""
    plenty = 1e12
    stages = []
    for vertex in vertices:
        below = [other for other in vertices if vertex.id in other.inputs]
        own = ratios.get(vertex.id, 0.0)
        sends = (
            max((ratios.get(other.id, 0.0) / len(other.inputs) / own for other in below), default=1.0) if own else 1.0
        )
        stages.append(
            Stage(
                id=vertex.id,
                rate_each=each.get(vertex.id, plenty),
                inputs=vertex.inputs,
                sends=sends,
                parallelism=vertex.parallelism,
                max_parallelism=vertex.max_parallelism,
                partitions=vertex.partitions,
            )
        )
    return stages
