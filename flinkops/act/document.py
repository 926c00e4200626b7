"""A plan and its result as the document that scripts read (``-o json``, schema_version 1)."""

from typing import Any

import msgspec

from flinkops.clock import iso_utc
from flinkops.model.plan import Plan, Result
from flinkops.plan.identity import plan_hash

SCHEMA_VERSION = 1

# What steps find under these names has a field of the document's own.
_FOUND = (
    "old_job_id",
    "new_job_id",
    "savepoint",
    "restored_from",
    "checkpoints_after",
    "restarts_after",
    "downtime_seconds",
    "overlap_seconds",
)


def action_document(plan: Plan, result: Result | None) -> dict[str, Any]:
    """The contract's document; ``result`` None: only planned. A value that was not observed is None."""
    return {
        "schema_version": SCHEMA_VERSION,
        "plan": {
            "id": plan.id,
            "hash": plan_hash(plan),
            "verb": plan.verb,
            "job": plan.target.job_name,
            "job_id": plan.target.job_id,
            "source": plan.target.source,
            "namespace": plan.target.namespace,
            "change": plan.change,
            "diff": list(plan.diff),
            "requested_mode": plan.requested_mode,
            "effective_mode": plan.effective_mode,
            "why": list(plan.why),
            "risks": list(plan.risks),
            "refused": list(plan.refused),
            "preconditions": [one.words for one in plan.preconditions],
            "steps": [step.name for step in plan.steps],
            "rollback": list(plan.rollback),
        },
        "result": None if result is None else _result(plan, result),
    }


def _result(plan: Plan, result: Result) -> dict[str, Any]:
    values = result.found.by_name()
    found = {name: values.get(name) for name in _FOUND}
    found["old_job_id"] = found["old_job_id"] or plan.target.job_id or None
    return {
        "outcome": result.outcome,
        **found,
        "downtime_phases": msgspec.to_builtins(values.get("downtime_phases") or []),
        "error": result.error,
        "go_on": result.next_command,
        "seen": result.seen,
        "steps": [
            {
                "name": step.name,
                "at": iso_utc(step.at_ms),
                "seconds": step.seconds,
                "outcome": step.outcome,
                "seen": step.seen,
            }
            for step in result.steps
        ],
    }
