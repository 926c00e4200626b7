"""Windows, polls and the operator's own state, some of it otherwise: what the autoscaler decides, advises, explains.

`FLINKOPS_UPDATE_GOLDEN=1 pytest -m thorough tests/unit/test_variants_of_scaling.py` writes the files: read these.
"""

import json
import random
from typing import Any

import msgspec
import pytest

from flinkops.autoscale.configmap import OperatorState, decode_configmap
from flinkops.autoscale.controller import Controller, advise, memory_pressure
from flinkops.autoscale.decide import decide, scalings
from flinkops.autoscale.document import advice_document, advice_rows, headline
from flinkops.autoscale.explain import explanation_of
from flinkops.autoscale.memory import Memory
from flinkops.autoscale.replay import measured, replayed
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.taskmanagers import memory_advice
from flinkops.autoscale.window import Vertex, Window, polled_job
from flinkops.errors import FlinkopsError
from flinkops.model.detail import JobDetail, TaskManagerDetail
from flinkops.model.facts import JobFacts
from flinkops.model.overrides import OVERRIDES
from tests.unit.test_autoscale_commands import facts
from tests.unit.test_autoscale_decisions import remembered, settings, window
from tests.unit.test_autoscale_operator import COUNT, HISTORY, SOURCE, VERTICES, packed, sample
from tests.unit.test_variants_of_jobs import whole
from tests.variants import Outcome, hold

