"""A rehearsal as lines for people: the verdict, what to do, then operators and states."""

from flinkops.model.quantities import human_bytes, human_seconds
from flinkops.model.rehearsal import Rehearsal, RehearsedState
from flinkops.outside.text import clean


def rehearsal_lines(found: Rehearsal) -> list[str]:
    """First what decides, then what each operator and state came to."""
    took = f" (restored in {human_seconds(found.restore_seconds)})" if found.restore_seconds is not None else ""
    lines = [f"{clean(found.job)}: {found.verdict}{took}"]
    if found.against:
        lines.append(f"  against: {clean(found.against)}")
    if found.cause:
        lines.append(f"  cause: {clean(found.cause)}")
    if found.remedy:
        lines.append(f"  remedy: {clean(found.remedy)}")
    lines += [f"  risk: {clean(one)}" for one in found.risks]
    lines += [f"  outside: {clean(one)}" for one in found.outside]
    lines += [f"  not judged: the program's job {clean(one)}" for one in found.other_jobs]
    for operator in found.operators:
        states = [one for one in found.states if one.operator == operator.id]
        if operator.state_bytes is None and not states and operator.outcome == "new":
            continue
        size = f", {human_bytes(operator.state_bytes)}" if operator.state_bytes is not None else ""
        lines.append(f"  {clean(operator.name or operator.id)}: {operator.outcome}{size}")
        lines += [f"    {_state(one)}" for one in states]
    return lines


def _state(state: RehearsedState) -> str:
    read = f", {state.keys_read} keys read" if state.keys_read else ""
    kind = f" ({clean(state.type).lower().replace('_', ' ')})" if state.type else ""
    detail = f": {clean(state.detail)}" if state.detail else ""
    return f"{clean(state.name)}{kind}: {state.outcome}{read}{detail}"
