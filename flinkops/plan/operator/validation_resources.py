"""What the Flink operator's validation says of memory, processors and replicas. Pure.

Source: ``validateJmSpec``, ``validateTmSpec`` and what they call, of operator 1.7 to 1.16.
"""

import re
from collections.abc import Iterator, Mapping

from flinkops.plan.operator.configuration import Option, Settings
from flinkops.plan.operator.quantities import BadQuantity, Quantity
from flinkops.plan.operator.reading import Spec, read_spec
from flinkops.plan.operator.situation import View, settings_of


def jobmanager(view: View, wanted: Spec, settings: Settings) -> Iterator[str]:
    """``validateJmSpec``."""
    manager = wanted.get("jobManager") or {}
    yield from _memory(view, "jobManager", manager, "jobmanager.memory.", settings)
    yield from _resource("JobManager", manager.get("resource") or {})
    yield from _requirements("JobManager", manager.get("resources") or {})
    replicas = manager.get("replicas", 1)
    if replicas < 1:
        yield "JobManager replicas should not be configured less than one."
    elif replicas > 1 and not settings.ha_on(view.world):
        yield "High availability should be enabled when starting standby JobManagers."


def taskmanager(view: View, wanted: Spec, settings: Settings) -> Iterator[str]:
    """``validateTmSpec``."""
    manager = wanted.get("taskManager") or {}
    yield from _memory(view, "taskManager", manager, "taskmanager.memory.", settings)
    yield from _resource("TaskManager", manager.get("resource") or {})
    yield from _requirements("TaskManager", manager.get("resources") or {})
    replicas = manager.get("replicas")
    if replicas is not None and replicas < 1:
        yield "TaskManager replicas should not be configured less than one."


def _memory(view: View, name: str, manager: Spec, prefix: str, settings: Settings) -> Iterator[str]:
    """Memory has to come from somewhere: where an accepted spec says none, from the operator's defaults."""
    if _has_memory(manager):
        return
    known = {**(settings.defaults or {}), **settings.of_spec}
    enough = _enough(known, prefix)
    if enough is None and settings.defaults is None:
        if _accepted_without_memory(view, name, prefix):
            return
        enough = settings.raw(Option(f"{prefix}process.size"), view.world, (None, "1g")) is not None
    if not enough:
        yield _no_memory(view, name)


_MIB = 1 << 20
_LEAST = {
    "jobmanager.memory.process.size": 576 * _MIB,
    "jobmanager.memory.flink.size": 128 * _MIB,
    "taskmanager.memory.process.size": 982 * _MIB,
    "taskmanager.memory.flink.size": 534 * _MIB,
}
"""What Flink's other defaults leave nothing of, where the total is given alone."""


def _enough(known: Mapping[str, str], prefix: str) -> bool | None:
    """Whether Flink can work the rest out from the sizes that are set; None where it is told no size."""
    slots = known.get("taskmanager.numberOfTaskSlots", "1") if prefix.startswith("taskmanager") else "1"
    for keys in _ways(prefix):
        if not all(key in known for key in keys):
            continue
        sizes = [memory_size(known[key]) for key in keys]
        alone = not any(other.startswith(prefix) and other not in keys for other in known)
        least = _LEAST.get(keys[0], 0) if alone else 0
        return re.fullmatch(r"[+]?0*[1-9]\d*", slots) is not None and all(
            size is not None and size >= least for size in sizes
        )
    return None


def _ways(prefix: str) -> tuple[tuple[str, ...], ...]:
    """The settings that are enough, each way by itself, in Flink's order."""
    totals = (f"{prefix}flink.size",), (f"{prefix}process.size",)
    if prefix.startswith("taskmanager"):
        return ((f"{prefix}task.heap.size", f"{prefix}managed.size"), *totals)
    return ((f"{prefix}heap.size",), *totals, ("jobmanager.heap.size",), ("jobmanager.heap.mb",))


def _accepted_without_memory(view: View, name: str, prefix: str) -> bool:
    accepted = view.case.accepted
    if accepted is None or _has_memory(read_spec(accepted, view.rules).get(name) or {}):
        return False
    return _enough(settings_of(accepted, view.rules), prefix) is None


def _has_memory(manager: Spec) -> bool:
    resources = manager.get("resources") or {}
    return bool(str((manager.get("resource") or {}).get("memory") or "").strip()) or any(
        "memory" in (resources.get(section) or {}) for section in ("requests", "limits")
    )


def _no_memory(view: View, name: str) -> str:
    shown = {"jobManager": "JobManager", "taskManager": "TaskManager"}[name]
    more = f" or `spec.{name}.resources.requests.memory`" if view.rules.resources else ""
    return f"{shown} resource memory must be defined using `spec.{name}.resource.memory`{more}"


def _resource(component: str, resource: Spec) -> Iterator[str]:
    problems = ""
    if (memory := resource.get("memory")) is not None and not _is_size(memory):
        problems += f"{component} resource memory parse error: null"
    if (storage := resource.get("ephemeralStorage")) is not None and (problem := _storage_problem(storage)):
        problems += f"{component} resource ephemeral storage parse error: {problem}"
    if problems:
        yield problems


def _storage_problem(text: str) -> str | None:
    if not text:
        return "Invalid quantity string format passed."
    try:
        _ = Quantity(text).value
    except BadQuantity as problem:
        return str(problem)
    return None


_SIZE = re.compile(r"(\d+)\s*(b|bytes|k|kb|kibibytes|m|mb|mebibytes|g|gb|gibibytes|t|tb|tebibytes)?")


def memory_size(text: str) -> int | None:
    """Bytes, as ``MemorySize.parse``; None where it is none."""
    match = _SIZE.fullmatch(text.strip().lower())
    return None if match is None else int(match[1]) << (10 * "bkmgt".index((match[2] or "b")[0]))


def _is_size(text: str) -> bool:
    """A size of Flink's, or an amount of Kubernetes' that comes to a whole number of bytes as it is written."""
    if memory_size(text) is not None:
        return True
    quantity = re.sub(r"\s", "", text).upper().removesuffix("B")
    quantity = f"{quantity[:-1]}i" if quantity.endswith("I") else quantity
    return bool(quantity) and _storage_problem(quantity) is None and not re.match(r"-|[+]?\d*[.]\d", quantity)


def _requirements(component: str, resources: Spec) -> Iterator[str]:
    """``validateResourceRequirements`` of 1.16."""
    errors: list[str] = []
    for section in ("requests", "limits"):
        for key, quantity in (resources.get(section) or {}).items():
            errors += _requirement(f"{component} resource requirements {section} {key}", key, quantity)
    for key in ("cpu", "memory"):
        asked, limit = ((resources.get(section) or {}).get(key) for section in ("requests", "limits"))
        if not errors and asked is not None and limit is not None and asked.value > limit.value:
            errors.append(
                f"{component} resource requirements {key} request ({asked.text}) must not exceed its"
                f" limit ({limit.text})"
            )
    if errors:
        yield "; ".join(errors)


def _requirement(where: str, key: str, quantity: Quantity) -> Iterator[str]:
    try:
        value = quantity.value
    except BadQuantity as problem:
        yield f"{where} parse error: {problem}"
        return
    if key in ("cpu", "memory") and value <= 0:
        yield f"{where} must be positive: {quantity.text}"
    elif value < 0:
        yield f"{where} must not be negative: {quantity.text}"
