"""What the Flink operator would do about a change of a job's spec, before anybody makes it. Pure.

``predict`` says the class of the change, the *effective* upgrade mode, why, what may go wrong, and why not to do it.
"""

import copy
from collections.abc import Mapping
from typing import Any

from flinkops.errors import UsageError
from flinkops.model import request
from flinkops.model.assessment import Value
from flinkops.plan.operator.checks import ANEW, ProposedChange, refusals, risks
from flinkops.plan.operator.effective_mode import Decision, Features, ObservedJob, Situation, effective_mode
from flinkops.plan.operator.rollback import deletion_problems
from flinkops.plan.operator.session_cluster import is_session_job, joined, on_cluster, why_not_ready
from flinkops.plan.operator.spec import (
    Change,
    Spec,
    change_class,
    compare,
    job_of,
    last_reconciled,
    not_in_place,
    upgrade_mode,
)

_PYTHON_FILE_ARGUMENTS = ("-py", "--python")


class Edit(request.Change, frozen=True, kw_only=True):
    """A change as an edit of a spec, with the fields that only a spec has; None leaves them."""

    mode: str | None = None  # savepoint, last-state, stateless
    state: str | None = None  # running, suspended
    restart_nonce: int | None = None

    @classmethod
    def of(
        cls,
        change: request.Change,
        *,
        mode: str | None = None,
        state: str | None = None,
        restart_nonce: int | None = None,
    ) -> "Edit":
        """The change that was asked for, and the spec's own fields."""
        asked = {name: getattr(change, name) for name in request.Change.__struct_fields__}
        return cls(**asked, mode=mode, state=state, restart_nonce=restart_nonce)


class Prediction(Value, frozen=True):
    """What would happen. The words are those of the contract's plan; ``effective_mode`` none: nothing is restarted."""

    change: str
    diff: tuple[str, ...]
    requested_mode: str
    effective_mode: str
    why: tuple[str, ...]
    risks: tuple[str, ...]
    refused: tuple[str, ...]
    patch: dict[str, Any]  # JSON merge patch of the resource
    not_deletable: tuple[str, ...] = ()  # why the resource cannot be deleted and created again


def edited_spec(spec: Spec, edit: Edit) -> dict[str, Any]:
    """The spec after `edit`; `spec` itself is left alone. Raises UsageError when the edit does not fit the resource."""
    wanted: dict[str, Any] = copy.deepcopy(dict(edit.manifest if edit.manifest is not None else spec))
    job = wanted.setdefault("job", {}) if job_of(wanted) else None
    asked_of_job = {
        "jarURI": edit.jar,
        "entryClass": edit.entry_class,
        "parallelism": edit.parallelism,
        "args": None if edit.arguments is None else list(edit.arguments),
        "upgradeMode": edit.mode,
        "state": edit.state,
    }
    asked_of_job = {key: value for key, value in asked_of_job.items() if value is not None}
    if job is None and (asked_of_job or edit.script):
        raise UsageError("this is a session cluster without a job of its own; name one of its session jobs")
    if job is not None:
        job.update(asked_of_job)
        if edit.script is not None:
            job["args"] = _with_python_file(list(job.get("args") or []), edit.script)
    if edit.image is not None:
        if cluster := spec.get("deploymentName"):
            raise UsageError(f"a session job has no image of its own, but that of its cluster, {cluster}")
        wanted["image"] = edit.image
    if edit.restart_nonce is not None:
        wanted["restartNonce"] = edit.restart_nonce
    if edit.settings:
        settings = wanted["flinkConfiguration"] = dict(wanted.get("flinkConfiguration") or {})
        for key, value in edit.settings.items():
            if value is None:
                settings.pop(key, None)
            else:
                settings[key] = value
    return wanted


