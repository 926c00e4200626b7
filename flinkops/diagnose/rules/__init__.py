"""The rules by code. One more is a Rule in a file here and a line below."""

from flinkops.diagnose.rule import Rule
from flinkops.diagnose.rules import (
    backpressure,
    checkpoint_timeout,
    deployment_stuck,
    gc_pressure,
    key_skew,
    known_bugs,
    managed_memory,
    operator_waits,
    out_of_slots,
    override_drift,
    partitions,
    restart_loop,
    serialization,
    source_idle,
    state_bloat,
    upgrade_hazard,
    watermark_delay,
)

_RULES = (
    state_bloat.RULE,
    checkpoint_timeout.RULE,
    watermark_delay.RULE,
    backpressure.RULE,
    serialization.RULE,
    key_skew.RULE,
    restart_loop.RULE,
    out_of_slots.RULE,
    deployment_stuck.RULE,
    *operator_waits.OPERATOR_RULES,
    source_idle.RULE,
    partitions.RULE,
    gc_pressure.RULE,
    managed_memory.RULE,
    override_drift.RULE,
    known_bugs.RULE,
    upgrade_hazard.RULE,
)
RULES: dict[str, Rule] = {each.code: each for each in _RULES}
