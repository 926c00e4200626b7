"""All steps that the executor knows, by name: those of every back end, and those of each."""

from functools import cache

from flinkops.act.backends import backend_kinds
from flinkops.act.flow_steps import FLOW_ACTIONS
from flinkops.act.running import StepAction
from flinkops.act.savepoint_steps import SAVEPOINT_ACTIONS
from flinkops.act.stability_steps import STABILITY_ACTIONS
from flinkops.act.throughput_steps import THROUGHPUT_ACTIONS

_SHARED: dict[str, StepAction] = {**SAVEPOINT_ACTIONS, **STABILITY_ACTIONS, **FLOW_ACTIONS, **THROUGHPUT_ACTIONS}


@cache
def step_actions() -> dict[str, StepAction]:
    """A step that only one back end has is in its own ``steps``."""
    own = {name: action for kind in backend_kinds().values() for name, action in kind.steps.items()}
    return {**_SHARED, **own}
