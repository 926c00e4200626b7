"""The decision as the contract's `autoscale advise -o json` words it, and as a table for people."""

import math
from typing import Any

from flinkops.autoscale.decide import Decision, VertexAdvice
from flinkops.model.quantities import human_count, human_rate, human_ratio

TITLES = ("VERTEX", "NOW", "WANTED", "TRUE RATE", "TARGET", "BUSY", "LAG", "WHY")
RIGHT = (False, True, True, True, True, True, True, False)


def advice_document(decision: Decision) -> dict[str, Any]:
    """Schema version 1. A true rate that is infinite (the vertex costs no time) is null, and `why` shows it."""
    return {
        "schema_version": 1,
        "job": decision.job,
        "verdict": decision.verdict,
        "blocked_by": list(decision.blocked_by),
        "vertices": [_vertex(each) for each in decision.vertices],
    }


def _vertex(advice: VertexAdvice) -> dict[str, Any]:
    return {
        "id": advice.id,
        "name": advice.name,
        "current": advice.current,
        "recommended": advice.recommended,
        "true_processing_rate": _finite(advice.true_processing_rate),
        "target_rate": _finite(advice.target_rate),
        "expected_rate": _finite(advice.expected_rate),
        "utilization": _finite(advice.utilization),
        "lag_records": _finite(advice.lag_records),
        "waits_until_ms": advice.waits_until_ms,
        "why": advice.why,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def advice_rows(decision: Decision) -> list[list[str]]:
    """One row a vertex, under `TITLES`."""
    return [
        [
            each.name,
            str(each.current),
            str(each.recommended),
            "∞/s" if each.true_processing_rate == math.inf else human_rate(each.true_processing_rate),
            human_rate(each.target_rate),
            human_ratio(each.utilization),
            human_count(each.lag_records) if each.lag_records is not None else "",
            each.why,
        ]
        for each in decision.vertices
    ]


def headline(decision: Decision) -> str:
    """The verdict in a sentence."""
    if decision.verdict == "hold":
        reasons = "; ".join(decision.blocked_by)
        return f"{decision.job}: hold" + (f": {reasons}" if reasons else ": every vertex is within its bounds")
    changes = ", ".join(
        f"{each.name} {each.current} -> {each.recommended}"
        for each in decision.vertices
        if each.recommended != each.current
    )
    if decision.verdict == "blocked":
        return f"{decision.job}: would scale {changes}; blocked: {'; '.join(decision.blocked_by)}"
    return f"{decision.job}: scale {changes}"
