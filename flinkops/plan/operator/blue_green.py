"""What the Flink operator does about a changed FlinkBlueGreenDeployment (1.14 and newer). Pure.

Source: apache/flink-kubernetes-operator 1.14 to 1.16, ``FlinkBlueGreenDeploymentSpecDiff``,
``BlueGreenDeploymentService`` and ``FlinkBlueGreenDeploymentConfigOptions``. It has two children, NAME-blue and
NAME-green, of which one is active. A changed template makes it take a savepoint of the active child, start the other
one from there while the first still runs, and delete the first once the other is stable. A child that is not stable in
time is suspended, and the first one stays.
"""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from flinkops.model.blue_green_state import Colour, not_idle, state_of
from flinkops.model.facts import VertexFacts
from flinkops.model.json_reading import section
from flinkops.model.states import JobState
from flinkops.plan.operator.configuration import duration_seconds
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.rules import NEWEST, Rules
from flinkops.plan.operator.spec import Change, FieldChange, compared, desired_state, upgrade_mode

BLUE_GREEN = "FlinkBlueGreenDeployment"
_PREFIX = "kubernetes.operator.bluegreen."
ABORT_GRACE = f"{_PREFIX}abort.grace-period"
DELETION_DELAY = f"{_PREFIX}deployment-deletion.delay"
_DEFAULT_SECONDS = {ABORT_GRACE: 600.0, DELETION_DELAY: 0.0}


class BlueGreenAct(StrEnum):
    """What it does about a change."""

    NONE = "none"
    PATCH_CHILD = "patch-child"  # the active child gets it, and leaves its job alone
    TRANSITION = "transition"
    SAVEPOINT_REDEPLOY = "savepoint-redeploy"  # a transition from initialSavepointPath
    SUSPEND = "suspend"
    RESUME = "resume"
    UNREADABLE = "unreadable"


class BlueGreenOutlook(NamedTuple):
    """``refused``: why it would not come to that; ``active`` and ``next_child`` name children, or are empty."""

    act: BlueGreenAct
    fields: tuple[FieldChange, ...]
    active: str
    next_child: str
    abort_grace_seconds: float
    deletion_delay_seconds: float
    refused: tuple[str, ...] = ()


def template_of(resource: Mapping[str, Any]) -> Spec:
    """The spec of its children."""
    spec = section(resource, "spec")
    found: Spec = section(section(spec, "template"), "spec")
    return found


def last_template(resource: Mapping[str, Any]) -> Spec | None:
    """The spec of its children as it acted on it last; None before the first deployment."""
    raw = section(resource, "status").get("lastReconciledSpec")
    try:
        spec = json.loads(raw)["spec"]["template"]["spec"] if isinstance(raw, str) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return spec if isinstance(spec, Mapping) else None


def same_template(one: Spec | None, other: Spec) -> bool:
    """Whether the operator finds no difference."""
    return one is not None and compared(one, other, Rules(NEWEST), native=True).change is Change.NONE


def kept_trigger(resource: Mapping[str, Any]) -> str | None:
    """The trigger of a savepoint that it has begun; it takes that one's savepoint for the next transition too."""
    found = section(resource, "status").get("savepointTriggerId")
    return str(found) if found else None


def ready_time_kept(resource: Mapping[str, Any]) -> bool:
    """Whether an abort has left the time behind at which its child had been ready (FLINK-40119, up to 1.15).

    The deletion delay counts from that: at the next transition the old child is deleted at once.
    """
    found = str(section(resource, "status").get("deploymentReadyTimestamp") or "1970")
    return state_of(resource).is_active and not found.startswith("1970")


def child_name(name: str, colour: Colour | None) -> str:
    """As the operator calls it; empty where the pair's state names none."""
    return f"{name}-{colour}" if colour else ""


def outlook(
    resource: Mapping[str, Any],
    wanted: Spec,
    active_child: Mapping[str, Any] | None,
    rules: Rules,
    *,
    stateless: bool = False,
) -> BlueGreenOutlook:
    """`wanted` is the new spec of the children; `active_child` the FlinkDeployment that is active now.

    `stateless`: the person has asked for a start without state.
    """
    name = str(section(resource, "metadata").get("name"))
    state = state_of(resource)
    before = last_template(resource) or template_of(resource)
    comparison = compared(before, wanted, rules, native=True)
    act = _act(before, wanted, comparison.change)
    return BlueGreenOutlook(
        act=act,
        fields=comparison.fields,
        active=child_name(name, state.colour),
        next_child=child_name(name, state.other),
        abort_grace_seconds=_setting(resource, ABORT_GRACE),
        deletion_delay_seconds=0.0 if ready_time_kept(resource) else _setting(resource, DELETION_DELAY),
        refused=tuple(_refusals(resource, wanted, active_child, act, comparison.error, stateless=stateless)),
    )


