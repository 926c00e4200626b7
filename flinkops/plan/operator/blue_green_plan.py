"""A change of a FlinkBlueGreenDeployment as a Plan. Pure.

The operator takes a savepoint of the active child's job, which runs on, starts the other child from it, and deletes the
first once the second is STABLE. Until then the transition can be aborted, and the first job has never stopped.
"""

from collections.abc import Mapping
from typing import Any

from flinkops.model.facts import JobFacts
from flinkops.model.json_reading import section
from flinkops.model.plan import Plan, Precondition, Step
from flinkops.model.quantities import human_seconds
from flinkops.model.request import Terms
from flinkops.outside.shell import shell_command
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.blue_green import (
    BLUE_GREEN,
    DELETION_DELAY,
    BlueGreenAct,
    BlueGreenOutlook,
    doubtful_sinks,
    fencing_sinks,
    ready_time_kept,
)
from flinkops.plan.operator.blue_green_inputs import (
    AwaitChildPatched,
    AwaitSwitch,
    AwaitTransition,
    BeginBlueGreenRollback,
    ChildMode,
    RemoveChild,
    RestoreBlueGreenSpec,
    VerifyChild,
)
from flinkops.plan.operator.effects import expected_of, lost_overrides
from flinkops.plan.operator.resource_change import kept, target_of_resource
from flinkops.plan.operator.spec import upgrade_mode
from flinkops.plan.operator.step_inputs import DryRunPatch, PatchResource
from flinkops.plan.preconditions import BlueGreenIdle, same_spec, unmet_of_resource
from flinkops.plan.step_inputs import CheckFiles, MeasureLoad, RequireOverrides, VerifyEffect, VerifyFlow, VerifyStable

Resource = Mapping[str, Any]

_ROLLBACK = (
    "until the operator has switched: the transition is aborted (the template of before, and an abort grace of 1 ms for"
    " as long as that takes), the old job is never stopped",
    "after that: a transition back to the template of before, from a savepoint of the new job",
)
_BY_HAND = {
    BlueGreenAct.SUSPEND: "suspending",
    BlueGreenAct.RESUME: "resuming",
    BlueGreenAct.SAVEPOINT_REDEPLOY: "a redeployment by savepointRedeployNonce of",
}


def plan_blue_green(
    source: str,
    resource: Resource,
    wanted: Mapping[str, Any],
    patch: Mapping[str, Any],
    found: BlueGreenOutlook,
    job: JobFacts,
    leftover: str | None,
    stamp: Stamp,
    terms: Terms,
) -> Plan:
    """`wanted` is the new spec of the children, `patch` the merge patch of the resource, `job` that of the active one.

    `leftover` is the other child, where an aborted transition has left it behind.
    """
    preconditions = (*same_spec(resource), BlueGreenIdle())
    refused = _refused(resource, patch, found, preconditions)
    transition = found.act is BlueGreenAct.TRANSITION
    mode: ChildMode = "stateless" if upgrade_mode(wanted) == "stateless" else "savepoint"
    effective = (mode if transition else "none") if not refused else "fail"
    steps = _transition_steps(resource, wanted, patch, found, job, mode, leftover, terms) if transition else None
    return Plan(
        id=stamp.plan_id,
        verb="upgrade",
        target=target_of_resource(source, resource, job.id),
        created_ms=stamp.now_ms,
        change="upgrade" if transition else "ignore" if found.act is BlueGreenAct.PATCH_CHILD else "none",
        diff=tuple(one.line for one in found.fields),
        requested_mode=upgrade_mode(wanted),
        effective_mode=effective,
        why=_why(found, transition=transition, kept_time=ready_time_kept(resource)),
        risks=_risks(found, job, mode, leftover) if transition else (),
        refused=refused,
        preconditions=preconditions,
        steps=() if refused else steps or _patch_steps(resource, patch, found, job),
        rollback=_ROLLBACK if transition and not refused else (),
        rollback_steps=_rollback_steps(resource, patch, found, job, mode, terms) if transition and not refused else (),
        severe=transition and mode == "stateless",
        command=stamp.command,
    )


def _refused(
    resource: Resource, patch: Mapping[str, Any], found: BlueGreenOutlook, preconditions: tuple[Precondition, ...]
) -> tuple[str, ...]:
    refused = [*found.refused, *_not_ours(found.act, resource)]
    if not patch or found.act is BlueGreenAct.NONE:
        refused.append("nothing would change")
    elif found.act is not BlueGreenAct.UNREADABLE:
        refused += [one for one in unmet_of_resource(preconditions, resource)[0] if one not in refused]
    return tuple(refused)


def _not_ours(act: BlueGreenAct, resource: Resource) -> list[str]:
    if (what := _BY_HAND.get(act)) is None:
        return []
    metadata = section(resource, "metadata")
    where = ("kubectl", "-n", str(metadata.get("namespace")), "edit", BLUE_GREEN.lower(), str(metadata.get("name")))
    return [f"{what} a {BLUE_GREEN} is not done by flinkops: {shell_command(*where)}"]


