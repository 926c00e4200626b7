"""A decision of the autoscaler as a Plan: a rescale whose throughput is verified too."""

from collections.abc import Sequence

import msgspec

from flinkops.autoscale.decide import Decision
from flinkops.model.detail import ResourceRequirement
from flinkops.model.facts import ClusterFacts, JobFacts
from flinkops.model.plan import Plan, Step
from flinkops.plan.identity import Stamp
from flinkops.plan.rescale import plan_rescale

OPERATOR_ENABLED = "job.autoscaler.enabled"


def plan_autoscale(
    decision: Decision,
    job: JobFacts,
    requirements: Sequence[ResourceRequirement],
    cluster: ClusterFacts,
    stamp: Stamp,
    *,
    checkpoints: int = 1,
    take_over: bool = False,
    throughput: bool = True,
) -> Plan:
    """Change the parallelism in place as decided: seen in REST, a checkpoint later, as much taken in as arrives.

    Refused when there is nothing to do, when something blocks it, and beside the operator's autoscaler unless
    `take_over`.
    """
    plan = plan_rescale(job, requirements, cluster, stamp, vertices=decision.changes, checkpoints=checkpoints)
    refused = (*_refusals(decision, job, take_over=take_over), *(plan.refused if decision.changes else ()))
    why = tuple(f"{each.name}: {each.why}" for each in decision.vertices if each.recommended != each.current)
    steps = () if refused else (*plan.steps, *(_throughput(decision, job) if throughput else ()))
    return msgspec.structs.replace(
        plan,
        verb="autoscale-apply",
        why=(*why, *plan.why),
        refused=refused,
        effective_mode="fail" if refused else plan.effective_mode,
        steps=steps,
        rollback_steps=() if refused else plan.rollback_steps,
    )


def _refusals(decision: Decision, job: JobFacts, *, take_over: bool) -> tuple[str, ...]:
    refused = []
    if operator_scales(job) and not take_over:
        refused.append(f"the operator's autoscaler is on for this job ({OPERATOR_ENABLED}); --take-over overrules it")
    if decision.verdict == "blocked":
        refused.extend(decision.blocked_by)
    if decision.verdict == "hold":
        refused.append("; ".join(decision.blocked_by) or "every vertex is within its bounds: nothing to change")
    return tuple(refused)


def operator_scales(job: JobFacts) -> bool:
    """The operator's autoscaler is on, as the job's own settings say."""
    return job.configuration.get(OPERATOR_ENABLED, "").strip().lower() == "true"


def _throughput(decision: Decision, job: JobFacts) -> tuple[Step, ...]:
    """The step that watches the sources, where it is known what arrives."""
    sources = {vertex.id for vertex in job.vertices if not vertex.upstream}
    rates = [each.target_rate for each in decision.vertices if each.id in sources]
    known = [rate for rate in rates if rate is not None]
    if not known or len(known) < len(rates):
        return ()
    return (Step("throughput", "verify-throughput", {"records_per_second": f"{sum(known):.3f}"}),)
