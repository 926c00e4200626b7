"""Whether Flink can work out the memory of a JobManager or TaskManager from the sizes that are set. Pure.

Source: ``ProcessMemoryUtils``, ``JobManagerFlinkMemoryUtils``, ``TaskExecutorFlinkMemoryUtils`` and
``TaskExecutorProcessUtils`` of Flink 1.17 to 1.20, which the operator's validation asks. All sizes are in bytes.
"""

import re
import struct
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

from flinkops.plan.operator.configuration import parse_double

_MOST = (1 << 63) - 1
_SIZE = re.compile(r"(\d+)\s*(b|bytes|k|kb|kibibytes|m|mb|mebibytes|g|gb|gibibytes|t|tb|tebibytes)?")


def memory_size(text: str) -> int | None:
    """Bytes, as ``MemorySize.parse``; None where it is none."""
    match = _SIZE.fullmatch(text.strip().lower())
    size = None if match is None else int(match[1]) << (10 * "bkmgt".index((match[2] or "b")[0]))
    return size if size is None or size <= _MOST else None


def jobmanager_adds_up(settings: Mapping[str, str]) -> bool | None:
    """None where no size is set that Flink could begin with."""
    known = _with_legacy_heap(settings)
    return _adds_up(_Memory(known, "jobmanager.memory."), ("heap.size",), _jobmanager_fine, _jobmanager_total)


def taskmanager_adds_up(settings: Mapping[str, str]) -> bool | None:
    """None where no size is set that Flink could begin with."""
    required = ("task.heap.size", "managed.size")
    found = _adds_up(_Memory(settings, "taskmanager.memory."), required, _taskmanager_fine, _taskmanager_total)
    return found and _has_processors(settings)


class _Impossible(ValueError):
    """Flink throws."""


class _Range(NamedTuple):
    least: int
    most: int
    fraction: Fraction

    def capped(self, size: Fraction) -> int:
        return max(self.least, min(self.most, int(size)))

    def of(self, base: int) -> int:
        """``deriveWithFraction``."""
        return self.capped(base * self.fraction)

    def inverse_of(self, base: int) -> int:
        """``deriveWithInverseFraction``: of a total that `base` is the rest of."""
        return self.capped(base * (self.fraction / (1 - self.fraction)))

    def check(self, size: int) -> None:
        _require(self.least <= size <= self.most)


class _Memory(NamedTuple):
    """The settings of one component, by the part of the key after ``prefix``."""

    settings: Mapping[str, str]
    prefix: str

    def has(self, name: str) -> bool:
        return any(key in self.settings for key in self._keys(name))

    def size(self, name: str, default: str | None = None) -> int:
        text = self._text(name, default)
        found = memory_size(text) if text is not None else None
        if found is None:
            raise _Impossible(name)
        return found

    def range(self, name: str, least: str, most: str, fraction: str) -> _Range:
        low, high = self.size(f"{name}.min", least), self.size(f"{name}.max", most)
        try:
            (share,) = struct.unpack(
                "f", struct.pack("f", parse_double(self._text(f"{name}.fraction", fraction) or ""))
            )
        except (ValueError, OverflowError, struct.error):
            raise _Impossible(name) from None
        _require(low <= high and 0 <= share < 1)
        return _Range(low, high, Fraction(repr(share)))

    def _text(self, name: str, default: str | None) -> str | None:
        return next((self.settings[key] for key in self._keys(name) if key in self.settings), default)

    def _keys(self, name: str) -> tuple[str, ...]:
        return (self.prefix + name, *_OLDER.get(self.prefix + name, ()))


_OLDER = {
    "taskmanager.memory.managed.size": ("taskmanager.memory.size",),
    "taskmanager.memory.network.min": ("taskmanager.network.memory.min",),
    "taskmanager.memory.network.max": ("taskmanager.network.memory.max",),
    "taskmanager.memory.network.fraction": ("taskmanager.network.memory.fraction",),
}


def _require(condition: bool) -> None:
    if not condition:
        raise _Impossible


def _adds_up(
    memory: _Memory,
    required: tuple[str, ...],
    from_parts: Callable[[_Memory], int],
    from_total: Callable[[_Memory, int], None],
) -> bool | None:
    """``memoryProcessSpecFromConfig``: from the parts, else from Flink's total, else from the process's."""
    try:
        if all(memory.has(name) for name in required):
            _check_around(memory, from_parts(memory))
        elif memory.has("flink.size"):
            total = memory.size("flink.size")
            from_total(memory, total)
            _check_around(memory, total)
        elif memory.has("process.size"):
            total = memory.size("process.size")
            rest = total - memory.size("jvm-metaspace.size", "256m") - _overhead(memory).of(total)
            _require(rest >= 0)
            from_total(memory, rest)
        else:
            return None
    except _Impossible:
        return False
    return True


