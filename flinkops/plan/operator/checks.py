"""Reasons to refuse an upgrade through the operator, and risks worth saying. Pure; one function a reason.

``accepted`` holds what the person allowed: "stateless", "last-state", "savepoint-redeploy", and :data:`ANEW`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from flinkops.model.operator_bugs import dotted, operator_bugs, version_numbers
from flinkops.model.operator_marks import managed_by
from flinkops.plan.operator.effective_mode import (
    Decision,
    Situation,
    duration_seconds,
    ha_on,
    lost_stop_savepoint,
    pending_savepoint,
    recorded_savepoint,
    savepoint_directory,
)
from flinkops.plan.operator.spec import configuration, desired_state, job_of, last_reconciled, upgrade_mode

MAX_CHECKPOINT_AGE_SECONDS = 15 * 60.0
"""A last-state upgrade repeats everything since the last checkpoint; older than this it needs a savepoint instead."""
ANEW = "anew"
"""Accepted by who creates the resource anew, so that what the operator has recorded does not matter."""
_DEFAULT_CHECKPOINT_TIMEOUT_SECONDS = 600.0  # Flink's default of execution.checkpointing.timeout

_RENAMED_IN_2 = {
    "state.checkpoints.dir": "execution.checkpointing.dir",
    "state.savepoints.dir": "execution.checkpointing.savepoint-dir",
    "state.backend.incremental": "execution.checkpointing.incremental",
    "state.backend": "state.backend.type",
    "state.checkpoint-storage": "execution.checkpointing.storage",
    "high-availability": "high-availability.type",
}
_RECOMMENDED_STEP = "take the change to the repository it is managed from; `--plan -o yaml` prints the patch"


class Case(NamedTuple):
    """Everything that a check may look at."""

    resource: Mapping[str, Any]
    situation: Situation
    requested: str
    decision: Decision
    restarts: bool  # whether the change stops the job at all
    accepted: frozenset[str]
    planned_resource_version: str | None
    planned_generation: int | None


Check = Callable[[Case], Iterator[str]]


def refusals(case: Case) -> list[str]:
    """Every reason not to carry it out, in words."""
    checks = _ANEW if ANEW in case.accepted else _ALWAYS + (_RESTARTING if case.restarts else ())
    return [line for check in checks for line in check(case)]


def risks(case: Case) -> list[str]:
    """What may go wrong although nothing forbids it."""
    return [line for check in _RISKS for line in check(case)] if case.restarts else []


def _deleting(case: Case) -> Iterator[str]:
    if (case.resource.get("metadata") or {}).get("deletionTimestamp"):
        yield "the resource is being deleted"


def _owned(case: Case) -> Iterator[str]:
    for owner in (case.resource.get("metadata") or {}).get("ownerReferences") or []:
        if owner.get("kind") == "FlinkBlueGreenDeployment":
            yield f"it belongs to FlinkBlueGreenDeployment {owner.get('name')}, which would undo the edit"


def _gitops(case: Case) -> Iterator[str]:
    if tool := managed_by(case.resource.get("metadata") or {}):
        yield f"it is managed by {tool}, which would undo the edit: {_RECOMMENDED_STEP}"


def _edited_since(case: Case) -> Iterator[str]:
    """The operator's status updates move resourceVersion, so the generation (spec edits only) decides where known."""
    metadata = case.resource.get("metadata") or {}
    if case.planned_generation is not None:
        if metadata.get("generation") != case.planned_generation:
            yield (
                f"the spec was edited by somebody else since the plan was made"
                f" (generation {case.planned_generation} -> {metadata.get('generation')}): plan again"
            )
    elif case.planned_resource_version not in (None, metadata.get("resourceVersion")):
        yield "the resource has moved since the plan was made (resourceVersion): plan again"


def _another_upgrade(case: Case) -> Iterator[str]:
    status = case.situation.status
    state = (status.get("reconciliationStatus") or {}).get("state")
    generation = (case.resource.get("metadata") or {}).get("generation")
    observed = status.get("observedGeneration")
    deployed = last_reconciled(case.resource)
    if deployed is None:
        yield "the operator has not deployed this resource yet"
    elif state in ("UPGRADING", "ROLLING_BACK"):
        yield f"another upgrade is running ({state}): wait for its end"
    elif desired_state(deployed) == "suspended":
        return  # edits of a suspended job are taken up when it is resumed, and not before
    elif isinstance(observed, int) and isinstance(generation, int) and observed < generation:
        yield "an earlier edit of the spec has not been taken up by the operator yet: wait for it"


