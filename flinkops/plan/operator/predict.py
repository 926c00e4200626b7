"""What the Flink operator would do about a change of a job's spec, before anybody makes it. Pure.

``predict`` says the class of the change, the *effective* upgrade mode, why, what may go wrong, and why not to do it.
"""

import copy
from collections.abc import Mapping
from typing import Any

from flinkops.errors import UsageError
from flinkops.model import request
from flinkops.model.assessment import Value
from flinkops.model.json_reading import section
from flinkops.plan.operator.admission import admitted
from flinkops.plan.operator.checks import ANEW, Problem, ProposedChange, refusals
from flinkops.plan.operator.decision import Act, Decision, Mode, Start
from flinkops.plan.operator.effects import lost_overrides
from flinkops.plan.operator.merge_patch import merge_patch
from flinkops.plan.operator.outlook import Outlook, outlook, settled
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.reasons import ReasonCode, because
from flinkops.plan.operator.risks import risks
from flinkops.plan.operator.rollback import deletion_problems
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.scaling import rescales_once_started
from flinkops.plan.operator.session_cluster import is_session_job, joined, on_cluster, why_not_ready
from flinkops.plan.operator.situation import ObservedJob, Situation
from flinkops.plan.operator.spec import Change, Comparison, FieldChange, job_of, last_reconciled, upgrade_mode
from flinkops.plan.operator.validation import takes_savepoints
from flinkops.plan.operator.worlds import Fact

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
    """What would happen. ``effective_mode`` none or in-place: nothing is restarted.

    Decide on ``change``, ``effective_mode``, ``act``, ``start`` and ``reason``; the sentences are for people.
    """

    change: Change
    diff: tuple[str, ...]
    requested_mode: str
    effective_mode: Mode
    why: tuple[str, ...]
    risks: tuple[str, ...]
    refused: tuple[str, ...]
    patch: dict[str, Any]  # JSON merge patch of the resource
    not_deletable: tuple[str, ...] = ()  # why the resource cannot be deleted and created again
    act: Act = Act.NONE  # what the operator does, more closely than the mode
    start: Start | None = None  # what the job is started from; None: it is not started
    reason: ReasonCode = ReasonCode.NOTHING_DIFFERS
    unknown: tuple[Fact, ...] = ()  # effective_mode unknown: what it depends on
    fields: tuple[FieldChange, ...] = ()  # what `diff` says
    required_again: dict[str, int] = {}  # overrides that the started job does not have, and REST gives it
    required_again_of_old: dict[str, int] = {}  # likewise where it is started from the spec of before


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
            job["args"] = _with_python_file(_list_of(job, "args"), edit.script)
    if edit.image is not None:
        if cluster := spec.get("deploymentName"):
            raise UsageError(f"a session job has no image of its own, but that of its cluster, {cluster}")
        wanted["image"] = edit.image
    if edit.restart_nonce is not None:
        wanted["restartNonce"] = edit.restart_nonce
    if edit.settings:
        settings = wanted["flinkConfiguration"] = _map_of(wanted, "flinkConfiguration")
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
    wanted = edited_spec(section(resource, "spec"), edit)
    patch = merge_patch(section(resource, "spec"), wanted)
    case = _situation(resource, wanted, features, observed, cluster)
    found = outlook(case) if patch else _NOTHING
    allowed = accepted | ({edit.mode} if edit.mode in ("stateless", "last-state") else frozenset())
    checked = ProposedChange(
        resource=resource,
        situation=case,
        deployed=on_cluster(case.deployed, cluster),
        wanted=on_cluster(wanted, cluster),
        requested=upgrade_mode(wanted),
        decision=found.decision,
        ha=settled(case, lambda view: view.deploy.ha_on(view.world)),
        savepoint_directory=settled(case, takes_savepoints),
        rescales=settled(case, rescales_once_started),
        accepted=allowed,
    )
    refused = refusals(checked) if found.comparison.change is not Change.NONE or ANEW in accepted else []
    return _told(found, checked, refused, patch, features, cluster)


_NOTHING = Outlook(Comparison(()), Decision(Act.NONE, because(ReasonCode.NOTHING_DIFFERS)))


def _situation(
    resource: Mapping[str, Any],
    wanted: Spec,
    features: Features,
    observed: ObservedJob,
    cluster: Mapping[str, Any] | None,
) -> Situation:
    spec: Spec = section(resource, "spec")
    metadata = section(resource, "metadata")
    session_job = is_session_job(resource)
    return Situation(
        deployed=last_reconciled(resource) or spec,
        wanted=admitted(wanted, features.spec_schema) if features.spec_schema and not session_job else wanted,
        status=section(joined(resource, cluster), "status"),
        features=features,
        observed=observed,
        accepted=spec if taken_up(resource) else None,
        session_job=session_job,
        cluster=cluster,
        not_ready=why_not_ready(resource, cluster) if session_job else None,
        last_stable=last_reconciled(resource, "lastStableSpec"),
        namespace=str(metadata.get("namespace") or ""),
    )


def taken_up(resource: Mapping[str, Any]) -> bool:
    """Whether the operator has seen this spec and its validation had nothing against it (1.7 does not say so)."""
    status, generation = section(resource, "status"), section(resource, "metadata").get("generation")
    observed = status.get("observedGeneration")
    return not status.get("error") if observed is None else observed == generation


def _told(
    found: Outlook,
    checked: ProposedChange,
    refused: list[Problem],
    patch: dict[str, Any],
    features: Features,
    cluster: Mapping[str, Any] | None,
) -> Prediction:
    decision, may_go_wrong = found.decision, risks(checked)
    return Prediction(
        change=found.comparison.change,
        diff=tuple(one.line for one in found.comparison.fields),
        requested_mode=checked.requested,
        effective_mode=decision.mode,
        why=(decision.why,),
        risks=tuple(one.text for one in may_go_wrong),
        refused=tuple(one.text for one in refused),
        patch={"spec": patch} if patch else {},
        not_deletable=tuple(deletion_problems(joined(checked.resource, cluster), features)),
        act=decision.act,
        start=decision.start,
        reason=decision.reason.code,
        unknown=found.unknown,
        fields=found.comparison.fields,
        required_again=lost_overrides(checked.wanted) if checked.rescales else {},
        required_again_of_old=lost_overrides(checked.deployed) if checked.rescales else {},
    )


def _map_of(spec: Spec, name: str) -> dict[str, Any]:
    found = spec.get(name)
    if found is not None and not isinstance(found, Mapping):
        raise UsageError(f"the spec's {name} is no map")
    return dict(found or {})


def _list_of(job: Spec, name: str) -> list[Any]:
    found = job.get(name)
    if found is not None and not isinstance(found, list):
        raise UsageError(f"the job's {name} is no list")
    return list(found or ())


def _with_python_file(arguments: list[str], path: str) -> list[str]:
    for flag in _PYTHON_FILE_ARGUMENTS:
        if flag in arguments and arguments.index(flag) + 1 < len(arguments):
            arguments[arguments.index(flag) + 1] = path
            return arguments
    raise UsageError("--py: the job's arguments have no -py FILE to replace; use --arg")
