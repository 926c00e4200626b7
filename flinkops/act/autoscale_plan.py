"""A decision of the autoscaler as a Plan: a rescale whose throughput is verified too."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from flinkops.autoscale.decide import Decision
from flinkops.autoscale.explain import ENABLED, OVERRIDES, SCALING
from flinkops.errors import Refused
from flinkops.model.detail import ResourceRequirement
from flinkops.model.facts import ClusterFacts, JobFacts
from flinkops.model.plan import Plan, Step
from flinkops.model.request import ActionRequest, Change
from flinkops.model.switches import is_on
from flinkops.outside.shell import shell_word
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.spec import configuration, last_reconciled
from flinkops.plan.operator.step_inputs import AwaitTakenUp, PatchResource
from flinkops.plan.operator.steps import merged
from flinkops.plan.preconditions import AdaptiveScheduler, JobInState, SameJob, VertexParallelism
from flinkops.plan.rescale import plan_rescale
from flinkops.plan.step_inputs import VerifyParallelism, VerifyStable, VerifyThroughput


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
        refused.append(f"the operator's autoscaler is on for this job ({ENABLED}); --take-over overrules it")
    if decision.verdict == "blocked":
        refused.extend(decision.blocked_by)
    if decision.verdict == "hold":
        refused.append("; ".join(decision.blocked_by) or "every vertex is within its bounds: nothing to change")
    return tuple(refused)


def operator_acts(settings: Mapping[str, str]) -> bool:
    """By a job's settings: the operator's autoscaler is on for it, and does more than advise."""
    return is_on(settings, ENABLED, default=False) and is_on(settings, SCALING, default=True)


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
    if not is_on(configuration(resource.get("spec") or {}), ENABLED, default=False):
        return {}
    deployed = configuration(last_reconciled(resource) or {}).get(OVERRIDES)
    return {OVERRIDES: deployed} if deployed else {}


def overrides_of(decision: Decision, job: JobFacts | None = None) -> str:
    """Each vertex as decided; with a job, as that runs now."""
    running = {vertex.id: vertex.parallelism for vertex in job.vertices} if job is not None else {}
    return ",".join(f"{each.id}:{running.get(each.id, each.recommended)}" for each in decision.vertices)


def request_for(decision: Decision, *, switch_off: bool = False) -> ActionRequest:
    """The decision as a change of the spec's settings. Raises Refused when there is nothing to do."""
    if not decision.changes:
        raise Refused("; ".join(decision.blocked_by) or "every vertex is within its bounds: nothing to change")
    off: dict[str, str | None] = {ENABLED: "false"} if switch_off else {}
    return ActionRequest("upgrade", Change(settings={OVERRIDES: overrides_of(decision), **off}))


def plan_autoscale_on_resource(
    plan: Plan, decision: Decision, job: JobFacts, *, checkpoints: int = 1, throughput: bool = True
) -> Plan:
    """`plan` changes the overrides in a resource's spec; here what has to be verified after it, and the rollback.

    In place, under the adaptive scheduler: the parallelism in REST, a checkpoint, the throughput; else the overrides
    that make it run as before. A redeployment has its own verification and rollback, and only gets the throughput.
    """
    verified = _throughput(decision, job) if throughput else ()
    plan = msgspec.structs.replace(plan, verb="autoscale-apply", why=(*_reasons(decision), *plan.why))
    if plan.refused:
        return plan
    if (plan.change, plan.effective_mode) != ("scale", "in-place"):
        return msgspec.structs.replace(plan, steps=(*plan.steps, *verified))
    wanted = {each.id: each.recommended for each in decision.vertices}
    running = {vertex.id: vertex.parallelism for vertex in job.vertices}
    return msgspec.structs.replace(
        plan,
        effective_mode="in-place",
        preconditions=(
            *plan.preconditions,
            SameJob(job.id),
            JobInState("RUNNING"),
            AdaptiveScheduler(),
            *(VertexParallelism(vertex, parallelism) for vertex, parallelism in running.items()),
        ),
        steps=(*plan.steps, *_seen_to_hold("", wanted, checkpoints), *verified),
        rollback=("the overrides are set to what runs now, and seen to hold",),
        rollback_steps=_rollback_steps(plan, overrides_of(decision, job), running, checkpoints),
    )


def _rollback_steps(plan: Plan, overrides: str, running: Mapping[str, int], checkpoints: int) -> tuple[Step, ...]:
    """Overrides are set back, not taken away: without them the operator would redeploy the job."""
    done = next(step.do for step in plan.steps if isinstance(step.do, PatchResource))
    taken_up = next(step for step in plan.steps if isinstance(step.do, AwaitTakenUp))
    spec, patch = done.before["spec"], done.patch["spec"]
    old = spec.get("flinkConfiguration") or {}
    undo = {key: old.get(key) for key in patch["flinkConfiguration"]} | {OVERRIDES: overrides}
    changed = {**done.before, "spec": merged(spec, patch)}
    return (
        Step("undo-patch", PatchResource({"spec": {"flinkConfiguration": undo}}, changed)),
        msgspec.structs.replace(taken_up, name="undo-taken-up"),
        *_seen_to_hold("undo-", running, checkpoints),
    )


def _seen_to_hold(prefix: str, parallelism: Mapping[str, int], checkpoints: int) -> tuple[Step, ...]:
    return (
        Step(f"{prefix}rescaled", VerifyParallelism(dict(parallelism))),
        Step(f"{prefix}stable", VerifyStable(checkpoints)),
    )


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
