"""What the operator's autoscaler did, does and waits for, from its own state, in words and numbers."""

from collections.abc import Mapping, Sequence

import msgspec

from flinkops.autoscale.configmap import Collected, OperatorState, PastScaling
from flinkops.autoscale.decide import Decision, decide
from flinkops.autoscale.memory import Memory, Scaling
from flinkops.autoscale.settings import Settings, operator_defaults, settings_of
from flinkops.autoscale.window import PolledJob, Sample, Vertex, VertexSample, window_of
from flinkops.model.detail import KubeEvent
from flinkops.model.option_names import AUTOSCALER, AUTOSCALER_ENABLED
from flinkops.model.overrides import OVERRIDES, parse_overrides
from flinkops.model.switches import is_on

SCALING_ENABLED = f"{AUTOSCALER}scaling.enabled"
_FAILS = "autoscalererror"
"""The reason of an event, in any case: it is AutoscalerError in operator 1.7."""


class VertexState(msgspec.Struct, frozen=True):
    """The parallelism of one vertex as each place has it; None: that place says nothing of it."""

    id: str
    name: str
    running: int
    spec: int | None
    configmap: int | None


class Waits(msgspec.Struct, frozen=True):
    """A scale-down that is held back, and from when on it may come."""

    vertex: str
    since_ms: int
    earliest_ms: int
    wanted: int | None


class Explanation(msgspec.Struct, frozen=True):
    """All of it. `decision` is flinkops' own arithmetic on the metrics that the operator collected; None: too few."""

    job: str
    enabled: bool | None  # None: only the ConfigMap was seen, not the spec
    acts: bool | None  # false: it only advises (scaling.enabled is false)
    vertices: tuple[VertexState, ...]
    drift: tuple[str, ...]
    waits: tuple[Waits, ...]
    scalings: tuple[PastScaling, ...]
    names: dict[str, str]
    collected: int
    settings: Settings
    decision: Decision | None
    notes: tuple[str, ...]


def why_not_evaluated(spec_settings: Mapping[str, str], events: Sequence[KubeEvent]) -> tuple[str, bool]:
    """Of a job without the autoscaler's ConfigMap: why, and whether switching the autoscaler on would help.

    `events` are those of the job's resource, newest first; their text is hostile, and empty where what failed has no
    message (operator 1.7 with a Flink that is newer than it).
    """
    if not is_on(spec_settings, AUTOSCALER_ENABLED, default=False):
        return "the operator's autoscaler has not evaluated it, and its spec does not switch it on", True
    failed = [each for each in events if each.reason.lower() == _FAILS]
    if not failed:
        return "the operator's autoscaler is on and has not evaluated it yet: it polls a job once a minute", False
    times = sum(each.count for each in failed)
    told = f": {failed[0].text}" if failed[0].text else ", without a word of what failed"
    return f"the operator's autoscaler is on and fails ({failed[0].reason}, {times} times of late{told})", False


def explanation_of(
    job: str, vertices: Sequence[Vertex], spec_settings: Mapping[str, str] | None, state: OperatorState, now_ms: int
) -> Explanation:
    """`vertices` as Flink runs them, `spec_settings` as the resource's flinkConfiguration has them; None: not seen."""
    seen = spec_settings is not None
    spec_settings = spec_settings or {}
    settings, unread_settings = settings_of(spec_settings, {}, operator_defaults())
    unread = [*(f"{key}: {why}" for key, why in state.unread.items()), *unread_settings]
    spec: dict[str, int] = {}
    try:
        spec = parse_overrides(spec_settings.get(OVERRIDES, ""))
    except ValueError as problem:
        unread.append(f"{OVERRIDES}: {problem}")
    enabled = is_on(spec_settings, AUTOSCALER_ENABLED, default=False)
    acts = enabled and is_on(spec_settings, SCALING_ENABLED, default=True)
    shown = tuple(
        VertexState(each.id, each.name, each.parallelism, spec.get(each.id), state.overrides.get(each.id))
        for each in vertices
    )
    names = {each.id: each.name for each in vertices}
    return Explanation(
        job=job,
        enabled=enabled if seen else None,
        acts=acts if seen else None,
        vertices=shown,
        drift=tuple(_drift(shown, state, names, settings)),
        waits=tuple(_waits(state, settings)),
        scalings=state.scalings,
        names=names,
        collected=len(state.collected),
        settings=settings,
        decision=_decision(job, vertices, state, settings, now_ms),
        notes=(*(f"not read: {each}" for each in unread), *_notes(state, seen=seen, enabled=enabled, acts=acts)),
    )


