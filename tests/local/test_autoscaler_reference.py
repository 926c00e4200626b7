"""The same metrics through flinkops and through the real flink-autoscaler 1.10.0, in one JVM for all cases.

docs/autoscaling.md has the table of the differences; every one that turns up here has its cause named there.
"""

import json
import random
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.autoscale.decide import Decision, capacity, decide
from flinkops.autoscale.memory import Memory, Scaling
from flinkops.autoscale.rates import evaluate
from flinkops.autoscale.settings import Settings, operator_defaults, settings_of
from flinkops.autoscale.window import Sample, Vertex, VertexSample, Window, in_order
from flinkops.local.jars import Jar, cache_folder, ensure_jars
from flinkops.local.java import SHORT_LIVED, clean_environment, find_java
from flinkops.local.javac import compile_jar
from flinkops.model.option_names import AUTOSCALER

pytestmark = pytest.mark.local

HERE = Path(__file__).parent / "autoscaler_reference"
CASES = 600
WINDOW_POLLS = 7
ROUNDING = 1e-5
"""flink-autoscaler rounds each metric that it evaluates to three digits, and goes on from there down the graph."""
START_MS = 1_700_000_000_000
Case = dict[str, Any]


def test_the_same_metrics_give_the_same_parallelism(tmp_path: Path) -> None:
    chance = random.Random(20261123)
    cases = [*(_case(chance) for _ in range(CASES)), *_recorded()]
    answers = _reference(cases, tmp_path)
    causes: dict[str, int] = {}
    scaled = 0
    for number, (case, answer) in enumerate(zip(cases, answers, strict=True)):
        window, settings, decision = _ours(case)
        rates = evaluate(window, settings)
        for advice in decision.vertices:
            theirs = answer[advice.id]
            assert rates[advice.id].true_rate == pytest.approx(float(theirs["true_rate"]), rel=ROUNDING, abs=0.001), (
                number
            )
            assert rates[advice.id].target_rate == pytest.approx(
                float(theirs["target_rate"]), rel=ROUNDING, abs=0.001
            ), number
            assert rates[advice.id].catch_up_rate == pytest.approx(
                float(theirs["catch_up_rate"]), rel=ROUNDING, abs=0.001
            ), number
        wanted = {
            each.id: each.recommended if decision.verdict == "scale" else each.current for each in decision.vertices
        }
        found = {vertex: answer[vertex]["recommended"] for vertex in wanted}
        scaled += any(found[each.id] != each.current for each in decision.vertices)
        if wanted != found:
            cause = _cause(window, settings, decision)
            assert cause is not None, f"case {number}: {wanted} here, {found} there\n{json.dumps(case)}"
            causes[cause] = causes.get(cause, 0) + 1
    assert scaled > CASES // 3  # or the cases say little
    assert sum(causes.values()) <= len(cases) // 50, causes


def _cause(window: Window, settings: Settings, decision: Decision) -> str | None:
    """flink-autoscaler rounds every capacity to whole records a second; where that decides, the outcome may differ."""
    rates = evaluate(window, settings)
    for vertex in window.vertices:
        mine = rates[vertex.id]
        assert mine.true_rate is not None
        for utilization in (settings.utilization_target, settings.upper_utilization, settings.lower_utilization, 1.0):
            for with_restart in (True, False):
                needed = capacity(mine, utilization, settings, with_restart=with_restart)
                assert needed is not None
                ratio, margin = vertex.parallelism * needed / mine.true_rate, vertex.parallelism * 0.51 / mine.true_rate
                if utilization != settings.utilization_target and abs(needed - mine.true_rate) <= 0.51:
                    return "a bound within half a record a second"
                if utilization == settings.utilization_target and int(ratio - margin) != int(ratio + margin):
                    return "a whole number of subtasks within half a record a second"
    return None


