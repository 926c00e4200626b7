"""Advice on the memory of TaskManagers, from what they use."""

from collections.abc import Sequence

import msgspec

from flinkops.model.detail import TaskManagerDetail
from flinkops.model.quantities import human_bytes, human_ratio

HEAP_TARGET, NETWORK_TARGET = 0.7, 0.8
"""How full each should be at most, for peaks and for the next rescale."""
HEAP_LOW, MANAGED_LOW = 0.3, 0.2
GC_HIGH = 0.3
_STEP_BYTES = 64 * 1024 * 1024


class PoolAdvice(msgspec.Struct, frozen=True):
    """One pool of memory, in its worst TaskManager. `recommended_bytes` None: leave it."""

    pool: str
    used_bytes: int | None
    total_bytes: int | None
    recommended_bytes: int | None
    key: str
    why: str


def memory_advice(managers: Sequence[TaskManagerDetail], state_bytes: int | None) -> tuple[PoolAdvice, ...]:
    """For the heap, the managed and the network memory of a TaskManager; `state_bytes`: of the last checkpoint.

    Sizes are the fullest TaskManager's, since all are configured alike.
    """
    return (_heap(managers), _managed(managers, state_bytes), _network(managers))


def _heap(managers: Sequence[TaskManagerDetail]) -> PoolAdvice:
    key = "taskmanager.memory.task.heap.size"
    used, total = _fullest([(each.heap_used_bytes, each.heap_max_bytes) for each in managers])
    gc = max((each.gc_ratio for each in managers if each.gc_ratio is not None), default=None)
    if used is None or total is None:
        return PoolAdvice("heap", used, total, None, key, "the TaskManagers do not tell their heap")
    share = used / total
    if gc is not None and gc > GC_HIGH:
        more = _rounded(total * 1.5)
        return PoolAdvice("heap", used, total, more, key, f"garbage collection takes {human_ratio(gc)} of the time")
    if share > HEAP_TARGET:
        return PoolAdvice("heap", used, total, _rounded(used / HEAP_TARGET), key, f"{human_ratio(share)} full")
    low_gc = gc is not None and gc < 0.05
    if share < HEAP_LOW and low_gc:
        # One poll may be just after a collection: never below half.
        less = max(_rounded(used / HEAP_TARGET), _rounded(total / 2))
        return PoolAdvice(
            "heap",
            used,
            total,
            less if less < total else None,
            key,
            f"{human_ratio(share)} full, hardly any collection; check again at the peak",
        )
    return PoolAdvice("heap", used, total, None, key, f"{human_ratio(share)} full")


def _managed(managers: Sequence[TaskManagerDetail], state_bytes: int | None) -> PoolAdvice:
    key = "taskmanager.memory.managed.size"
    used, total = _fullest([(each.managed_used_bytes, each.managed_total_bytes) for each in managers])
    if used is None or total is None:
        return PoolAdvice("managed", used, total, None, key, "the TaskManagers do not tell their managed memory")
    if used == 0 and total > 0:
        return PoolAdvice("managed", used, total, 0, key, "nothing uses it: no RocksDB, no batch, no Python operator")
    share = used / total if total else 0.0
    mine = state_bytes / len(managers) if state_bytes is not None and managers else None
    if mine is not None and mine > total:
        why = f"the state, {human_bytes(mine)} for each TaskManager, is larger: reads go to disk"
        return PoolAdvice("managed", used, total, None, key, why)
    if mine is not None and total > 2 * _STEP_BYTES and mine / total < MANAGED_LOW:
        less = _rounded(total / 2)  # a state that is worth less fits into half
        return PoolAdvice(
            "managed",
            used,
            total,
            less,
            key,
            f"the state is only {human_bytes(mine)} for each TaskManager",
        )
    return PoolAdvice(
        "managed", used, total, None, key, f"{human_ratio(share)} reserved (RocksDB reserves all it is given)"
    )


def _network(managers: Sequence[TaskManagerDetail]) -> PoolAdvice:
    key = "taskmanager.memory.network.max"
    used, total = _fullest([(each.network_used_bytes, each.network_total_bytes) for each in managers])
    if used is None or total is None:
        return PoolAdvice("network", used, total, None, key, "the TaskManagers do not tell their network memory")
    share = used / total if total else 0.0
    if share > NETWORK_TARGET:
        return PoolAdvice(
            "network",
            used,
            total,
            _rounded(used / NETWORK_TARGET),
            key,
            f"{human_ratio(share)} in use: a scale-up may fail for want of buffers",
        )
    return PoolAdvice("network", used, total, None, key, f"{human_ratio(share)} in use")


def _fullest(pools: Sequence[tuple[int | None, int | None]]) -> tuple[int | None, int | None]:
    known = [(used, total) for used, total in pools if used is not None and total]
    if known:
        return max(known, key=lambda pool: pool[0] / pool[1])
    return next(iter(pools), (None, None))


def _rounded(value: float) -> int:
    """Up to 64 MiB."""
    return -int(-value // _STEP_BYTES) * _STEP_BYTES