def _overhead(memory: _Memory) -> _Range:
    return memory.range("jvm-overhead", "192m", "1g", "0.1")


def _check_around(memory: _Memory, flink: int) -> None:
    """``deriveJvmMetaspaceAndOverheadFromTotalFlinkMemory``."""
    inner = flink + memory.size("jvm-metaspace.size", "256m")
    overhead = _overhead(memory)
    if memory.has("process.size"):
        overhead.check(memory.size("process.size") - inner)
    else:
        _require(inner + overhead.inverse_of(inner) <= _MOST)


# --- JobManager ---


def _with_legacy_heap(settings: Mapping[str, str]) -> Mapping[str, str]:
    """``processSpecFromConfigWithNewOptionToInterpretLegacyHeap``."""
    heap = "jobmanager.memory.heap.size"
    if heap in settings:
        return settings
    if (size := settings.get("jobmanager.heap.size")) is not None:
        return {**settings, heap: size}
    megabytes = settings.get("jobmanager.heap.mb")
    return settings if megabytes is None else {**settings, heap: f"{megabytes.strip()}m"}


def _jobmanager_fine(memory: _Memory) -> int:
    heap, off_heap = memory.size("heap.size"), memory.size("off-heap.size", "128m")
    if not memory.has("flink.size"):
        return heap + off_heap
    total = memory.size("flink.size")
    _require(total == heap + off_heap if memory.has("off-heap.size") else total >= heap)
    return total


def _jobmanager_total(memory: _Memory, total: int) -> None:
    _require(total > memory.size("off-heap.size", "128m"))


# --- TaskManager ---


def _framework(memory: _Memory) -> int:
    heap, off_heap = memory.size("framework.heap.size", "128m"), memory.size("framework.off-heap.size", "128m")
    return heap + off_heap + memory.size("task.off-heap.size", "0")


def _taskmanager_fine(memory: _Memory) -> int:
    others = _framework(memory) + memory.size("task.heap.size") + memory.size("managed.size")
    if memory.has("flink.size"):
        total = memory.size("flink.size")
        _check_network(memory, total - others)
        return total
    legacy = _legacy_network(memory)
    return others + (_network(memory).inverse_of(others) if legacy is None else legacy)


def _taskmanager_total(memory: _Memory, total: int) -> None:
    managed = memory.size("managed.size") if memory.has("managed.size") else _managed(memory).of(total)
    others = _framework(memory) + managed
    if memory.has("task.heap.size"):
        others += memory.size("task.heap.size")
        _check_network(memory, total - others)
        return
    legacy = _legacy_network(memory)
    _require(total >= others + (_network(memory).of(total) if legacy is None else legacy))


def _managed(memory: _Memory) -> _Range:
    return memory.range("managed", "0", str(_MOST), "0.4")


def _network(memory: _Memory) -> _Range:
    return memory.range("network", "64m", str(_MOST), "0.1")


def _check_network(memory: _Memory, size: int) -> None:
    """It is what the other parts leave of the total; less than nothing is never enough."""
    legacy = _legacy_network(memory)
    if legacy is None:
        _network(memory).check(size)
    else:
        _require(size == legacy)


def _legacy_network(memory: _Memory) -> int | None:
    """By a number of buffers, which counts only where no other setting of the network's memory does."""
    text = memory.settings.get("taskmanager.network.numberOfBuffers")
    if text is None or any(memory.has(f"network.{name}") for name in ("min", "max", "fraction")):
        return None
    page = memory.size("segment-size", "32k")
    if not text.strip().isdecimal():
        raise _Impossible
    return int(text) * page


def _has_processors(settings: Mapping[str, str]) -> bool:
    """``getCpuCoresWithFallback``: more than none, by themselves or by the slots, which have to be a number anyway."""
    slots = settings.get("taskmanager.numberOfTaskSlots", "1")
    if re.fullmatch(r"[+-]?\d+", slots) is None:
        return False
    cores = settings.get("taskmanager.cpu.cores")
    try:
        return (int(slots) if cores is None else parse_double(cores)) > 0
    except ValueError:
        return False