def _stateless(case: Case) -> Iterator[str]:
    if case.decision.mode != "stateless" or "stateless" in case.accepted:
        return
    if upgrade_mode(case.situation.wanted) == "stateless":
        said = job_of(case.situation.wanted).get("upgradeMode")
        origin = (
            "spec.job.upgradeMode is stateless" if said else "spec.job.upgradeMode is not set, which means stateless"
        )
        yield f"all state would be lost: {origin}; use --savepoint, or --stateless if that is meant"
    else:
        yield f"all state would be lost: {case.decision.why}; give a savepoint, or --stateless if that is meant"


def _redeployed(case: Case) -> Iterator[str]:
    if case.decision.mode == "savepoint-redeploy" and "savepoint-redeploy" not in case.accepted:
        path = job_of(case.situation.wanted).get("initialSavepointPath")
        yield f"state would be lost, all since {path}: {case.decision.why}; keep the nonce that the resource has"


def _silent_last_state(case: Case) -> Iterator[str]:
    if case.requested == "savepoint" and case.decision.mode == "last-state" and "last-state" not in case.accepted:
        yield f"no savepoint would be taken: {case.decision.why}; --last-state if that is meant"


def _older_than_the_stop(case: Case) -> Iterator[str]:
    lost = lost_stop_savepoint(case.situation.status, case.situation.evidence.stop_savepoint)
    restores = case.situation.job_state != "RUNNING" and case.decision.mode in ("savepoint", "last-state")
    if restores and lost is not None:
        recorded = recorded_savepoint(case.situation.status)
        name = (case.resource.get("metadata") or {}).get("name")
        yield (
            f"it would start from {recorded}, not from the savepoint that stopped the job:"
            f" flinkops resume {name} --from {lost}"
        )


def _runs(case: Case) -> Iterator[str]:
    if case.situation.evidence.job_state == "RUNNING":
        name = (case.resource.get("metadata") or {}).get("name")
        yield f"the job runs, and what it has done since that savepoint would be lost: flinkops suspend {name} first"


def _cannot(case: Case) -> Iterator[str]:
    if case.decision.mode == "wait":
        yield f"it would wait without a limit: {case.decision.why}"
    if case.decision.mode == "fail":
        yield f"it would fail: {case.decision.why}"


def _savepoint_directory(case: Case) -> Iterator[str]:
    takes_one = case.decision.mode == "savepoint" and case.situation.job_state == "RUNNING"
    if takes_one and not savepoint_directory(case.situation.wanted):
        yield "there is no savepoint directory: set execution.checkpointing.savepoint-dir (state.savepoints.dir on 1.x)"


def _ha_off(case: Case) -> Iterator[str]:
    modern = case.situation.features.upgrade_savepoint_path
    if case.requested == "last-state" and not ha_on(case.situation.wanted) and not modern:
        yield "last-state needs high availability, which is off: set high-availability.type and .storageDir"


def _session_last_state(case: Case) -> Iterator[str]:
    situation = case.situation
    if case.requested == "last-state" and situation.session_job and not situation.features.upgrade_savepoint_path:
        yield "this operator takes no last-state for session jobs (1.10 and newer do): use --savepoint"


def _another_cluster(case: Case) -> Iterator[str]:
    before, after = (one.get("deploymentName") for one in (case.situation.deployed, case.situation.wanted))
    if before != after:
        yield f"deploymentName {before} -> {after}: the operator moves no job to another session cluster"


def _old_checkpoint(case: Case) -> Iterator[str]:
    age = case.situation.evidence.checkpoint_age_seconds
    if case.decision.mode == "last-state" and age is not None and age > MAX_CHECKPOINT_AGE_SECONDS:
        yield (
            f"the last checkpoint is {age:.0f} s old (limit {MAX_CHECKPOINT_AGE_SECONDS:.0f} s):"
            " everything since would be processed again; use --savepoint"
        )


def _stop_timeout(case: Case) -> Iterator[str]:
    p99 = case.situation.evidence.checkpoint_p99_seconds
    text = configuration(case.situation.deployed).get("execution.checkpointing.timeout")
    timeout = duration_seconds(text) or _DEFAULT_CHECKPOINT_TIMEOUT_SECONDS
    if case.decision.mode == "savepoint" and p99 is not None and p99 >= timeout:
        yield (
            f"stopping with a savepoint would time out: checkpoints take {p99:.0f} s (p99),"
            f" execution.checkpointing.timeout is {timeout:.0f} s"
        )


def _pending_savepoint(case: Case) -> Iterator[str]:
    if pending_savepoint(case.situation.status) and case.decision.mode != "wait":
        yield "a savepoint is in progress: wait for its end"


