"""A decision of the autoscaler as a Plan: a rescale whose throughput is verified too."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from flinkops.autoscale.decide import Decision
from flinkops.autoscale.explain import SCALING_ENABLED
from flinkops.errors import Refused
from flinkops.model.detail import ResourceRequirement
from flinkops.model.facts import ClusterFacts, JobFacts
from flinkops.model.json_reading import section
from flinkops.model.option_names import AUTOSCALER_ENABLED
from flinkops.model.overrides import OVERRIDES
from flinkops.model.plan import Plan, Step
from flinkops.model.request import ActionRequest, Change, Terms
from flinkops.model.switches import is_on
from flinkops.outside.shell import shell_word
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.spec import configuration, last_reconciled
from flinkops.plan.rescale import plan_rescale
from flinkops.plan.step_inputs import VerifyThroughput


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
    steps = () if refused else (*plan.steps, *(_throughput(decision, job) if throughput else ()))
    return msgspec.structs.replace(
        plan,
        verb="autoscale-apply",
        why=(*_reasons(decision), *plan.why),
        refused=refused,
        effective_mode="fail" if refused else plan.effective_mode,
        steps=steps,
        rollback_steps=() if refused else plan.rollback_steps,
    )


def _refusals(decision: Decision, job: JobFacts, *, take_over: bool) -> tuple[str, ...]:
    refused = []
    if operator_acts(job.configuration) and not take_over:
        refused.append(f"the operator's autoscaler is on for this job ({AUTOSCALER_ENABLED}); --take-over overrules it")
    if decision.verdict == "blocked":
        refused.extend(decision.blocked_by)
    if decision.verdict == "hold":
        refused.append("; ".join(decision.blocked_by) or "every vertex is within its bounds: nothing to change")
    return tuple(refused)


def operator_acts(settings: Mapping[str, str]) -> bool:
    """By a job's settings: the operator's autoscaler is on for it, and does more than advise."""
    return is_on(settings, AUTOSCALER_ENABLED, default=False) and is_on(settings, SCALING_ENABLED, default=True)


def beside_operator(job: str) -> Refused:
    """Two controllers would undo each other."""
    return Refused(
        f"the operator's autoscaler is on for {job}: two controllers would undo each other",
        next_step=f"flinkops autoscale disable {shell_word(job)}, or --take-over, which switches it off too",
    )


def overrides_in_force(resource: Mapping[str, Any]) -> dict[str, str]:
    """The operator's own parallelism overrides, for the spec of a job whose autoscaler is switched off; else empty.

    The operator keeps them in what it deployed last, not in the spec. Without them there it restarts the job with the
    parallelism of its spec as soon as the autoscaler is off ("override has been removed, falling back to regular
    upgrade", NativeFlinkService.scale of operator 1.7.0); in the same words as it wrote them they are no change.
    """
    if not is_on(configuration(section(resource, "spec")), AUTOSCALER_ENABLED, default=False):
        return {}
    deployed = configuration(last_reconciled(resource) or {}).get(OVERRIDES)
    return {OVERRIDES: deployed} if deployed else {}


def overrides_of(decision: Decision) -> str:
    """Each vertex as decided."""
    return ",".join(f"{each.id}:{each.recommended}" for each in decision.vertices)


def request_for(decision: Decision, *, switch_off: bool = False, checkpoints: int = 1) -> ActionRequest:
    """The decision as a change of the spec's settings. Raises Refused when there is nothing to do."""
    if not decision.changes:
        raise Refused("; ".join(decision.blocked_by) or "every vertex is within its bounds: nothing to change")
    off: dict[str, str | None] = {AUTOSCALER_ENABLED: "false"} if switch_off else {}
    change = Change(settings={OVERRIDES: overrides_of(decision), **off})
    return ActionRequest("upgrade", change, Terms(checkpoints=checkpoints))


def plan_autoscale_on_resource(plan: Plan, decision: Decision, job: JobFacts, *, throughput: bool = True) -> Plan:
    """`plan` changes the overrides in a resource's spec; here what the decision adds: its reasons, the throughput."""
    verified = _throughput(decision, job) if throughput and not plan.refused else ()
    why = (*_reasons(decision), *plan.why)
    return msgspec.structs.replace(plan, verb="autoscale-apply", why=why, steps=(*plan.steps, *verified))


def _reasons(decision: Decision) -> tuple[str, ...]:
    return tuple(f"{each.name}: {each.why}" for each in decision.vertices if each.recommended != each.current)


def _throughput(decision: Decision, job: JobFacts) -> tuple[Step, ...]:
    """The step that watches the sources, where it is known what arrives."""
    sources = {vertex.id for vertex in job.vertices if not vertex.upstream}
    rates = [each.target_rate for each in decision.vertices if each.id in sources]
    known = [rate for rate in rates if rate is not None]
    if not known or len(known) < len(rates):
        return ()
    return (Step("throughput", VerifyThroughput(round(sum(known), 3))),)
