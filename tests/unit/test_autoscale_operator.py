"""The operator's own autoscaler: its ConfigMap decoded, and what it means."""

import base64
import gzip
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.autoscale.configmap import decode_configmap, instant_ms, unpacked
from flinkops.autoscale.explain import explanation_of, polls_of_collected, why_not_evaluated
from flinkops.autoscale.replay import measured, replayed
from flinkops.autoscale.settings import operator_defaults
from flinkops.autoscale.window import Vertex
from flinkops.model.detail import KubeEvent
from flinkops.model.option_names import AUTOSCALER_ENABLED
from flinkops.model.overrides import OVERRIDES, parse_overrides

SAMPLE = Path(__file__).parent.parent / "cr_samples" / "autoscaler-1.15.json"
SOURCE, COUNT = "cbc357ccb763df2852fee8c4fc7d55f2", "90bea66de1c231edf33913ecd54406c1"
VERTICES = (
    Vertex(SOURCE, "Source: numbers", 2, 128),
    Vertex(COUNT, "count", 2, 128, {SOURCE: "HASH"}),
)
ON = {"job.autoscaler.enabled": "true", "job.autoscaler.scale-down.interval": "10 min"}
SEEN_MS = 1_795_422_909_000

HISTORY = f"""---
{SOURCE}:
  "2026-11-23T08:00:00.123456789Z":
    currentParallelism: 1
    newParallelism: 2
    metrics:
      TRUE_PROCESSING_RATE: {{current: NaN, average: 100.0}}
      EXPECTED_PROCESSING_RATE: {{current: 200.0, average: NaN}}
      TARGET_DATA_RATE: {{current: NaN, average: 140.0}}
"""


def packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode())).decode()


def sample() -> dict[str, str]:
    data: dict[str, str] = json.loads(SAMPLE.read_text())["data"]
    return data


def test_the_sample_of_operator_1_15() -> None:
    state = decode_configmap(sample())
    assert state.unread == {}
    assert [wait.wanted for wait in state.waiting] == [(1,)]
    assert state.waiting[0].since_ms == 1_795_422_888_696
    assert len(state.collected) == 4
    assert state.collected[0].vertices[COUNT]["NUM_RECORDS_IN"] == 9800
    assert "LOAD" not in state.collected[0].vertices[SOURCE]  # NaN


def test_the_sample_of_operator_1_7() -> None:
    """After it had scaled in place: overrides, one scaling, and metrics under names of its own."""
    data: dict[str, str] = json.loads(SAMPLE.with_name("autoscaler-1.7.json").read_text())["data"]
    state = decode_configmap(data)
    assert state.unread == {}
    (scaling,) = state.scalings
    assert (scaling.before, scaling.after) == (1, 4)
    assert state.overrides[scaling.vertex] == 4
    assert scaling.true_rate == pytest.approx(42.366)
    assert len(state.collected) == 3
    assert state.collected[-1].vertices[scaling.vertex]["TRUE_PROCESSING_RATE"] == pytest.approx(98.092)


def test_what_the_operator_collected_can_be_replayed() -> None:
    polls = polls_of_collected("count", VERTICES, decode_configmap(sample()).collected)
    shown = measured(polls, operator_defaults())
    span_seconds = (polls[-1].sample.at_ms - polls[0].sample.at_ms) / 1000
    assert shown.rescales == 0
    assert shown.seconds == pytest.approx(span_seconds)
    assert shown.slot_hours == pytest.approx(2 * span_seconds / 3600)
    assert all(rate > 0 for rate in shown.arrivals_per_second)
    again = replayed(shown, operator_defaults(), pause_seconds=15.0)
    assert again.slot_hours == pytest.approx(shown.slot_hours, rel=0.5)


def test_history_overrides_and_restart_times() -> None:
    state = decode_configmap(
        {
            "scalingHistory": packed(HISTORY),
            "parallelismOverrides": f"{SOURCE}:2,{COUNT}:1",
            "scalingTracking": packed('scalingRecords:\n  "2026-11-23T08:00:00Z":\n    restartDuration: 12.5\n'),
            "delayedScaleDown": f'"{COUNT}": 1795422888.5\n',
        }
    )
    assert state.unread == {}
    (scaling,) = state.scalings
    assert (scaling.vertex, scaling.before, scaling.after, scaling.true_rate) == (SOURCE, 1, 2, 100.0)
    assert (scaling.expected_rate, scaling.target_rate) == (200.0, 140.0)
    assert state.overrides == {SOURCE: 2, COUNT: 1}
    assert state.restart_seconds == 12.5
    assert [(wait.vertex, wait.since_ms) for wait in state.waiting] == [(COUNT, 1_795_422_888_500)]


def test_waits_and_arithmetic_of_the_sample() -> None:
    found = explanation_of("count", VERTICES, ON, decode_configmap(sample()), SEEN_MS)
    assert found.acts
    assert found.waits[0].earliest_ms - found.waits[0].since_ms == 600_000
    assert found.decision is not None
    advice = {each.id: each for each in found.decision.vertices}
    assert advice[COUNT].recommended == 1  # as the operator wants it too
    assert "no busy time" in advice[SOURCE].why


