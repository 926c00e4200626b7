"""All steps that the executor knows, by name."""

from flinkops.act.running import StepAction
from flinkops.act.savepoint_steps import SAVEPOINT_ACTIONS

ACTIONS: dict[str, StepAction] = {**SAVEPOINT_ACTIONS}