def _reference(cases: list[Case], folder: Path) -> list[dict[str, Any]]:
    manifest = tomllib.loads((HERE / "jars.toml").read_text())
    jars = ensure_jars([Jar(name, size, digest) for name, (size, digest) in manifest.items()], cache_folder())
    harness = compile_jar(HERE / "java", folder / "reference.jar", jars)
    (folder / "cases.json").write_text(json.dumps(cases))
    classpath = ":".join(str(jar) for jar in (harness, *jars))
    command = [str(find_java()), *SHORT_LIVED, "-cp", classpath, "org.apache.flink.autoscaler.Reference"]
    done = subprocess.run(
        [*command, str(folder / "cases.json"), str(folder / "answers.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=clean_environment(),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers: list[dict[str, Any]] = json.loads((folder / "answers.json").read_text())
    return answers


def _ours(case: Case) -> tuple[Window, Settings, Decision]:
    settings, unread = settings_of(case["settings"], {}, operator_defaults())
    assert not unread
    settings = msgspec.structs.replace(settings, metrics_window_seconds=1.0, stabilization_seconds=0.0)
    whole = msgspec.structs.replace(settings, metrics_window_seconds=3600.0)
    window = Window(
        job="job",
        state="RUNNING",
        vertices=in_order([_vertex(each) for each in case["vertices"]]),
        samples=tuple(
            Sample(
                each["at_ms"],
                {key: _sample(one) for key, one in each["vertices"].items()},
                gc_ratio=each["gc"],
                heap_ratio=each["heap"],
            )
            for each in case["samples"]
        ),
    )
    memory = Memory(scalings=tuple(msgspec.convert(each, Scaling) for each in case["history"]))
    span = (window.samples[-1].at_ms - window.samples[0].at_ms) / 1000
    decision, _ = decide(
        window, msgspec.structs.replace(whole, metrics_window_seconds=span), memory, window.samples[-1].at_ms
    )
    return window, whole, decision


def _vertex(given: Case) -> Vertex:
    return Vertex(
        id=given["id"],
        name=given["id"],
        parallelism=given["parallelism"],
        max_parallelism=given["max_parallelism"],
        inputs=given["inputs"],
        partitions=given["partitions"],
    )


def _sample(given: Case) -> VertexSample:
    return VertexSample(
        records_in=given["records_in"],
        records_out=given["records_out"],
        busy_max_ratio=given["busy_max_ms"] / 1000,
        busy_ms=given["busy_ms"],
        backpressured_ratio=given["backpressured_ms"] / 1000,
        pending_records=given["pending"],
        records_in_per_second=given["rate"],
    )


def _recorded() -> list[Case]:
    """Windows of a real job under bench.autoscale: growing, shrinking, with lag and without."""
    windows: list[Case] = json.loads((HERE / "recorded.json").read_text())
    choices: tuple[dict[str, str], ...] = (
        {},
        {"target.utilization.boundary": "0.1"},
        {"metrics.busy-time.aggregator": "AVG"},
    )
    return [
        {
            **window,
            "settings": {AUTOSCALER + key: value for key, value in ({"scale-down.interval": "0 s"} | chosen).items()},
        }
        for window in windows
        for chosen in choices
    ]


# ---- cases: a graph of one to five vertices, rates that wander, sometimes lag, sometimes a scale-up before


def _case(chance: random.Random) -> Case:
    vertices = _graph(chance)
    polls: list[Case] = [{} for _ in range(WINDOW_POLLS)]
    for index in range(WINDOW_POLLS):
        polls[index] = {
            "at_ms": START_MS + index * 10_000 + chance.randint(-400, 400),
            "vertices": {},
            "gc": chance.choice([0.0, 0.1, 0.2]),
            "heap": chance.choice([0.3, 0.6, 0.9]),
        }
    for vertex in vertices:
        _metrics(chance, vertex, polls)
    if chance.random() < 0.05:
        polls[-1]["gc"] = 1.2
    return {
        "settings": _settings(chance, vertices),
        "vertices": vertices,
        "samples": polls,
        "history": _history(chance, vertices),
    }


def _graph(chance: random.Random) -> list[Case]:
    vertices: list[Case] = []
    for number in range(chance.randint(1, 5)):
        inputs = {}
        if number:
            for upstream in chance.sample(vertices, min(number, chance.choice([1, 1, 1, 2]))):
                inputs[upstream["id"]] = chance.choice(["HASH", "REBALANCE", "FORWARD", "BROADCAST"])
        maximum = chance.choice([32, 40, 128, 360, 720])
        vertices.append(
            {
                "id": f"{chance.getrandbits(128):032x}",
                "inputs": inputs,
                "parallelism": chance.randint(1, 30),
                "max_parallelism": maximum,
                "partitions": chance.choice([None, 30, 48]) if not inputs else None,
            }
        )
    return vertices


def _metrics(chance: random.Random, vertex: Case, polls: list[Case]) -> None:
    source = not vertex["inputs"]
    rate = chance.choice([0, *[round(10 ** chance.uniform(3, 6))] * 9])
    lag = chance.choice([0, 0, rate * chance.randint(1, 600)]) if source else 0
    grows = chance.choice([0, 0, -0.1, 0.3]) * rate if lag else 0
    busy, held = chance.randint(5, 1000), chance.choice([0, 0, chance.randint(0, 900)])
    taken, sent, spent = chance.randint(0, 10**9), chance.randint(0, 10**9), chance.randint(0, 10**7)
    ratio = chance.uniform(0.1, 3)
    before_ms = polls[0]["at_ms"]
    for poll in polls:
        seconds = (poll["at_ms"] - before_ms) / 1000
        before_ms = poll["at_ms"]
        now = rate * chance.uniform(0.9, 1.1)
        busy_now = min(1000, max(1, busy + chance.randint(-20, 20)))
        taken += round(now * seconds)
        sent += round(now * ratio * seconds)
        spent += round(busy_now * vertex["parallelism"] * seconds)
        lag = max(0, round(lag + grows * seconds))
        poll["vertices"][vertex["id"]] = {
            "records_in": taken,
            "records_out": sent,
            "busy_ms": spent,
            "busy_max_ms": busy_now,
            "backpressured_ms": held,
            "pending": lag,
            "rate": round(now),
        }


def _settings(chance: random.Random, vertices: list[Case]) -> dict[str, str]:
    chosen = {
        "scale-down.interval": "0 s",
        "target.utilization": chance.choice(["0.5", "0.7", "0.8"]),
        "target.utilization.boundary": chance.choice(["0.1", "0.2", "0.3"]),
        "vertex.min-parallelism": chance.choice(["1", "2", "5"]),
        "vertex.max-parallelism": chance.choice(["20", "64", "200"]),
        "scale-down.max-factor": chance.choice(["0.3", "0.6", "0.9"]),
        "scale-up.max-factor": chance.choice(["1", "3", "100000"]),
        "catch-up.duration": chance.choice(["0 s", "10 min", "30 min"]),
        "restart.time": chance.choice(["30 s", "5 min"]),
        "scaling.effectiveness.detection.enabled": chance.choice(["true", "false"]),
        "metrics.busy-time.aggregator": chance.choice(["MAX", "AVG"]),
    }
    if chance.random() < 0.2:
        chosen["vertex.exclude.ids"] = chance.choice(vertices)["id"]
    return {AUTOSCALER + key: value for key, value in chosen.items()}


def _history(chance: random.Random, vertices: list[Case]) -> list[Case]:
    history = []
    for vertex in vertices:
        if chance.random() < 0.3 and vertex["parallelism"] > 1:
            before = round(10 ** chance.uniform(3, 6))
            history.append(
                {
                    "at_ms": START_MS - 600_000,
                    "vertex": vertex["id"],
                    "before": chance.randint(1, vertex["parallelism"] - 1),
                    "after": vertex["parallelism"],
                    "true_rate": before,
                    "expected_rate": before * chance.uniform(1.2, 4),
                }
            )
    return history