@pytest.mark.parametrize(
    ("spec", "stored", "said"),
    [
        ({}, f"{COUNT}:4", "count runs with 2, the autoscaler ordered 4"),
        ({OVERRIDES: f"{COUNT}:3"}, "", "count runs with 2, the spec's overrides say 3"),
        ({OVERRIDES: f"{COUNT}:2"}, f"{COUNT}:4", "the autoscaler stored 4, the spec's overrides say 2"),
        ({}, "abc:4", "an override is stored for abc, which the job does not have"),
    ],
)
def test_drift(spec: dict[str, str], stored: str, said: str) -> None:
    state = decode_configmap({"parallelismOverrides": stored})
    assert any(said in each for each in explanation_of("count", VERTICES, {**ON, **spec}, state, SEEN_MS).drift)


def test_no_drift_where_all_agree_or_the_vertex_is_excluded() -> None:
    agreed = decode_configmap({"parallelismOverrides": f"{COUNT}:2"})
    assert explanation_of("count", VERTICES, {**ON, OVERRIDES: f"{COUNT}:2"}, agreed, SEEN_MS).drift == ()
    other = decode_configmap({"parallelismOverrides": f"{COUNT}:4"})
    assert (
        explanation_of("count", VERTICES, {**ON, "job.autoscaler.vertex.exclude.ids": COUNT}, other, SEEN_MS).drift
        == ()
    )


def test_without_the_spec_it_is_not_known_to_be_on_or_off() -> None:
    found = explanation_of("count", (), None, decode_configmap(sample()), SEEN_MS)
    assert found.enabled is None
    assert found.acts is None


def test_advice_mode_still_applies_what_is_stored() -> None:
    state = decode_configmap({"parallelismOverrides": f"{COUNT}:2"})
    found = explanation_of("count", VERTICES, {**ON, "job.autoscaler.scaling.enabled": "false"}, state, SEEN_MS)
    assert found.acts is False
    assert any("autoscalerResetNonce" in note for note in found.notes)


@pytest.mark.parametrize("text", ["{a: 2, b: 1}", "a:2,b:1", "---\na: 2\nb: 1\n", "'a':'2', \"b\":\"1\""])
def test_overrides_in_every_spelling(text: str) -> None:
    assert parse_overrides(text) == {"a": 2, "b": 1}


@pytest.mark.parametrize("value", ["2026-11-23T08:34:38.195773496Z", "2026-11-23T08:34:38.195Z", 1_795_422_878.195])
def test_instants(value: object) -> None:
    assert abs(instant_ms(value) - 1_795_422_878_195) <= 1


@pytest.mark.thorough
def test_a_bomb_is_refused() -> None:
    bomb = base64.b64encode(gzip.compress(b" " * (17 * 1024 * 1024))).decode()
    with pytest.raises(ValueError, match="more than"):
        unpacked(bomb)
    assert set(decode_configmap({"scalingHistory": bomb}).unread) == {"scalingHistory"}


@given(st.dictionaries(st.sampled_from([*sample(), "scalingHistory", "parallelismOverrides"]), st.text()))
def test_outside_text_never_raises(data: dict[str, str]) -> None:
    explanation_of("x", VERTICES, ON, decode_configmap(data), SEEN_MS)


@given(st.text())
def test_packed_outside_text_never_raises(text: str) -> None:
    data = {key: packed(text) for key in ("scalingHistory", "scalingTracking", "collectedMetrics")}
    decode_configmap(data)


def test_an_empty_configmap_says_that_nothing_was_collected() -> None:
    """As operator 1.7 leaves it for a job that lacks metrics which it needs."""
    found = explanation_of("count", VERTICES, ON, decode_configmap({}), SEEN_MS)
    assert found.decision is None
    assert any("collected nothing" in note for note in found.notes)


def test_why_there_is_no_state_of_the_autoscaler() -> None:
    """As operator 1.7 did with a job on Flink 1.20: an event without any text, and no ConfigMap."""
    on = {AUTOSCALER_ENABLED: "true"}
    failed = KubeEvent(1, "Warning", "AutoscalerError", "FlinkDeployment/busy", "", count=3)
    other = KubeEvent(2, "Normal", "SpecChanged", "FlinkDeployment/busy", "x")
    assert why_not_evaluated({}, [failed]) == (
        "the operator's autoscaler has not evaluated it, and its spec does not switch it on",
        True,
    )
    waits, switch_on = why_not_evaluated(on, [other])
    assert ("has not evaluated it yet" in waits, switch_on) == (True, False)
    fails, switch_on = why_not_evaluated(on, [other, failed, msgspec.structs.replace(failed, count=2, at_ms=0)])
    assert ("fails (AutoscalerError, 5 times of late, without a word" in fails, switch_on) == (True, False)
    told, _ = why_not_evaluated(on, [msgspec.structs.replace(failed, reason="AUTOSCALERERROR", text="no metric")])
    assert "(AUTOSCALERERROR, 3 times of late: no metric)" in told
