"""The rules by code, and what may be behind each. One more is a Rule in a file here and a line below."""

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

CAUSES: dict[str, tuple[str, ...]] = {
    "backpressure": (
        "restart-loop",
        "gc-pressure",
        "key-skew",
        "managed-memory-full",
        "serialization",
        "checkpoint-timeout",
    ),
    "checkpoint-timeout": (
        "restart-loop",
        "gc-pressure",
        "key-skew",
        "managed-memory-full",
        "serialization",
        "backpressure",
    ),
    "watermark-delay": (
        "restart-loop",
        "source-idle",
        "partitions-below-parallelism",
        "gc-pressure",
        "key-skew",
        "managed-memory-full",
        "serialization",
        "backpressure",
    ),
    "managed-memory-full": ("state-bloat", "key-skew"),
    "gc-pressure": ("state-bloat",),
    "serialization": ("gc-pressure",),
    "key-skew": ("gc-pressure",),
    "jobmanager-missing": ("operator-error",),
    "restart-loop": ("deployment-stuck", "out-of-slots", "gc-pressure", "checkpoint-timeout"),
    "source-idle": ("deployment-stuck", "restart-loop"),
    "state-bloat": ("watermark-delay",),
    "out-of-slots": ("deployment-stuck",),
}
"""For each symptom what may be behind it, the deepest first."""