def _notes(state: OperatorState, *, seen: bool, enabled: bool, acts: bool) -> list[str]:
    """What of the operator's state and of the settings has to be known beside the numbers."""
    notes = []
    if state.restart_seconds is not None:
        notes.append(f"the longest restart after a rescale that it measured took {state.restart_seconds:.1f} s")
    if enabled and not state.collected:
        notes.append("it has collected nothing yet: it polls once a minute, and at no job that lacks a metric it needs")
    if not seen:
        notes.append("the spec was not seen: the operator's default settings are assumed")
    if enabled and not acts and state.overrides:
        notes.append(
            f"{SCALING_ENABLED} is false, yet its stored overrides still apply:"
            " spec.job.autoscalerResetNonce drops them"
        )
    return notes


def _drift(
    vertices: Sequence[VertexState], state: OperatorState, names: Mapping[str, str], settings: Settings
) -> list[str]:
    """Where the running parallelism is not what was ordered (FLINK-38770: overrides lost at submission)."""
    found = []
    for each in vertices:
        if each.id in settings.exclude:
            continue
        if each.configmap is not None and each.configmap != each.running:
            found.append(f"{each.name} runs with {each.running}, the autoscaler ordered {each.configmap}")
        elif each.spec is not None and each.spec != each.running:
            found.append(f"{each.name} runs with {each.running}, the spec's overrides say {each.spec}")
        if each.configmap is not None and each.spec is not None and each.configmap != each.spec:
            found.append(f"{each.name}: the autoscaler stored {each.configmap}, the spec's overrides say {each.spec}")
    found += [
        f"an override is stored for {vertex}, which the job does not have"
        for vertex in state.overrides
        if vertex not in names
    ]
    return found


def _waits(state: OperatorState, settings: Settings) -> list[Waits]:
    interval_ms = round(settings.scale_down_interval_seconds * 1000)
    return [
        Waits(each.vertex, each.since_ms, each.since_ms + interval_ms, max(each.wanted, default=None))
        for each in state.waiting
    ]


def polls_of_collected(job: str, vertices: Sequence[Vertex], collected: Sequence[Collected]) -> list[PolledJob]:
    """The operator's collections as polls of a job with one parallelism: it starts over after each rescale."""
    return [
        PolledJob(
            job=job,
            state="RUNNING",
            attempt=(),
            vertices=tuple(vertices),
            sample=Sample(
                at_ms=one.at_ms,
                vertices={vertex: _sample(metrics) for vertex, metrics in one.vertices.items()},
                gc_ratio=one.job.get("GC_PRESSURE"),
                heap_ratio=one.job.get("HEAP_MAX_USAGE_RATIO"),
            ),
        )
        for one in collected
    ]


def _sample(metrics: Mapping[str, float]) -> VertexSample:
    """Its LOAD is the busiest subtask's."""
    return VertexSample(
        records_in=metrics.get("NUM_RECORDS_IN"),
        records_out=metrics.get("NUM_RECORDS_OUT"),
        busy_max_ratio=metrics.get("LOAD"),
        busy_ms=metrics.get("ACCUMULATED_BUSY_TIME"),
        pending_records=metrics.get("LAG"),
    )


def _decision(
    job: str, vertices: Sequence[Vertex], state: OperatorState, settings: Settings, now_ms: int
) -> Decision | None:
    """On what the operator collected, without its delay: what it would like to do by now."""
    if len(state.collected) < 2 or not vertices:
        return None
    span = (state.collected[-1].at_ms - state.collected[0].at_ms) / 1000
    at_once = msgspec.structs.replace(settings, scale_down_interval_seconds=0.0, metrics_window_seconds=span)
    window = window_of(polls_of_collected(job, vertices, state.collected))
    return decide(window, at_once, _memory(state), window.samples[-1].at_ms)[0]


def _memory(state: OperatorState) -> Memory:
    return Memory(
        scalings=tuple(
            Scaling(each.at_ms, each.vertex, each.before, each.after, each.true_rate, each.expected_rate)
            for each in state.scalings
            if each.true_rate is not None and each.expected_rate is not None
        )
    )