def _act(before: Spec, wanted: Spec, change: Change) -> BlueGreenAct:
    was, is_wanted = desired_state(before), desired_state(wanted)
    if was != is_wanted:
        return BlueGreenAct.SUSPEND if is_wanted == "suspended" else BlueGreenAct.RESUME
    if change is Change.UNREADABLE:
        return BlueGreenAct.UNREADABLE
    if change is Change.SAVEPOINT_REDEPLOY:
        return BlueGreenAct.SAVEPOINT_REDEPLOY
    if change is Change.NONE:
        return BlueGreenAct.NONE
    if change is Change.IGNORE or was == "suspended":
        return BlueGreenAct.PATCH_CHILD
    return BlueGreenAct.TRANSITION


def _refusals(
    resource: Mapping[str, Any],
    wanted: Spec,
    active_child: Mapping[str, Any] | None,
    act: BlueGreenAct,
    error: str | None,
    *,
    stateless: bool,
) -> list[str]:
    refused = [f"the operator cannot read the spec: {error}"] if error else []
    if section(resource, "metadata").get("deletionTimestamp"):
        refused.append("the resource is being deleted")
    if (busy := not_idle(resource)) is not None:
        refused.append(f"{busy}: another change now would only be given to its child")
    transitions = act in (BlueGreenAct.TRANSITION, BlueGreenAct.SAVEPOINT_REDEPLOY)
    if transitions and (why := not_ready(active_child)) is not None:
        refused.append(f"the operator begins no transition: {why}")
    trigger = kept_trigger(resource) if busy is None and upgrade_mode(wanted) != "stateless" else None
    if act is BlueGreenAct.TRANSITION and trigger is not None:
        refused.append(
            f"the operator has kept the trigger {trigger} of an earlier savepoint, and would start the new job from"
            " that one: remove status.savepointTriggerId (kubectl patch --subresource=status)"
        )
    if act is BlueGreenAct.TRANSITION and upgrade_mode(wanted) == "stateless" and not stateless:
        refused.append(
            "all state would be lost: upgradeMode is stateless; use --savepoint, or --stateless if that is meant"
        )
    return refused


def not_ready(child: Mapping[str, Any] | None) -> str | None:
    """Why the operator takes a child for not ready; None when it is STABLE and its job runs."""
    if child is None:
        return "there is no active child"
    status = section(child, "status")
    lifecycle, job = status.get("lifecycleState"), section(status, "jobStatus").get("state")
    if lifecycle == "STABLE" and job == JobState.RUNNING:
        return None
    name = section(child, "metadata").get("name")
    return f"{name} is {lifecycle}, its job {job}; it has to be STABLE and RUNNING"


_KNOWN_SINKS = ("upsert", "committer", "blackhole", "discard", "devnull")
"""Parts of the names of vertices that write by key, commit in transactions, or keep nothing."""


def doubtful_sinks(vertices: Sequence[VertexFacts]) -> tuple[str, ...]:
    """The sinks that are not known to be idempotent or transactional: both children write into them at once."""
    fed = {upstream for vertex in vertices for upstream in vertex.upstream}
    last = [vertex.name for vertex in vertices if vertex.id not in fed]
    return tuple(name for name in last if not any(word in name.lower().replace("_", "") for word in _KNOWN_SINKS))


def fencing_sinks(vertices: Sequence[VertexFacts]) -> tuple[str, ...]:
    """Sinks that commit in transactions: two jobs with one transactional id shut each other out."""
    return tuple(vertex.name for vertex in vertices if "committer" in vertex.name.lower())


def _setting(resource: Mapping[str, Any], key: str) -> float:
    text = section(section(resource, "spec"), "configuration").get(key)
    seconds = duration_seconds(str(text)) if text is not None else None
    return _DEFAULT_SECONDS[key] if seconds is None else seconds
