"""The steps that only plans on custom resources of the Flink operator have."""

from typing import Any

from flinkops.act.operator.before_stop import BEFORE_STOP_STEPS
from flinkops.act.operator.blue_green_rollback import BLUE_GREEN_ROLLBACK_STEPS
from flinkops.act.operator.blue_green_steps import TRANSITION_STEPS
from flinkops.act.operator.rehearsing import REHEARSAL_STEPS
from flinkops.act.operator.rollback_steps import ROLLBACK_STEPS
from flinkops.act.operator.snapshot_steps import SNAPSHOT_STEPS
from flinkops.act.operator.spec_steps import SPEC_STEPS
from flinkops.act.operator.startup import STARTUP_STEPS
from flinkops.act.operator.stop import STOP_STEPS
from flinkops.act.running import StepKind

STEPS: tuple[StepKind[Any, Any], ...] = (
    *SPEC_STEPS,
    *BEFORE_STOP_STEPS,
    *REHEARSAL_STEPS,
    *STOP_STEPS,
    *STARTUP_STEPS,
    *ROLLBACK_STEPS,
    *SNAPSHOT_STEPS,
    *TRANSITION_STEPS,
    *BLUE_GREEN_ROLLBACK_STEPS,
)
