"""Actions on a job of the Flink operator as Plans: change the resource, see what the operator makes of it, go back.

The savepoint that counts is the operator's own, taken when it stops the job; the old spec comes back from that.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from flinkops.model.assessment import Value
from flinkops.model.effect import Expected
from flinkops.model.facts import JobFacts
from flinkops.model.plan import Plan, Precondition, Step, Target, Verb
from flinkops.model.request import Terms
from flinkops.outside.shell import shell_word
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.decision import Mode
from flinkops.plan.operator.effects import expected_of
from flinkops.plan.operator.in_place import (
    ROLLBACK as IN_PLACE_ROLLBACK,
)
from flinkops.plan.operator.in_place import (
    in_place_preconditions,
    in_place_rollback,
    in_place_steps,
    ordered,
)
from flinkops.plan.operator.merge_patch import merged
from flinkops.plan.operator.predict import Prediction
from flinkops.plan.operator.recorded import recorded_savepoint, stop_savepoints
from flinkops.plan.operator.rollback import NO_ROLLBACK, rollback_text
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.session_cluster import is_session_job
from flinkops.plan.operator.spec import configuration, desired_state, job_of
from flinkops.plan.operator.step_inputs import (
    AwaitSuspended,
    AwaitTakenUp,
    AwaitUpgradeSavepoint,
    BeginRollback,
    CreateResource,
    DryRunPatch,
    KeepBackup,
    PatchResource,
    RemoveResource,
    VerifyEdit,
    VerifyNewJob,
)
from flinkops.plan.preconditions import (
    JobInState,
    NoSavepointInProgress,
    OperatorIdle,
    OperatorSeesItRun,
    same_spec,
    unmet_of_resource,
)
from flinkops.plan.savepoint import savepoint_steps
from flinkops.plan.step_inputs import CheckFiles, MeasureLoad, RequireOverrides, VerifyEffect, VerifyFlow, VerifyStable
from flinkops.plan.transactions import transaction_risks

Resource = Mapping[str, Any]
OperatorVerb = Literal["upgrade", "restart", "rollback", "suspend", "resume", "rescale"]

_LEFT_RUNNING = (Mode.NONE, Mode.IN_PLACE)
"""The operator does nothing to the job, or changes its parallelism while it runs."""


class Seen(Value, frozen=True):
    """The job as it was when the plan was made; what is no longer this one is a new job."""

    job_id: str = ""
    started_ms: int | None = None
    running: bool = False
    parallelism: dict[str, int] = {}  # of each vertex
    committing: tuple[str, ...] = ()  # sinks with transactions that a broker may end
    down_seconds: float | None = None  # since when it does not run; None: it does


class Proof(NamedTuple):
    """What has to be seen of a job that was started; ``overrides`` are those that it has to be given again."""

    expected: tuple[Expected, ...] = ()
    overrides: Mapping[str, int] = {}
    application: bool = True


def plan_for_resource(
    verb: OperatorVerb,
    source: str,
    resource: Resource,
    seen: Seen,
    found: Prediction,
    features: Features,
    stamp: Stamp,
    terms: Terms,
    *,
    start_from: str | None = None,
    backup_directory: str | None = None,
) -> Plan:
    """`found` is the prediction of the change; `start_from`: create the resource anew, to start from this savepoint.

    `backup_directory`: a savepoint of our own goes there first.
    """
    if start_from is None:
        course = _patched(verb, resource, seen, found, terms, stamp, backup_directory)
    else:
        course = _created_anew(resource, found, start_from, terms)
    mode, refused = course.mode, course.refused
    restarts = mode not in _LEFT_RUNNING and desired_state(_wanted(resource, found)) == "running"
    replaces = restarts and verb != "resume"
    text, back, undeletable = _rollback(course, resource, seen, found, features, terms, replaces=replaces)
    return Plan(
        id=stamp.plan_id,
        verb=_verb(verb),
        target=target_of_resource(source, resource, seen.job_id),
        created_ms=stamp.now_ms,
        change=course.change,
        diff=found.diff,
        requested_mode=found.requested_mode,
        effective_mode=Mode.FAIL.value if refused and mode is not Mode.UNKNOWN else mode.value,
        why=course.why,
        risks=_all_risks(mode, resource, seen, found, undeletable, restarts=restarts),
        refused=refused,
        preconditions=course.preconditions,
        steps=() if refused else course.steps,
        rollback=() if refused or not back else (text,),
        rollback_steps=() if refused else back,
        severe=mode in ("stateless", "savepoint-redeploy") or (replaces and not back),
        command=stamp.command,
    )


def _rollback(
    course: "_Course",
    resource: Resource,
    seen: Seen,
    found: Prediction,
    features: Features,
    terms: Terms,
    *,
    replaces: bool,
) -> tuple[str, tuple[Step, ...], tuple[str, ...]]:
    """In words and in steps; and, where the resource would have to be deleted for it, why it cannot be."""
    undeletable = found.not_deletable if course.mode == "savepoint" and replaces else ()
    text, steps = course.rollback or (rollback_text(course.mode, features), ())
    if replaces:
        steps = () if undeletable else steps or _rollback_steps(resource, seen, found, features, terms)
    return text, steps, undeletable


def _all_risks(
    mode: Mode, resource: Resource, seen: Seen, found: Prediction, undeletable: tuple[str, ...], *, restarts: bool
) -> tuple[str, ...]:
    """Of the change, of transactions that a broker may have ended before the start, of a missing rollback."""
    transactions: tuple[str, ...] = ()
    if restarts and mode in (Mode.LAST_STATE, Mode.SAVEPOINT_REDEPLOY):
        told = configuration(_wanted(resource, found))
        transactions = transaction_risks(seen.committing, told, down_seconds=seen.down_seconds, from_savepoint=False)
    return (*found.risks, *transactions, *(f"{NO_ROLLBACK}: {problem}" for problem in undeletable))


class _Course(NamedTuple):
    """How the change is made: by a patch of the resource, or by creating it anew."""

    mode: Mode
    change: str
    why: tuple[str, ...]
    preconditions: tuple[Precondition, ...]
    refused: tuple[str, ...]
    steps: tuple[Step, ...]
    rollback: tuple[str, tuple[Step, ...]] | None = None
    """In words and in steps, where it is not that of a job that was started again."""


def _patched(
    verb: OperatorVerb,
    resource: Resource,
    seen: Seen,
    found: Prediction,
    terms: Terms,
    stamp: Stamp,
    backup_directory: str | None,
) -> _Course:
    preconditions = _preconditions(resource, found, backup=backup_directory is not None)
    unmet = _unmet(resource, preconditions) if found.patch else ["nothing would change"]
    rollback = None
    if _in_place_overrides(resource, seen, found):
        preconditions = (*preconditions, *in_place_preconditions(seen.job_id, seen.parallelism))
        rollback = (IN_PLACE_ROLLBACK, _undoing(resource, seen, found, terms))
    return _Course(
        found.effective_mode,
        found.change.value,
        found.why,
        preconditions,
        (*found.refused, *unmet, *_out_of_place(verb, resource)),
        _steps(resource, seen, found, terms, stamp, backup_directory),
        rollback,
    )


def _created_anew(resource: Resource, found: Prediction, start_from: str, terms: Terms) -> _Course:
    preconditions = same_spec(resource)
    unmet = _unmet(resource, preconditions) if found.patch else []
    return _Course(
        Mode.SAVEPOINT,
        "savepoint-redeploy",
        (f"the resource is created anew and starts from {start_from}",),
        preconditions,
        (*found.refused, *unmet, *found.not_deletable),
        _anew_steps(resource, found, start_from, terms),
    )


def _unmet(resource: Resource, preconditions: tuple[Precondition, ...]) -> Sequence[str]:
    checked = [one for one in preconditions if not isinstance(one, OperatorIdle)]  # the prediction refuses that
    return unmet_of_resource(checked, resource)[0]


def _out_of_place(verb: OperatorVerb, resource: Resource) -> list[str]:
    """A request that has nothing to do here, whatever else of the spec it would touch."""
    state = desired_state(resource.get("spec") or {})
    name = shell_word(str((resource.get("metadata") or {}).get("name")))
    if verb in ("suspend", "restart") and state == "suspended":
        return [f"the job is suspended already: flinkops resume {name} starts it"]
    if verb == "resume" and state == "running":
        return [f"the job is not suspended: flinkops restart {name}, or flinkops resume {name} --from PATH"]
    return []


def _verb(verb: OperatorVerb) -> Verb:
    return verb


def target_of_resource(source: str, resource: Resource, job_id: str) -> Target:
    """The resource as a plan names it, and the job that it had then."""
    metadata = resource.get("metadata") or {}
    return Target(
        source=source,
        job_name=str(metadata.get("name")),
        job_id=job_id,
        namespace=str(metadata.get("namespace")),
        kind=str(resource.get("kind")),
        resource_version=metadata.get("resourceVersion"),
    )


def _preconditions(resource: Resource, found: Prediction, *, backup: bool) -> tuple[Precondition, ...]:
    stops = found.effective_mode == "savepoint" and desired_state(resource.get("spec") or {}) == "running"
    seen = (OperatorSeesItRun(),) if stops else ()
    running = (JobInState("RUNNING"), NoSavepointInProgress()) if stops or backup else ()
    return (*same_spec(resource), OperatorIdle(), *seen, *running)


def _steps(
    resource: Resource, seen: Seen, found: Prediction, terms: Terms, stamp: Stamp, backup_directory: str | None
) -> tuple[Step, ...]:
    stops = desired_state(resource.get("spec") or {}) == "running"
    runs = desired_state(_wanted(resource, found)) == "running"
    steps = [Step("dry-run", DryRunPatch(found.patch), only_reads=True)]
    if seen.running:
        steps.append(Step("measure", MeasureLoad(), only_reads=True))
    if backup_directory is not None:
        steps += [
            msgspec.structs.replace(one, name=f"backup-{one.name}")
            for one in savepoint_steps(stamp.plan_id, backup_directory, "canonical")
        ]
        steps.append(Step("backup", KeepBackup()))
    steps.append(Step("patch", PatchResource(found.patch, kept(resource))))
    if not stops and not runs:
        # The operator takes an edit of a suspended job up when it is resumed, and not before.
        return (*steps, Step("edited", VerifyEdit(found.patch)))
    if found.effective_mode in _LEFT_RUNNING:
        taken_up = Step("taken-up", _taken_up(seen, found))
        in_place = found.effective_mode is Mode.IN_PLACE
        expected = _proof(resource, found).expected
        return (*steps, taken_up, *(in_place_steps(expected, seen.parallelism, terms.checkpoints) if in_place else ()))
    if found.effective_mode == "savepoint" and stops:
        error = str((resource.get("status") or {}).get("error") or "")
        awaited = AwaitUpgradeSavepoint(seen.job_id, seen.started_ms or 0, _known(resource), error)
        steps.append(Step("savepoint", awaited))
        steps.append(Step("check", CheckFiles()))
    if found.effective_mode == "savepoint-redeploy":
        path = str(job_of(_wanted(resource, found)).get("initialSavepointPath"))
        steps.insert(1, Step("files", CheckFiles(path), only_reads=True))
        return (*steps, *_start_steps("", found.effective_mode, seen, path, terms, _proof(resource, found)))
    if not runs:
        return (*steps, Step("suspended", AwaitSuspended(seen.job_id, seen.started_ms or 0)))
    savepoint, proof = _recorded(resource, stops=stops), _proof(resource, found)
    return (*steps, *_start_steps("", found.effective_mode, seen, savepoint, terms, proof))


def _proof(resource: Resource, found: Prediction) -> Proof:
    session_job = is_session_job(resource)
    expected = expected_of(found.fields, _wanted(resource, found), session_job=session_job)
    return Proof(expected, found.required_again, application=not session_job)


def _taken_up(seen: Seen, found: Prediction) -> AwaitTakenUp:
    return AwaitTakenUp(seen.job_id, seen.started_ms or 0, found.patch)


def _undoing(resource: Resource, seen: Seen, found: Prediction, terms: Terms) -> tuple[Step, ...]:
    spec, patch = _wanted(resource, found), found.patch["spec"]
    taken_up = _taken_up(seen, found)
    return in_place_rollback(kept(resource), patch, spec, taken_up, seen.parallelism, terms.checkpoints)


def _in_place_overrides(resource: Resource, seen: Seen, found: Prediction) -> dict[str, int]:
    """Those that the operator brings about in the running job; empty for any other change."""
    in_place = found.effective_mode is Mode.IN_PLACE
    return ordered(_proof(resource, found).expected, seen.parallelism) if in_place else {}


def _recorded(resource: Resource, *, stops: bool) -> str | None:
    """What a suspended job has to start from."""
    return None if stops else recorded_savepoint(resource.get("status") or {})


def _start_steps(
    prefix: str, mode: Mode | None, before: Seen, savepoint: str | None, terms: Terms, proof: Proof
) -> tuple[Step, ...]:
    overrides = (Step(f"{prefix}overrides", RequireOverrides(dict(proof.overrides))),) if proof.overrides else ()
    effect = (Step(f"{prefix}effect", VerifyEffect(proof.expected, proof.application)),) if proof.expected else ()
    named = savepoint if mode in ("savepoint", "savepoint-redeploy") else None
    return (
        Step(f"{prefix}running", VerifyNewJob(mode, before.job_id, before.started_ms or 0, named or None)),
        *overrides,
        Step(f"{prefix}stable", VerifyStable(terms.checkpoints, terms.watch_seconds)),
        Step(f"{prefix}flow", VerifyFlow()),
        *effect,
    )


def _anew_steps(resource: Resource, found: Prediction, savepoint: str, terms: Terms) -> tuple[Step, ...]:
    anew = {**kept(resource), "spec": _wanted(resource, found)}
    return (
        Step("files", CheckFiles(savepoint)),
        Step("remove", RemoveResource(_uid(resource))),
        Step("create", CreateResource(anew, savepoint)),
        *_start_steps("", Mode.SAVEPOINT, Seen(), savepoint, terms, _proof(resource, found)),
    )


def _rollback_steps(
    resource: Resource, seen: Seen, found: Prediction, features: Features, terms: Terms
) -> tuple[Step, ...]:
    if found.effective_mode in ("stateless", "savepoint-redeploy"):
        return ()
    begin = BeginRollback(
        before=kept(resource),
        uid=_uid(resource),
        way="redeploy" if features.savepoint_redeploy else "recreate",
        job_id=seen.job_id,
        started_ms=seen.started_ms or 0,
        known=_known(resource),
        patch=found.patch,
    )
    return (
        Step("rollback", begin),
        Step("old-remove", RemoveResource(_uid(resource), of_rollback=True)),
        Step("old-create", CreateResource(kept(resource), of_rollback=True)),
        *_start_steps("old-", None, seen, None, terms, Proof(overrides=found.required_again_of_old)),
    )


def kept(resource: Resource) -> dict[str, Any]:
    """What is needed to create the resource again as it was: without what the API server and the operator write."""
    metadata = resource.get("metadata") or {}
    names = ("name", "namespace", "labels", "annotations")
    return {
        "apiVersion": resource.get("apiVersion"),
        "kind": resource.get("kind"),
        "metadata": {key: metadata[key] for key in names if metadata.get(key)},
        "spec": resource.get("spec") or {},
    }


def _wanted(resource: Resource, found: Prediction) -> dict[str, Any]:
    return merged(resource.get("spec") or {}, found.patch.get("spec") or {})


def _known(resource: Resource) -> tuple[str, ...]:
    """Savepoints that the operator took before: not those of this change."""
    return tuple(one.path for one in stop_savepoints(resource.get("status") or {}))


def _uid(resource: Resource) -> str:
    return str((resource.get("metadata") or {}).get("uid") or "")


def stopped_with(job: JobFacts) -> str | None:
    """The savepoint that a job was stopped with, as Flink has it: the last that a FINISHED job did."""
    points = job.checkpoints
    if job.state != "FINISHED" or points is None:
        return None
    known = (*points.history, *filter(None, [points.latest_savepoint]))
    last = max((one for one in known if one.status == "COMPLETED"), key=lambda one: one.id, default=None)
    return last.external_path if last is not None and last.is_savepoint else None


def has_job(resource: Resource) -> bool:
    """Whether it is an application, or a session job; not a session cluster."""
    return bool(job_of(resource.get("spec") or {}))
