"""All steps that the executor knows, by name."""

from flinkops.act.redeploy_steps import REDEPLOY_ACTIONS
from flinkops.act.running import StepAction
from flinkops.act.savepoint_steps import SAVEPOINT_ACTIONS
from flinkops.act.stability_steps import STABILITY_ACTIONS

ACTIONS: dict[str, StepAction] = {**SAVEPOINT_ACTIONS, **STABILITY_ACTIONS, **REDEPLOY_ACTIONS}
