"""Laws of the decision, for any job and load."""

import math

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flinkops.autoscale.alignment import TOLERANCE, aligned
from flinkops.autoscale.decide import decide
from flinkops.autoscale.memory import Memory
from flinkops.autoscale.settings import Alignment, Settings
from flinkops.autoscale.window import Vertex, VertexSample, Window
from tests.unit.autoscale_cases import AT_ONCE, Part, chain, decided, now_ms, recommended

ROUGH = settings(suppress_health_check=[HealthCheck.too_slow])
RATES = st.floats(min_value=0.5, max_value=1e6)
SHIPS = st.sampled_from(["HASH", "REBALANCE", "FORWARD"])
MODES: list[Alignment] = ["balanced", "evenly-spread", "off"]


@st.composite
def jobs(draw: st.DrawFn, *, least_load: float = 0.05, greatest_load: float = 1.0) -> Window:
    """Chains of two to four vertices that keep up with their load: Flink shows no vertex busier than 100 %."""
    load = draw(RATES)
    sends = [draw(st.floats(min_value=0.1, max_value=5.0)) for _ in range(draw(st.integers(2, 4)))]
    parts: list[Part] = []
    rate = load
    for number, send in enumerate(sends):
        parallelism = draw(st.integers(1, 40))
        utilization = draw(st.floats(min_value=least_load, max_value=greatest_load))
        inputs = {f"v{number - 1}": draw(SHIPS)} if number else {}
        maximum = draw(st.sampled_from([40, 64, 100, 128, 1024]))
        each = rate / parallelism / utilization
        parts.append(Part(f"v{number}", each, parallelism, inputs, send, maximum))
        rate *= send
    return chain(load, *parts)


SETTINGS = st.builds(
    lambda target, least, more, mode: msgspec.structs.replace(
        AT_ONCE, utilization_target=target, min_parallelism=least, max_parallelism=least + more, alignment=mode
    ),
    st.floats(min_value=0.3, max_value=1.0),
    st.integers(1, 10),
    st.integers(0, 100),
    st.sampled_from(MODES),
)


@ROUGH
@given(jobs(), SETTINGS)
def test_bounds_hold(window: Window, chosen: Settings) -> None:
    for vertex, advice in zip(window.vertices, decided(window, chosen).vertices, strict=True):
        least = min(vertex.parallelism, chosen.min_parallelism)
        most = min(vertex.max_parallelism, max(vertex.parallelism, chosen.max_parallelism))
        assert 1 <= least <= advice.recommended <= most


@ROUGH
@given(jobs(), SETTINGS, st.data())
def test_what_is_missing_holds_every_vertex(window: Window, chosen: Settings, data: st.DataObject) -> None:
    """A metric of one vertex that the newest poll lacks, or that is no number."""
    vertex = data.draw(st.sampled_from(window.vertices))
    nothing = data.draw(st.sampled_from([None, math.nan, -1.0]))
    last = window.samples[-1]
    broken = msgspec.structs.replace(last.vertices[vertex.id], records_in=nothing)
    sample = msgspec.structs.replace(last, vertices={**last.vertices, vertex.id: broken})
    decision = decided(msgspec.structs.replace(window, samples=(*window.samples[:-1], sample)), chosen)
    assert decision.verdict == "hold"
    assert decision.blocked_by
    assert not decision.changes
    assert all(each.recommended == each.current for each in decision.vertices)


@ROUGH
@given(jobs(), SETTINGS, st.floats(min_value=61, max_value=1e6), st.sampled_from([1, -1]))
def test_what_is_old_or_from_the_future_holds(window: Window, chosen: Settings, seconds: float, sign: int) -> None:
    decision, memory = decide(window, chosen, Memory(), now_ms(window) + sign * round(seconds * 1000))
    assert decision.verdict == "hold"
    assert decision.blocked_by
    assert memory == Memory()


@ROUGH
@given(jobs(greatest_load=0.5), SETTINGS, st.floats(min_value=1.0, max_value=2.0))
def test_more_load_never_asks_for_less(window: Window, chosen: Settings, factor: float) -> None:
    """As long as the job keeps up. An evenly spread alignment may round down, and is left out."""
    plain = msgspec.structs.replace(chosen, alignment="balanced")
    before, after = decided(window, plain), decided(_scaled(window, factor, busy=factor), plain)
    if before.verdict == "scale" or after.verdict == "scale":
        wanted = _wanted(window, plain), _wanted(_scaled(window, factor, busy=factor), plain)
        assert all(wanted[0][vertex] <= wanted[1][vertex] for vertex in wanted[0])