def _major_version(case: Case) -> Iterator[str]:
    before, after = (_flink_version(one) for one in (case.situation.deployed, case.situation.wanted))
    if before and after and before[0] != after[0]:
        yield f"Flink {before[0]}.x -> {after[0]}.x: savepoints are not promised to be compatible across major versions"
    elif before and after and after < before:
        yield f"Flink {dotted(before)} -> {dotted(after)}: an older Flink does not read a newer one's savepoint"


def _max_parallelism(case: Case) -> Iterator[str]:
    if case.decision.mode == "stateless":
        return
    before, after = (
        configuration(one).get("pipeline.max-parallelism") for one in (case.situation.deployed, case.situation.wanted)
    )
    if before != after:
        yield f"pipeline.max-parallelism {before or 'default'} -> {after or 'default'}: state does not survive that"
    limit = case.situation.evidence.max_parallelism
    wanted = job_of(case.situation.wanted).get("parallelism")
    changed = wanted != job_of(case.situation.deployed).get("parallelism")
    if changed and limit is not None and isinstance(wanted, int) and wanted > limit:
        yield f"parallelism {wanted} is above the job's max parallelism {limit}"


def _conflicting_keys(case: Case) -> Iterator[str]:
    settings = configuration(case.situation.wanted)
    for old, new in _RENAMED_IN_2.items():
        if old in settings and new in settings and settings[old] != settings[new]:
            yield f"{old} and {new} are the same setting with different values; keep {new}"


def _unknown_nonce(case: Case) -> Iterator[str]:
    wanted = job_of(case.situation.wanted)
    if wanted.get("savepointRedeployNonce") is not None and not case.situation.features.savepoint_redeploy:
        yield "this operator's resource has no spec.job.savepointRedeployNonce: it would be dropped silently"


def _known_bugs(case: Case) -> Iterator[str]:
    version = case.situation.features.version
    for bug in operator_bugs(version) if case.decision.mode in ("savepoint", "last-state") else ():
        running, fixed = dotted(version_numbers(version)), dotted(bug.fixed)
        yield f"operator {running} {bug.effect} ({bug.issue}, fixed in {fixed}): --backup-savepoint first"


def _redeploy_risk(case: Case) -> Iterator[str]:
    if case.decision.mode == "savepoint-redeploy":
        yield f"what the job did since {job_of(case.situation.wanted).get('initialSavepointPath')} is lost"


def _minor_version(case: Case) -> Iterator[str]:
    if case.situation.version_changed:
        yield "flinkVersion changes: the operator itself never rolls back across versions"


def _old_keys(case: Case) -> Iterator[str]:
    version = _flink_version(case.situation.wanted)
    settings = configuration(case.situation.wanted)
    if version and version[0] >= 2:
        for old in (key for key in _RENAMED_IN_2 if key in settings):
            yield f"{old} is called {_RENAMED_IN_2[old]} in Flink 2.x (the old name still works as a fallback)"


def _no_ha(case: Case) -> Iterator[str]:
    if not ha_on(case.situation.wanted):
        yield "high availability is off: the operator cannot roll back, and a lost JobManager loses the job's position"


def _non_restored(case: Case) -> Iterator[str]:
    if job_of(case.situation.wanted).get("allowNonRestoredState") is True:
        yield "allowNonRestoredState is on: state of operators that are gone is dropped without a word"


def _flink_version(spec: Mapping[str, Any]) -> tuple[int, ...]:
    return version_numbers(str(spec.get("flinkVersion") or "").replace("_", "."))


_ALWAYS: tuple[Check, ...] = (_deleting, _owned, _gitops, _edited_since, _another_upgrade, _unknown_nonce)
_RESTARTING: tuple[Check, ...] = (
    _stateless,
    _redeployed,
    _silent_last_state,
    _cannot,
    _older_than_the_stop,
    _pending_savepoint,
    _savepoint_directory,
    _ha_off,
    _session_last_state,
    _another_cluster,
    _old_checkpoint,
    _stop_timeout,
    _major_version,
    _max_parallelism,
    _conflicting_keys,
)
_ANEW: tuple[Check, ...] = (
    _deleting,
    _owned,
    _gitops,
    _edited_since,
    _unknown_nonce,
    _runs,
    _another_cluster,
    _major_version,
    _max_parallelism,
    _conflicting_keys,
)
"""What the operator has recorded and would do does not matter where the resource is created anew."""
_RISKS: tuple[Check, ...] = (_redeploy_risk, _known_bugs, _minor_version, _old_keys, _no_ha, _non_restored)
