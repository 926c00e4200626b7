"""What has to be seen of a change of parallelism that the operator makes while the job runs, and its undoing. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from flinkops.model.effect import Expected
from flinkops.model.json_reading import section
from flinkops.model.overrides import OVERRIDES
from flinkops.model.plan import Precondition, Step
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.step_inputs import AwaitTakenUp, PatchResource
from flinkops.plan.preconditions import AdaptiveScheduler, JobInState, SameJob, VertexParallelism
from flinkops.plan.step_inputs import VerifyEffect, VerifyParallelism, VerifyStable

ROLLBACK = "the overrides are set to what runs now, and seen to hold"


def ordered(expected: tuple[Expected, ...], running: Mapping[str, int]) -> dict[str, int]:
    """The parallelism that overrides order for vertices of the running job; empty where the change is another one."""
    if any(one.kind not in ("vertex", "default-parallelism") for one in expected):
        return {}
    wanted = ((one.name, one.wanted) for one in expected if one.kind == "vertex" and one.name in running)
    return {name: int(number) for name, number in wanted if number is not None}


def in_place_steps(expected: tuple[Expected, ...], running: Mapping[str, int], checkpoints: int) -> tuple[Step, ...]:
    """After the operator has taken it up: the parallelism, a checkpoint."""
    if wanted := ordered(expected, running):
        return _seen_to_hold("", wanted, checkpoints)
    effect = (Step("effect", VerifyEffect(expected)),) if expected else ()
    return (*effect, Step("stable", VerifyStable(checkpoints)))


def in_place_preconditions(job_id: str, running: Mapping[str, int]) -> tuple[Precondition, ...]:
    """The job is the one that was seen, and runs as it did."""
    as_seen = (VertexParallelism(vertex, parallelism) for vertex, parallelism in running.items())
    return (SameJob(job_id), JobInState("RUNNING"), AdaptiveScheduler(), *as_seen)


def in_place_rollback(
    before: dict[str, Any],
    patch: Mapping[str, Any],
    spec: Spec,
    taken_up: AwaitTakenUp,
    running: Mapping[str, int],
    checkpoints: int,
) -> tuple[Step, ...]:
    """Overrides are set back, not taken away: without them the operator would redeploy the job.

    `before` is the resource, `patch` the change of its spec, `spec` what comes of it, `taken_up` how that is seen.
    Empty where the patch changes more than settings, or the settings are nested.
    """
    settings = section(before["spec"], "flinkConfiguration")
    changed = section(patch, "flinkConfiguration")
    nested = any(isinstance(one, Mapping) for one in (*settings.values(), *changed.values()))
    if nested or set(patch) != {"flinkConfiguration"}:
        return ()
    overrides = ",".join(f"{vertex}:{number}" for vertex, number in running.items())
    undo = {key: settings.get(key) for key in changed} | {OVERRIDES: overrides}
    undoing = {"spec": {"flinkConfiguration": undo}}
    return (
        Step("undo-patch", PatchResource(undoing, {**before, "spec": dict(spec)})),
        Step("undo-taken-up", msgspec.structs.replace(taken_up, patch=undoing)),
        *_seen_to_hold("undo-", running, checkpoints),
    )


def _seen_to_hold(prefix: str, parallelism: Mapping[str, int], checkpoints: int) -> tuple[Step, ...]:
    return (
        Step(f"{prefix}rescaled", VerifyParallelism(dict(parallelism))),
        Step(f"{prefix}stable", VerifyStable(checkpoints)),
    )
