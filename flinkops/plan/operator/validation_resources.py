"""What the Flink operator's validation says of memory, processors and replicas. Pure.

Source: ``validateJmSpec``, ``validateTmSpec`` and what they call, of operator 1.7 to 1.16.
"""

import re
from collections.abc import Iterator, Mapping

from flinkops.outside.kubernetes_quantities import BadQuantity, Quantity
from flinkops.plan.operator.configuration import Option, Settings
from flinkops.plan.operator.memory import jobmanager_adds_up, memory_size, taskmanager_adds_up
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


def _enough(known: Mapping[str, str], prefix: str) -> bool | None:
    """Whether Flink can work the rest out from the sizes that are set; None where it is told no size."""
    return taskmanager_adds_up(known) if prefix.startswith("taskmanager") else jobmanager_adds_up(known)


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
            errors += requirement(f"{component} resource requirements {section} {key}", key, quantity)
    for key in ("cpu", "memory"):
        asked, limit = ((resources.get(section) or {}).get(key) for section in ("requests", "limits"))
        if not errors and asked is not None and limit is not None and asked.value > limit.value:
            errors.append(
                f"{component} resource requirements {key} request ({asked.text}) must not exceed its"
                f" limit ({limit.text})"
            )
    if errors:
        yield "; ".join(errors)


def requirement(where: str, key: str, quantity: Quantity) -> Iterator[str]:
    """Of one amount: it has to be one, positive or at least not negative."""
    try:
        value = quantity.value
    except BadQuantity as problem:
        yield f"{where} parse error: {problem}"
        return
    if key in ("cpu", "memory") and value <= 0:
        yield f"{where} must be positive: {quantity.text}"
    elif value < 0:
        yield f"{where} must not be negative: {quantity.text}"
