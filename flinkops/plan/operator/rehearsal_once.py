"""Of many jobs that get the same change, one rehearses it. Pure."""

import json
from collections.abc import Mapping, Sequence

import msgspec

from flinkops.model.json_reading import section
from flinkops.model.plan import Plan, Step
from flinkops.plan.operator.merge_patch import merged
from flinkops.plan.operator.spec import job_of
from flinkops.plan.operator.step_inputs import RehearseSpec

_PROGRAM = ("jarURI", "entryClass", "args")


def rehearsed_once(waves: Sequence[Sequence[str]], plans: Mapping[str, Plan]) -> dict[str, Plan]:
    """The plans without the rehearsals that an earlier wave has had, of the same change to the same program.

    Jobs of one wave begin at once, so that none of them can rely on another. The program is the same where the new
    specs have the same image, jar, entry class and arguments.
    """
    found = dict(plans)
    rehearsed: dict[str, str] = {}
    for wave in waves:
        for key in wave:
            change = _change(plans[key])
            if change is not None and (by := rehearsed.get(change)) is not None:
                found[key] = _without(plans[key], by)
        for key in wave:
            if (change := _change(plans[key])) is not None:
                rehearsed.setdefault(change, key)
    return found


def _change(plan: Plan) -> str | None:
    step = next((one for one in plan.steps if isinstance(one.do, RehearseSpec)), None)
    if step is None:
        return None
    given = step.do
    assert isinstance(given, RehearseSpec)
    wanted = merged(given.before["spec"], section(given.patch, "spec"))
    program = {name: job_of(wanted).get(name) for name in _PROGRAM}
    return json.dumps([given.patch, wanted.get("image"), program], sort_keys=True, default=str)


def _without(plan: Plan, by: str) -> Plan:
    steps: tuple[Step, ...] = tuple(one for one in plan.steps if not isinstance(one.do, RehearseSpec))
    return msgspec.structs.replace(plan, steps=steps, why=(*plan.why, f"the same change is rehearsed on {by} before"))
