"""The rules by code. One more is one file here and one line below."""

from flinkops.diagnose.rule import Rule
from flinkops.diagnose.rules import (
    backpressure,
    checkpoint_timeout,
    deployment_stuck,
    gc_pressure,
    key_skew,
    known_bugs,
    managed_memory,
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

RULES: dict[str, Rule] = {
    each.RULE.code: each.RULE
    for each in (
        state_bloat,
        checkpoint_timeout,
        watermark_delay,
        backpressure,
        serialization,
        key_skew,
        restart_loop,
        out_of_slots,
        deployment_stuck,
        source_idle,
        partitions,
        gc_pressure,
        managed_memory,
        override_drift,
        known_bugs,
        upgrade_hazard,
    )
}
