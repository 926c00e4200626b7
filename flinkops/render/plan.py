"""Plans and results as text for people: the parts that every face shows, and lines for the command line."""

from typing import Literal, NamedTuple

from flinkops.model.plan import Plan, Result
from flinkops.plan.preconditions import VertexParallelism


class PlanPart(NamedTuple):
    """What a plan says under one heading, in the order of what matters most to who decides."""

    title: Literal["refused", "why", "risk", "rollback", "needs"]
    texts: tuple[str, ...]


def plan_parts(plan: Plan) -> tuple[PlanPart, ...]:
    """What would stop it, why it is done so, what may go wrong, the rollback, and what has to hold."""
    return (
        PlanPart("refused", plan.refused),
        PlanPart("why", plan.why),
        PlanPart("risk", plan.risks),
        PlanPart("rollback", plan.rollback),
        PlanPart("needs", _needs(plan)),
    )


def _needs(plan: Plan) -> tuple[str, ...]:
    """The preconditions as one text; those of single vertices by their number."""
    vertices = [one for one in plan.preconditions if isinstance(one, VertexParallelism)]
    needs = [one.words for one in plan.preconditions if not isinstance(one, VertexParallelism)]
    if vertices:
        needs.append(f"the parallelism of {len(vertices)} vertices as it is now")
    return (", ".join(needs),) if needs else ()


def plan_lines(plan: Plan) -> list[str]:
    """What would happen, why, and what speaks against it."""
    job = plan.target.job_name or "(no job)"
    lines = [f"{plan.verb} {job} on {plan.target.source}"]
    if plan.effective_mode:
        asked = f" (asked: {plan.requested_mode})" if plan.requested_mode != plan.effective_mode else ""
        lines.append(f"  mode: {plan.effective_mode}{asked}")
    lines += [f"  {line}" for line in plan.diff]
    for title, texts in plan_parts(plan):
        if title != "needs":
            lines += [f"  {'if it fails' if title == 'rollback' else title}: {text}" for text in texts]
    if plan.steps and not plan.refused:
        lines.append(f"  steps: {', '.join(step.name for step in plan.steps)}")
    return lines


def result_lines(plan: Plan, result: Result) -> list[str]:
    """What came of it, as seen."""
    lines = [f"{plan.verb} {plan.target.job_name}: {result.outcome}".replace("  ", " ")]
    shown = {name: text for name, text in result.found.for_people().items() if text}
    lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in shown.items()]
    if result.error:
        lines.append(f"  why: {result.error}")
    if result.next_command:
        lines.append(f"  resume with: {result.next_command}")
    return lines
