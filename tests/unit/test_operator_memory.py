"""Memory from several sizes: verdicts of the real validation of operator 1.15.0 (Flink's own derivation)."""

import pytest

from flinkops.plan.operator.memory import jobmanager_adds_up, memory_size, taskmanager_adds_up

JM, TM = "jobmanager.memory.", "taskmanager.memory."


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, None),
        ({f"{JM}off-heap.size": "1g"}, None),  # nothing to begin with
        ({f"{JM}process.size": "576m"}, False),  # nothing is left for the heap
        ({f"{JM}process.size": "577m"}, True),
        ({f"{JM}flink.size": "128m"}, False),
        ({f"{JM}flink.size": "129m"}, True),
        ({f"{JM}flink.size": "512m", f"{JM}off-heap.size": "512m"}, False),
        ({f"{JM}heap.size": "100m"}, True),
        ({f"{JM}heap.size": "1g", f"{JM}flink.size": "512m"}, False),  # the part is more than the total
        ({f"{JM}heap.size": "1g", f"{JM}flink.size": "2g"}, True),  # the rest is off-heap
        ({f"{JM}heap.size": "1g", f"{JM}flink.size": "2g", f"{JM}off-heap.size": "512m"}, False),
        ({f"{JM}heap.size": "1g", f"{JM}flink.size": "1536m", f"{JM}off-heap.size": "512m"}, True),
        ({f"{JM}heap.size": "512m", f"{JM}process.size": "1g"}, False),  # 128m are left for the overhead, of 192m
        ({f"{JM}heap.size": "512m", f"{JM}process.size": "1600m"}, True),
        ({f"{JM}heap.size": "512m", f"{JM}process.size": "4g"}, False),  # more than its 1g
        ({f"{JM}process.size": "512m", f"{JM}jvm-metaspace.size": "64m"}, True),
        ({f"{JM}process.size": "2g", f"{JM}jvm-overhead.min": "2g"}, False),  # above its greatest
        ({f"{JM}process.size": "2g", f"{JM}jvm-overhead.fraction": "1"}, False),
        ({f"{JM}process.size": "2g", f"{JM}jvm-overhead.fraction": "0.3f"}, True),  # as Java reads it
        ({"jobmanager.heap.size": "1g"}, True),
        ({"jobmanager.heap.mb": "1024"}, True),
        ({"jobmanager.heap.mb": "x"}, False),
        ({"jobmanager.heap.size": "1g", f"{JM}process.size": "1g"}, False),
    ],
)
def test_jobmanager(settings: dict[str, str], found: bool | None) -> None:
    assert jobmanager_adds_up(settings) is found


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({f"{TM}task.heap.size": "1g"}, None),
        ({f"{TM}process.size": "982m"}, True),
        ({f"{TM}process.size": "981m"}, False),
        ({f"{TM}flink.size": "1g", f"{TM}framework.heap.size": "512m"}, False),
        ({f"{TM}flink.size": "1g", f"{TM}framework.heap.size": "512m", f"{TM}managed.size": "0"}, True),
        ({f"{TM}flink.size": "1g", f"{TM}managed.fraction": "0.9"}, False),
        ({f"{TM}process.size": "2g", f"{TM}managed.size": "2g"}, False),
        ({f"{TM}task.heap.size": "1g", f"{TM}managed.size": "1g"}, True),
        ({f"{TM}task.heap.size": "1g", f"{TM}managed.size": "1g", f"{TM}flink.size": "2g"}, False),
        ({f"{TM}task.heap.size": "1g", f"{TM}managed.size": "1g", f"{TM}flink.size": "3g"}, True),
        ({f"{TM}task.heap.size": "1g", f"{TM}flink.size": "2g"}, False),  # too little network is left
        ({f"{TM}task.heap.size": "512m", f"{TM}flink.size": "2g"}, True),
        ({f"{TM}task.heap.size": "512m", f"{TM}flink.size": "2g", f"{TM}task.off-heap.size": "1g"}, False),
        ({f"{TM}task.heap.size": "1g", f"{TM}managed.size": "1g", f"{TM}flink.size": "1g"}, False),
        ({f"{TM}task.heap.size": "512m", f"{TM}flink.size": "2g", f"{TM}network.max": "128m"}, False),
        ({f"{TM}flink.size": "2g", f"{TM}network.min": "2g"}, False),
        ({f"{TM}flink.size": "2g", "taskmanager.network.memory.min": "2g"}, False),  # its older name
        ({f"{TM}flink.size": "2g", "taskmanager.network.numberOfBuffers": "2048"}, True),
        ({f"{TM}flink.size": "2g", "taskmanager.network.numberOfBuffers": "200000"}, False),
        ({f"{TM}process.size": "9000000t"}, False),  # beyond what a long holds
    ],
)
def test_taskmanager(settings: dict[str, str], found: bool | None) -> None:
    assert taskmanager_adds_up(settings) is found


@pytest.mark.parametrize(
    ("cores", "slots", "found"),
    [
        (None, "2", True),
        (None, "+2", True),
        (None, "0", False),
        (None, " 2", False),
        ("0.5", "0", True),  # the processors are known without them
        ("0.5", "-1", True),
        ("0.5", "x", False),
        ("0", "2", False),
        ("x", "2", False),
    ],
)
def test_processors(cores: str | None, slots: str, found: bool) -> None:
    settings = {f"{TM}process.size": "2g", "taskmanager.numberOfTaskSlots": slots}
    if cores is not None:
        settings["taskmanager.cpu.cores"] = cores
    assert taskmanager_adds_up(settings) is found


def test_a_size_is_at_most_a_long() -> None:
    assert memory_size("8388607t") == 8388607 << 40
    assert memory_size("8388608t") is None
