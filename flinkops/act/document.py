"""A plan and its result as the document that scripts read (``-o json``, schema_version 1)."""

from typing import Any

from flinkops.clock import iso_utc
from flinkops.model.plan import Plan, Result
from flinkops.plan.identity import plan_hash

SCHEMA_VERSION = 1

# Field of the document -> how the text that a step saw is read.
_SEEN: dict[str, type[str] | type[int] | type[float]] = {
    "old_job_id": str,
    "new_job_id": str,
    "savepoint": str,
    "restored_from": str,
    "checkpoints_after": int,
    "restarts_after": int,
    "downtime_seconds": float,
}


def action_document(plan: Plan, result: Result | None) -> dict[str, Any]:
    """The contract's document; ``result`` None: only planned. A value that nobody saw is None."""
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
            "preconditions": list(plan.preconditions),
            "steps": [step.name for step in plan.steps],
            "rollback": list(plan.rollback),
        },
        "result": None if result is None else _result(plan, result),
    }


def _result(plan: Plan, result: Result) -> dict[str, Any]:
    seen = {name: _read(kind, result.seen.get(name)) for name, kind in _SEEN.items()}
    seen["old_job_id"] = seen["old_job_id"] or plan.target.job_id or None
    return {
        "outcome": result.outcome,
        **seen,
        "error": result.error,
        "go_on": result.go_on,
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


def _read(kind: type[str] | type[int] | type[float], text: str | None) -> str | int | float | None:
    try:
        return None if text is None else kind(text)
    except ValueError:
        return None