@ROUGH
@given(jobs(), SETTINGS, st.floats(min_value=0.001, max_value=1000))
def test_the_unit_of_records_does_not_matter(window: Window, chosen: Settings, factor: float) -> None:
    """A job with bytes for records, or a thousand times as many, at the same busy time needs the same."""
    assert recommended(decided(window, chosen)) == recommended(decided(_scaled(window, factor, busy=1.0), chosen))


@ROUGH
@given(jobs(), SETTINGS)
def test_what_is_decided_is_enough_under_its_own_prediction(window: Window, chosen: Settings) -> None:
    """Applied, it is not changed again: every vertex has what it asked for, or is held by a bound on the step."""
    free = msgspec.structs.replace(chosen, max_scale_down_factor=1.0)
    decision = decided(window, free)
    after = decided(_rescaled(window, recommended(decision)), free)
    assert after.verdict == "hold"
    assert recommended(after) == recommended(decision)


@ROUGH
@given(jobs(), SETTINGS)
def test_a_limited_step_never_turns_back(window: Window, chosen: Settings) -> None:
    """With small steps downwards, the parallelism of each vertex moves in one direction only, and comes to rest."""
    directions: dict[str, set[bool]] = {vertex.id: set() for vertex in window.vertices}
    for _ in range(20):
        decision = decided(window, chosen)
        if decision.verdict != "scale":
            break
        for advice in decision.vertices:
            if advice.recommended != advice.current:
                directions[advice.id].add(advice.recommended > advice.current)
        window = _rescaled(window, recommended(decision))
    else:
        pytest.fail("it does not come to rest")
    assert all(len(each) <= 1 for each in directions.values())


@ROUGH
@given(st.integers(1, 300), st.integers(1, 400), st.integers(0, 100), st.sampled_from(MODES))
def test_alignment_stays_in_its_bounds(parallelism: int, groups: int, more: int, mode: Alignment) -> None:
    upper = min(parallelism + more, max(groups, parallelism))
    found = aligned(parallelism, groups, 1, upper, mode)
    assert 1 <= found <= upper
    if mode == "balanced":
        assert found >= parallelism
        enough = [p for p in range(parallelism, upper + 1) if math.ceil(groups / p) * parallelism <= groups * TOLERANCE]
        assert found == (enough[0] if enough else parallelism)


@ROUGH
@given(st.integers(1, 300), st.integers(1, 400), st.integers(1, 50))
def test_balanced_alignment_is_monotone(parallelism: int, groups: int, more: int) -> None:
    upper = max(groups, parallelism + more)
    less = aligned(parallelism, groups, 1, upper, "balanced")
    assert less <= aligned(parallelism + more, groups, 1, upper, "balanced")


def _wanted(window: Window, chosen: Settings) -> dict[str, int]:
    """What is reckoned for each vertex, also where the bounds make it not worth a rescale."""
    tight = msgspec.structs.replace(
        chosen, utilization_max=chosen.utilization_target, utilization_min=chosen.utilization_target
    )
    return recommended(decided(window, tight))


def _scaled(window: Window, factor: float, *, busy: float) -> Window:
    """`factor` times the records at `busy` times the busy time."""

    def metrics(one: VertexSample) -> VertexSample:
        def times(value: float | None, by: float) -> float | None:
            return None if value is None else value * by

        return VertexSample(
            records_in=times(one.records_in, factor),
            records_out=times(one.records_out, factor),
            busy_max_ratio=times(one.busy_max_ratio, busy),
            busy_avg_ratio=times(one.busy_avg_ratio, busy),
            busy_ms=times(one.busy_ms, busy),
            backpressured_ratio=one.backpressured_ratio,
            pending_records=times(one.pending_records, factor),
            records_in_per_second=times(one.records_in_per_second, factor),
        )

    samples = tuple(
        msgspec.structs.replace(sample, vertices={key: metrics(one) for key, one in sample.vertices.items()})
        for sample in window.samples
    )
    return msgspec.structs.replace(window, samples=samples)


def _rescaled(window: Window, parallelism: dict[str, int]) -> Window:
    """As the model predicts it: the same records, and busy time spread over so many subtasks."""

    def vertex(one: Vertex) -> Vertex:
        return msgspec.structs.replace(one, parallelism=parallelism[one.id])

    before = {each.id: each.parallelism for each in window.vertices}

    def metrics(key: str, one: VertexSample) -> VertexSample:
        factor = before[key] / parallelism[key]
        assert one.busy_max_ratio is not None
        return msgspec.structs.replace(
            one, busy_max_ratio=one.busy_max_ratio * factor, busy_avg_ratio=one.busy_max_ratio * factor
        )

    samples = tuple(
        msgspec.structs.replace(sample, vertices={key: metrics(key, one) for key, one in sample.vertices.items()})
        for sample in window.samples
    )
    return msgspec.structs.replace(window, vertices=tuple(vertex(one) for one in window.vertices), samples=samples)
