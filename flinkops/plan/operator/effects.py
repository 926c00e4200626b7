"""What a change of a spec is to bring about in the running job, to be read back before it counts as done. Pure."""

import json
import math
from collections.abc import Iterable, Iterator

from flinkops.model.effect import EffectKind, Expected
from flinkops.model.json_reading import section
from flinkops.model.option_names import AUTOSCALER, OPERATOR
from flinkops.model.overrides import OVERRIDES, lost_at_start, parse_overrides
from flinkops.model.switches import is_on
from flinkops.plan.operator.configuration import AUTOSCALER_ON, SCHEDULER_MODE
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.spec import Change, FieldChange, as_json, configuration, is_native, job_of

_SETTING = "flinkConfiguration."
_PROGRAM = {
    "job.jarURI": "pipeline.jars",
    "job.entryClass": "$internal.application.main",
    "job.args": "$internal.application.program-args",
}
"""Where an application's JobManager is told its program (``ApplicationConfiguration``, ``PipelineOptions``)."""
_ORDERS = frozenset({"job.state", "job.savepointRedeployNonce", "restartNonce"})
"""Fields whose effect is that the job is stopped or started."""


def expected_of(fields: Iterable[FieldChange], wanted: Spec, *, session_job: bool = False) -> tuple[Expected, ...]:
    """`fields` are those that differ from what was deployed; `wanted` is the whole spec."""
    found = [one for field in fields if field.path not in _ORDERS for one in _of(field, wanted, session_job)]
    return tuple(dict.fromkeys(found))


def overrides_of(spec: Spec) -> dict[str, int]:
    """The parallelism overrides in the spec itself; empty where they cannot be read."""
    settings = configuration(spec)
    below = f"{OVERRIDES}."
    text = settings.get(OVERRIDES)
    if text is None:
        text = ",".join(
            f"{key.removeprefix(below)}:{value}" for key, value in settings.items() if key.startswith(below)
        )
    try:
        return parse_overrides(text)
    except ValueError:
        return {}


def lost_overrides(spec: Spec) -> dict[str, int]:
    """Those that its Flink does not start with; empty where the operator's autoscaler has others.

    The spec of a session job is the one with what its cluster adds.
    """
    settings = configuration(spec)
    autoscaled = any(is_on(settings, key, default=False) for key in AUTOSCALER_ON.keys)
    return overrides_of(spec) if lost_at_start(spec.get("flinkVersion")) and not autoscaled else {}


def _of(field: FieldChange, wanted: Spec, session_job: bool) -> Iterator[Expected]:
    path = field.path
    if path.startswith((_SETTING + OPERATOR, _SETTING + AUTOSCALER, f"{_SETTING}parallelism.default")):
        return  # the operator's own: that it goes by them is seen in the resource's status
    if path.startswith(_SETTING + OVERRIDES):
        yield from (_expected("vertex", vertex, None, number) for vertex, number in overrides_of(wanted).items())
    elif path.startswith(_SETTING):
        yield _expected("setting", path.removeprefix(_SETTING), field.before, field.after)
    elif path in ("job.parallelism", "taskManager.replicas"):
        yield from _parallelism(field, wanted)
    elif path in _PROGRAM:
        if session_job:
            yield _expected("other", path, None, None)
        else:
            yield _expected("program", _PROGRAM[path], field.before, field.after)
    elif path == "image" and field.after is not None:
        yield _expected("image", path, field.before, field.after)
    elif path == "flinkVersion":
        yield _expected("flink-version", path, field.before, field.after)
    elif field.change.rank > Change.IGNORE.rank:
        yield _expected("other", path, None, None)


def _parallelism(field: FieldChange, wanted: Spec) -> Iterator[Expected]:
    settings = configuration(wanted)
    if not is_native(wanted) and settings.get(SCHEDULER_MODE.key, "").lower() == "reactive":
        yield _expected("parallelism", "slots", None, _reactive_slots(wanted))
    elif field.path != "job.parallelism":
        yield _expected("other", field.path, None, None)
    else:
        decided = overrides_of(wanted) or any(is_on(settings, key, default=False) for key in AUTOSCALER_ON.keys)
        kind: EffectKind = "default-parallelism" if decided else "parallelism"
        yield _expected(kind, field.path, field.before, field.after)


def _reactive_slots(wanted: Spec) -> int:
    """A reactive job takes all slots: those of as many TaskManagers as the operator asks for."""
    text = configuration(wanted).get("taskmanager.numberOfTaskSlots", "1").strip()
    slots = max(1, int(text)) if text.isdecimal() else 1
    replicas = section(wanted, "taskManager").get("replicas")
    if not isinstance(replicas, int):
        replicas = math.ceil(int(job_of(wanted).get("parallelism") or 1) / slots)
    return replicas * slots


def _expected(kind: EffectKind, name: str, before: object, wanted: object) -> Expected:
    return Expected(kind, name, _text(before), _text(wanted))


def _text(value: object) -> str | None:
    plain = as_json(value)
    if isinstance(plain, list):
        return ";".join(str(one) for one in plain)
    return plain if plain is None or isinstance(plain, str) else json.dumps(plain)