def predict(
    resource: Mapping[str, Any],
    edit: Edit,
    *,
    observed: ObservedJob,
    features: Features,
    cluster: Mapping[str, Any] | None = None,
    accepted: frozenset[str] = frozenset(),
) -> Prediction:
    """Predicts what `edit` of `resource` (a FlinkDeployment or FlinkSessionJob as JSON) does.

    `cluster` is the FlinkDeployment that a session job runs on. `accepted` names the modes that the person allowed
    although they were not asked for (``stateless``, ``last-state``).
    """
    spec: Spec = resource.get("spec") or {}
    session_job = is_session_job(resource)
    wanted = edited_spec(spec, edit)
    deployed = last_reconciled(resource) or spec
    patch = merge_patch(spec, wanted)
    changes = compare(deployed, wanted) if patch else []
    change = change_class(changes)
    whole = joined(resource, cluster)
    case = Situation(
        deployed=on_cluster(deployed, cluster),
        wanted=on_cluster(wanted, cluster),
        status=whole.get("status") or {},
        features=features,
        observed=observed,
        session_job=session_job,
        not_ready=why_not_ready(resource, cluster) if session_job else None,
    )
    decision, restarts = _decide(case, change)
    checked = ProposedChange(
        resource=resource,
        situation=case,
        requested=upgrade_mode(wanted),
        decision=decision,
        restarts=restarts,
        accepted=accepted | ({edit.mode} if edit.mode in ("stateless", "last-state") else frozenset()),
    )
    return Prediction(
        change=change.word,
        diff=tuple(one.line for one in changes),
        requested_mode=checked.requested,
        effective_mode=decision.mode,
        why=(decision.why,),
        risks=tuple(risks(checked)),
        refused=tuple(refusals(checked)) if change is not Change.NONE or ANEW in accepted else (),
        patch={"spec": patch} if patch else {},
        not_deletable=tuple(deletion_problems(whole, features)),
    )


def _decide(case: Situation, change: Change) -> tuple[Decision, bool]:
    """The decision, and whether the job is stopped at all."""
    if not job_of(case.wanted):
        return Decision(
            "stateless", "a session cluster: its JobManager is redeployed, its jobs end"
        ), change is Change.UPGRADE
    if change is Change.NONE:
        return Decision("none", "nothing differs from what the operator deployed"), False
    if change is Change.IGNORE:
        return Decision("none", "the operator only writes it down; it takes effect at the next restart"), False
    if case.not_ready is not None:
        return Decision("wait", case.not_ready), True
    if change is Change.SAVEPOINT_REDEPLOY:
        return _redeployed(case), True
    redeployed = None
    if change is Change.SCALE and case.observed.adaptive:
        redeployed = not_in_place(case.deployed, case.wanted)
        if redeployed is None:
            return Decision("none", "the adaptive scheduler changes the parallelism in place"), False
    decision = effective_mode(case)
    if redeployed is not None:
        decision = decision._replace(why=f"{redeployed}; {decision.why}")
    return decision, decision.mode != "none"


def _redeployed(case: Situation) -> Decision:
    """A changed savepointRedeployNonce, whatever changed beside it (``redeployWithSavepoint`` of the operator)."""
    path = job_of(case.wanted).get("initialSavepointPath")
    start = f"started from initialSavepointPath, {path}" if path else "started empty: there is no initialSavepointPath"
    why = f"savepointRedeployNonce changes: the job is cancelled without a savepoint and {start}"
    return Decision("savepoint-redeploy" if path else "stateless", why)


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) from `before` to `after`.

    >>> merge_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 4, "d": 3}, "e": 5})
    {'a': None, 'b': {'c': 4}, 'e': 5}
    """
    patch: dict[str, Any] = {}
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if key not in after:
            patch[key] = None
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            if inner := merge_patch(old, new):
                patch[key] = inner
        elif old != new or key not in before:
            patch[key] = new
    return patch


def _with_python_file(arguments: list[str], path: str) -> list[str]:
    for flag in _PYTHON_FILE_ARGUMENTS:
        if flag in arguments and arguments.index(flag) + 1 < len(arguments):
            arguments[arguments.index(flag) + 1] = path
            return arguments
    raise UsageError("--py: the job's arguments have no -py FILE to replace; use --arg")
