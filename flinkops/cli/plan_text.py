"""Plans and results as lines for people."""

from flinkops.act.journal import is_for_people
from flinkops.model.plan import Plan, Result


def plan_lines(plan: Plan) -> list[str]:
    """What would happen, why, and what speaks against it."""
    job = plan.target.job_name or "(no job)"
    lines = [f"{plan.verb} {job} on {plan.target.source}"]
    if plan.effective_mode:
        asked = f" (asked: {plan.requested_mode})" if plan.requested_mode != plan.effective_mode else ""
        lines.append(f"  mode: {plan.effective_mode}{asked}")
    lines += [f"  {line}" for line in plan.diff]
    for title, entries in (
        ("why", plan.why),
        ("risk", plan.risks),
        ("if it fails", plan.rollback),
        ("refused", plan.refused),
    ):
        lines += [f"  {title}: {entry}" for entry in entries]
    if plan.steps and not plan.refused:
        lines.append(f"  steps: {', '.join(step.name for step in plan.steps)}")
    return lines


def result_lines(plan: Plan, result: Result) -> list[str]:
    """What came of it, as seen."""
    lines = [f"{plan.verb} {plan.target.job_name}: {result.outcome}".replace("  ", " ")]
    shown = {name: value for name, value in result.seen.items() if value and is_for_people(name)}
    lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in shown.items()]
    if result.error:
        lines.append(f"  why: {result.error}")
    if result.go_on:
        lines.append(f"  go on with: {result.go_on}")
    return lines
