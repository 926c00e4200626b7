"""The steps of an action on a job of the Flink operator: change the resource, see what comes of it, go back. Pure.

The savepoint that counts is the operator's own, taken when it stops the job; the old spec comes back from that.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from flinkops.model.effect import Expected
from flinkops.model.plan import Step
from flinkops.model.request import Terms
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.decision import Mode
from flinkops.plan.operator.in_place import in_place_rollback, in_place_steps
from flinkops.plan.operator.recorded import recorded_savepoint
from flinkops.plan.operator.resource_change import ResourceChange, Seen, kept
from flinkops.plan.operator.spec import job_of
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
from flinkops.plan.savepoint import savepoint_steps
from flinkops.plan.step_inputs import CheckFiles, MeasureLoad, RequireOverrides, VerifyEffect, VerifyFlow, VerifyStable

LEFT_RUNNING = (Mode.NONE, Mode.IN_PLACE)
"""The operator does nothing to the job, or changes its parallelism while it runs."""


class Proof(NamedTuple):
    """What has to be seen of a job that was started; ``overrides`` are those that it has to be given again."""

    expected: tuple[Expected, ...] = ()
    overrides: Mapping[str, int] = {}
    application: bool = True


def patch_steps(change: ResourceChange, stamp: Stamp, backup_directory: str | None) -> tuple[Step, ...]:
    """The resource is patched, and what the operator makes of it is awaited and verified."""
    found, seen = change.found, change.seen
    steps = [Step("dry-run", DryRunPatch(found.patch), only_reads=True)]
    if seen.running:
        steps.append(Step("measure", MeasureLoad(), only_reads=True))
    if backup_directory is not None:
        steps += _backup_steps(stamp, backup_directory)
    steps.append(Step("patch", PatchResource(found.patch, kept(change.resource))))
    if found.effective_mode == "savepoint-redeploy" and (change.runs_before or change.runs_after):
        path = str(job_of(change.wanted).get("initialSavepointPath"))
        steps.insert(1, Step("files", CheckFiles(path), only_reads=True))
    return (*steps, *_steps_after_patch(change))


def _backup_steps(stamp: Stamp, directory: str) -> list[Step]:
    taken = savepoint_steps(stamp.plan_id, directory, "canonical")
    return [
        *(msgspec.structs.replace(one, name=f"backup-{one.name}") for one in taken),
        Step("backup", KeepBackup()),
    ]


def _steps_after_patch(change: ResourceChange) -> tuple[Step, ...]:
    found, seen, terms = change.found, change.seen, change.terms
    if not change.runs_before and not change.runs_after:
        # The operator takes an edit of a suspended job up when it is resumed, and not before.
        return (Step("edited", VerifyEdit(found.patch)),)
    if found.effective_mode in LEFT_RUNNING:
        in_place = found.effective_mode is Mode.IN_PLACE
        rescaled = in_place_steps(change.expected, seen.parallelism, terms.checkpoints) if in_place else ()
        return (Step("taken-up", _taken_up(change)), *rescaled)
    if found.effective_mode == "savepoint-redeploy":
        path = str(job_of(change.wanted).get("initialSavepointPath"))
        return _start_steps("", found.effective_mode, seen, path, terms, _proof(change))
    stop = _stop_steps(change) if found.effective_mode == "savepoint" and change.runs_before else ()
    if not change.runs_after:
        return (*stop, Step("suspended", AwaitSuspended(seen.job_id, seen.started_ms or 0)))
    savepoint = None if change.runs_before else recorded_savepoint(change.status)
    return (*stop, *_start_steps("", found.effective_mode, seen, savepoint, terms, _proof(change)))


def _stop_steps(change: ResourceChange) -> tuple[Step, ...]:
    error = str(change.status.get("error") or "")
    seen = change.seen
    awaited = AwaitUpgradeSavepoint(seen.job_id, seen.started_ms or 0, change.savepoints_before, error)
    return (Step("savepoint", awaited), Step("check", CheckFiles()))


def anew_steps(change: ResourceChange, savepoint: str) -> tuple[Step, ...]:
    """The resource is deleted and created again, to start from this savepoint."""
    anew = {**kept(change.resource), "spec": change.wanted}
    return (
        Step("files", CheckFiles(savepoint)),
        Step("remove", RemoveResource(change.uid)),
        Step("create", CreateResource(anew, savepoint)),
        *_start_steps("", Mode.SAVEPOINT, Seen(), savepoint, change.terms, _proof(change)),
    )


def restart_rollback_steps(change: ResourceChange) -> tuple[Step, ...]:
    """The old spec comes back, and a job of it; empty where no state of before is kept for that."""
    found, seen, before = change.found, change.seen, kept(change.resource)
    if found.effective_mode in ("stateless", "savepoint-redeploy"):
        return ()
    begin = BeginRollback(
        before=before,
        uid=change.uid,
        way="redeploy" if change.features.savepoint_redeploy else "recreate",
        job_id=seen.job_id,
        started_ms=seen.started_ms or 0,
        known=change.savepoints_before,
        patch=found.patch,
    )
    return (
        Step("rollback", begin),
        Step("old-remove", RemoveResource(change.uid, of_rollback=True)),
        Step("old-create", CreateResource(before, of_rollback=True)),
        *_start_steps("old-", None, seen, None, change.terms, Proof(overrides=found.required_again_of_old)),
    )


def in_place_rollback_steps(change: ResourceChange) -> tuple[Step, ...]:
    """The parallelism of before comes back in the running job."""
    before, patch, seen = kept(change.resource), change.found.patch["spec"], change.seen
    taken_up = _taken_up(change)
    return in_place_rollback(before, patch, change.wanted, taken_up, seen.parallelism, change.terms.checkpoints)


def _taken_up(change: ResourceChange) -> AwaitTakenUp:
    return AwaitTakenUp(change.seen.job_id, change.seen.started_ms or 0, change.found.patch)


def _proof(change: ResourceChange) -> Proof:
    return Proof(change.expected, change.found.required_again, application=not change.is_session_job)


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