def _why(found: BlueGreenOutlook, *, transition: bool, kept_time: bool) -> tuple[str, ...]:
    if found.act is BlueGreenAct.PATCH_CHILD:
        return (f"the operator hands the change on to {found.active}, whose job it leaves alone",)
    if not transition:
        return ()
    delay = found.deletion_delay_seconds
    at_once = "an aborted transition has left its time behind, FLINK-40119" if kept_time else f"{DELETION_DELAY} is 0"
    deleted = f"{human_seconds(delay)} after that" if delay else f"at once ({at_once})"
    return (
        f"the operator takes a savepoint of {found.active}, which runs on, and starts {found.next_child} from it",
        f"once {found.next_child} is STABLE and its job runs, {found.active} is deleted {deleted}",
        f"a child that is not STABLE within {human_seconds(found.abort_grace_seconds)} is suspended by the operator,"
        f" and {found.active} stays",
    )


def _risks(found: BlueGreenOutlook, job: JobFacts, mode: ChildMode, leftover: str | None) -> tuple[str, ...]:
    risks = []
    if mode == "stateless":
        risks.append(f"all state is lost: {found.next_child} starts empty")
    longest = human_seconds(found.abort_grace_seconds + found.deletion_delay_seconds)
    both = f"both jobs run at once, at most about {longest}"
    if not job.vertices:
        risks.append(f"{both}: whether its sinks are idempotent or transactional is not known")
    elif doubtful := doubtful_sinks(job.vertices):
        named = ", ".join(doubtful)
        risks.append(f"{both}, and these sinks are not known to be idempotent or transactional: {named}")
    else:
        risks.append(both)
    if fencing := fencing_sinks(job.vertices):
        risks.append(
            f"{', '.join(fencing)}: with a fixed transactional id (Kafka) the new job fences the old one, which fails"
        )
    if not found.deletion_delay_seconds:
        risks.append(
            "the old job is deleted before checkpoints of the new one are seen: a bad one is then only brought back by"
            f" another transition ({DELETION_DELAY} leaves time)"
        )
    if leftover is not None:
        risks.append(
            f"{leftover}, which an aborted transition has left suspended, is deleted first: the operator would start it"
            " from its own older state"
        )
    return tuple(risks)


def _transition_steps(
    resource: Resource,
    wanted: Mapping[str, Any],
    patch: Mapping[str, Any],
    found: BlueGreenOutlook,
    job: JobFacts,
    mode: ChildMode,
    leftover: str | None,
    terms: Terms,
) -> tuple[Step, ...]:
    error = str(section(resource, "status").get("error") or "")
    child, active, started_ms = found.next_child, found.active, job.started_ms or 0
    stable = Step("stable", VerifyStable(terms.checkpoints, terms.watch_seconds))
    switched = Step("switched", AwaitSwitch(child, active, job.id))
    expected, overrides = expected_of(found.fields, wanted), lost_overrides(wanted)
    # Where the operator leaves time for it, the new job is verified while the transition can still be aborted.
    late = (stable, switched) if found.deletion_delay_seconds > terms.watch_seconds else (switched, stable)
    return (
        Step("dry-run", DryRunPatch(dict(patch)), only_reads=True),
        Step("measure", MeasureLoad(), only_reads=True),
        *([Step("leftover", RemoveChild(leftover))] if leftover is not None else []),
        Step("patch", PatchResource(dict(patch), kept(resource))),
        Step("transition", AwaitTransition(child, mode, error)),
        *([Step("check", CheckFiles())] if mode == "savepoint" else []),
        Step("running", VerifyChild(child, active, mode, job.id, started_ms)),
        *([Step("overrides", RequireOverrides(overrides))] if overrides else []),
        *late,
        Step("flow", VerifyFlow()),
        *([Step("effect", VerifyEffect(expected, application=True))] if expected else []),
    )


def _patch_steps(
    resource: Resource, patch: Mapping[str, Any], found: BlueGreenOutlook, job: JobFacts
) -> tuple[Step, ...]:
    of_child = patch["spec"]["template"]["spec"]
    return (
        Step("dry-run", DryRunPatch(dict(patch)), only_reads=True),
        Step("patch", PatchResource(dict(patch), kept(resource))),
        Step("taken-up", AwaitChildPatched(found.active, job.id, of_child, job.started_ms or 0)),
    )


def _rollback_steps(
    resource: Resource,
    patch: Mapping[str, Any],
    found: BlueGreenOutlook,
    job: JobFacts,
    mode: ChildMode,
    terms: Terms,
) -> tuple[Step, ...]:
    uid = str(section(resource, "metadata").get("uid") or "")
    child, active, started_ms = found.next_child, found.active, job.started_ms or 0
    return (
        Step("rollback", BeginBlueGreenRollback(kept(resource), uid, dict(patch), child, active)),
        Step("old-leftover", RemoveChild(of_rollback=True)),
        Step("old-spec", RestoreBlueGreenSpec(kept(resource))),
        Step("old-transition", AwaitTransition(child, mode, of_rollback=True)),
        Step("old-running", VerifyChild(child, active, mode, job.id, started_ms, of_rollback=True)),
        Step("old-switched", AwaitSwitch(child, active, job.id, of_rollback=True)),
        Step("old-stable", VerifyStable(terms.checkpoints, terms.watch_seconds)),
        Step("old-flow", VerifyFlow()),
    )
