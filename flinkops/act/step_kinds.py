"""All kinds of steps, which the executor can carry out and the journal can read: shared ones, and each back end's.

A back end has its own as ``STEPS`` in the module ``steps`` of its folder (see flinkops.act.backend).
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from flinkops.act.effect_steps import EFFECT_STEPS
from flinkops.act.flow_steps import FLOW_STEPS
from flinkops.act.orphan_steps import ORPHAN_STEPS
from flinkops.act.places import backend_folders
from flinkops.act.running import StepKind, StepKinds
from flinkops.act.savepoint_copy import COPY_STEPS
from flinkops.act.savepoint_steps import SAVEPOINT_STEPS
from flinkops.act.stability_steps import STABILITY_STEPS
from flinkops.act.throughput_steps import THROUGHPUT_STEPS
from flinkops.model.tagged import Members
from flinkops.plan.preconditions import PRECONDITIONS

_SHARED = (
    *SAVEPOINT_STEPS,
    *STABILITY_STEPS,
    *FLOW_STEPS,
    *EFFECT_STEPS,
    *THROUGHPUT_STEPS,
    *ORPHAN_STEPS,
    *COPY_STEPS,
)


@cache
def step_kinds() -> StepKinds:
    """By the struct of their input."""
    return {kind.input: kind for kind in (*_SHARED, *_of_backends())}


@cache
def known_members() -> Members:
    """Inputs, outcomes and preconditions that plans and journals may hold."""
    kinds = step_kinds().values()
    outcomes = {one for kind in kinds for one in (kind.outcome, *kind.keeps)}
    return Members([*(kind.input for kind in kinds), *outcomes, *PRECONDITIONS])


def _of_backends() -> list[StepKind[Any, Any]]:
    found: list[StepKind[Any, Any]] = []
    for name in backend_folders():
        module = f"flinkops.act.{name}.steps"
        if find_spec(module) is not None:
            found.extend(import_module(module).STEPS)
    return found
