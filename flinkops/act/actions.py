"""All steps that the executor knows, by name."""

from flinkops.act.flow_steps import FLOW_ACTIONS
from flinkops.act.operator.rollback_steps import RETURN_ACTIONS
from flinkops.act.operator.spec_steps import OPERATOR_ACTIONS
from flinkops.act.operator.startup import LOOK_ACTIONS
from flinkops.act.operator.stop import STOP_ACTIONS
from flinkops.act.rest.redeploy_steps import REDEPLOY_ACTIONS
from flinkops.act.running import StepAction
from flinkops.act.savepoint_steps import SAVEPOINT_ACTIONS
from flinkops.act.stability_steps import STABILITY_ACTIONS
from flinkops.act.throughput_steps import THROUGHPUT_ACTIONS

ACTIONS: dict[str, StepAction] = {
    **SAVEPOINT_ACTIONS,
    **STABILITY_ACTIONS,
    **FLOW_ACTIONS,
    **REDEPLOY_ACTIONS,
    **OPERATOR_ACTIONS,
    **STOP_ACTIONS,
    **LOOK_ACTIONS,
    **RETURN_ACTIONS,
    **THROUGHPUT_ACTIONS,
}