WORDS: dict[str, tuple[Any, ...]] = {
    "state": ("RUNNING", "RESTARTING", "FINISHED"),
    "alignment": ("balanced", "evenly-spread", "off"),
    "rates": ("fit", "ends"),
    "busy": ("skewed", "max", "avg"),
    "partitions": (1, 4, 7, None),
    "slots_free": (0, 1, 100, None),
    "quota_slots": (1, 4, None),
    "gc_ratio": (0.1, 0.5, 0.51, 0.99),
    "heap_ratio": (0.5, 0.95, 0.96),
    "utilization_max": (0.95, None),
    "utilization_min": (0.1, None),
    "exclude": (["work"], []),
    "later_ms": (0, 59_999, 60_000, 60_001, -60_001),
    "heap_used_bytes": (0, 100_000_000, 290_000_000, 360_000_000, None),
    "heap_max_bytes": (50_000_000, 500_000_000, None),
    "job_type": ("BATCH", "STREAMING"),
    "status": ("RUNNING", "FINISHED"),
    "job.autoscaler.enabled": ("true", "false", "True"),
    "job.autoscaler.scaling.enabled": ("true", "false"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(200, 220))
def test_a_window_that_is_otherwise_is_decided_as_it_was(seed: int) -> None:
    draw = random.Random(seed)
    chosen, seen = settings(draw), window(draw)
    memory = whole(remembered(draw, seen))
    given = {"window": whole(seen), "settings": whole(chosen), "memory": memory, "times": {"later_ms": 0}}
    hold(f"scaling/window {seed}", given, decided, 14, WORDS)


def decided(document: Any) -> Outcome:
    seen = msgspec.convert(document.get("window"), Window)
    chosen = msgspec.convert(document.get("settings", {}), Settings)
    memory = msgspec.convert(document.get("memory", {}), Memory)
    newest_ms = seen.samples[-1].at_ms if seen.samples else 0
    decision, kept = decide(seen, chosen, memory, newest_ms + document.get("times", {}).get("later_ms", 0))
    shown = (advice_document(decision), advice_rows(decision), headline(decision), scalings(decision))
    changes = ", ".join(f"{name} to {count}" for name, count in decision.changes.items())
    return f"{decision.verdict} {changes or '; '.join(decision.blocked_by)}", (decision, kept, shown)


@pytest.mark.thorough
@pytest.mark.parametrize("busy", [0.98, 0.2])
def test_polls_that_are_otherwise_are_advised_as_they_were(busy: float) -> None:
    managers = [TaskManagerDetail(f"tm-{n}", 4, 1, gc_ratio=0.04, heap_used_bytes=100_000_000) for n in (1, 2)]
    detail = whole(JobDetail("a" * 32, 0, taskmanagers=tuple(managers)))
    for each in detail["taskmanagers"]:
        each["heap_max_bytes"] = 500_000_000
        each["managed_used_bytes"], each["managed_total_bytes"] = 200_000_000, 400_000_000
        each["network_used_bytes"], each["network_total_bytes"] = 60_000_000, 128_000_000
    chosen = Settings(
        metrics_window_seconds=60.0,
        stabilization_seconds=20.0,
        scale_down_interval_seconds=30.0,
        cool_down_seconds=25.0,
    )
    given = {
        "polls": [whole(facts(poll, busy=busy)) for poll in range(10)],
        "settings": whole(chosen),
        "detail": detail,
        "how": {"slots_free": None, "state_bytes": 100_000_000, "pause_seconds": 20.0, "slots": 8},
    }
    hold(f"scaling/polls {busy}", given, advised, 40, WORDS)


def advised(document: Any) -> Outcome:
    """For a person, by a controller poll by poll, and as a recording."""
    polls = msgspec.convert(document.get("polls", ()), tuple[JobFacts, ...])
    chosen = msgspec.convert(document.get("settings", {}), Settings)
    detail = msgspec.convert(document.get("detail"), JobDetail | None)
    how = document.get("how", {})
    if not polls:
        raise TypeError("nothing to decide on")
    at_once = advise(polls, chosen, slots_free=how.get("slots_free"), detail=detail)
    controller, followed = Controller(chosen), []
    for number, poll in enumerate(polls):
        one = controller.observe_facts(poll, slots_free=how.get("slots_free"), detail=detail)
        followed.append(one)
        if one.changes and number % 2:
            controller.rescaled(one, poll.seen_ms)
        elif one.changes:
            controller.tried(poll.seen_ms)
    managers = detail.taskmanagers if detail else ()
    memory = (memory_pressure(detail), memory_advice(managers, how.get("state_bytes")))
    try:
        recorded = measured([polled_job(poll) for poll in polls], chosen)
        again = replayed(recorded, chosen, pause_seconds=how.get("pause_seconds", 0.0), slots=how.get("slots"))
        figures = [recorded, again.rescales, again.slot_hours, again.peak_lag_records, again.mean_lag_records]
    except FlinkopsError as problem:
        figures = [str(problem)]
    verdicts = " ".join(each.verdict[0] for each in followed)
    return f"{at_once.verdict}, {verdicts}", (at_once, followed, controller.memory, memory, figures)


@pytest.mark.thorough
@pytest.mark.parametrize("part", [1, 2])
def test_the_operators_state_that_is_otherwise_is_explained_as_it_was(part: int) -> None:
    state = whole(decode_configmap({**sample(), "scalingHistory": packed(HISTORY)}))
    state["overrides"], state["unread"] = {SOURCE: 2, COUNT: 3}, {"configOverrides": "no map"}
    spec = {
        "job.autoscaler.enabled": "true",
        "job.autoscaler.scaling.enabled": "true",
        "job.autoscaler.scale-down.interval": "10 min",
        "job.autoscaler.vertex.min-parallelism": "1",
        "job.autoscaler.catch-up.duration": "5 min",
        "job.autoscaler.utilization.target": "0.6",
        OVERRIDES: f"{SOURCE}:2,{COUNT}:2",
    }
    given = {"state": state, "spec": spec, "vertices": whole(VERTICES), "restart": {"restart_seconds": 12.5}}
    hold(f"scaling/operator {part}", given, explained, 30, WORDS)


def explained(document: Any) -> Outcome:
    state = {**document.get("state", {}), **document.get("restart", {})}
    vertices = msgspec.convert(document.get("vertices", ()), tuple[Vertex, ...])
    spec = msgspec.convert(document.get("spec"), dict[str, str] | None)
    found = explanation_of("count", vertices, spec, msgspec.convert(state, OperatorState), 1_795_422_909_000)
    verdict = found.decision.verdict if found.decision else None
    return f"enabled {found.enabled}, acts {found.acts}, {len(found.drift)} drift, {verdict}", found


@pytest.mark.thorough
def test_a_configmap_that_is_otherwise_is_read_as_it_was() -> None:
    """Its texts as they are before they are packed."""
    hold("scaling/configmap", {"data": TEXTS}, read, 40, {})


TEXTS: dict[str, Any] = {
    "scalingHistory": {
        SOURCE: {
            "2026-11-23T08:00:00.123456789Z": {
                "currentParallelism": 1,
                "newParallelism": 2,
                "metrics": {
                    "TRUE_PROCESSING_RATE": {"average": 100.0},
                    "EXPECTED_PROCESSING_RATE": {"current": 200.0},
                    "TARGET_DATA_RATE": {"average": 140.0},
                    "LAG": {"current": 7.0},
                    "LOAD": {"average": 0.5},
                },
            },
            "1795422888.696": {"currentParallelism": 2, "newParallelism": 3},
        }
    },
    "scalingTracking": {
        "scalingRecords": {
            "a": {"restartDuration": "PT12.5S"},
            "b": {"restartDuration": 11.0},
            "c": {"restartDuration": None},
        }
    },
    "delayedScaleDown": {
        "delayedVertices": {
            COUNT: {"firstTriggerTime": 1795422888.696, "recommendedParallelisms": [{"parallelism": 1}]}
        }
    },
    "collectedMetrics": {
        "1795422888": {"vertexMetrics": {COUNT: {"LAG": 3.0, "LOAD": "NaN"}}, "globalMetrics": {"GC_PRESSURE": 0.2}},
        "1795422948.5": {"vertexMetrics": {COUNT: {"LAG": "Infinity"}}, "globalMetrics": {}},
    },
    "configOverrides": {"overrides": {"taskmanager.numberOfTaskSlots": 4}},
    "parallelismOverrides": f"{{{SOURCE}:2,{COUNT}:3}}",
}
PLAIN = ("delayedScaleDown", "configOverrides")
"""Written as they are; the others are packed."""


def read(document: Any) -> Outcome:
    data = {}
    for key, each in document.get("data", {}).items():
        text = each if isinstance(each, str) else json.dumps(each)
        data[key] = text if isinstance(each, str) or key in PLAIN else packed(text)
    state = decode_configmap(data)
    return f"{len(state.scalings)} scalings, {len(state.collected)} polls, unread {sorted(state.unread)}", state
