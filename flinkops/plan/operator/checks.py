"""Reasons to refuse an upgrade through the operator. Pure; one function a reason.

``accepted`` holds what the person allowed: "stateless", "last-state", "savepoint-redeploy", and :data:`ANEW`.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from flinkops.model.json_reading import items, section
from flinkops.model.operator_bugs import dotted, version_numbers
from flinkops.model.operator_marks import managed_by
from flinkops.model.option_names import (
    CHECKPOINT_DIRECTORY,
    INCREMENTAL_CHECKPOINTS,
    SAVEPOINT_DIRECTORY,
    STATE_BACKEND,
)
from flinkops.outside.shell import shell_command, shell_word
from flinkops.plan.operator.configuration import duration_seconds
from flinkops.plan.operator.decision import Act, Decision, Mode
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.recorded import lost_stop_savepoint, pending_savepoint, recorded_savepoint
from flinkops.plan.operator.situation import Situation
from flinkops.plan.operator.spec import (
    configuration,
    desired_state,
    job_of,
    last_reconciled,
    upgrade_mode,
)

MAX_CHECKPOINT_AGE_SECONDS = 15 * 60.0
"""A last-state upgrade repeats everything since the last checkpoint; older than this it needs a savepoint instead."""
ANEW = "anew"
"""Accepted by who creates the resource anew, so that what the operator has recorded does not matter."""
_DEFAULT_CHECKPOINT_TIMEOUT_SECONDS = 600.0  # Flink's default of execution.checkpointing.timeout

_RENAMED = (
    CHECKPOINT_DIRECTORY,
    SAVEPOINT_DIRECTORY,
    INCREMENTAL_CHECKPOINTS,
    STATE_BACKEND,
    ("execution.checkpointing.storage", "state.checkpoint-storage"),
    ("high-availability.type", "high-availability"),
)
RENAMED_IN_2 = {old: new for new, old in _RENAMED}
_RECOMMENDED_STEP = "take the change to the repository it is managed from; `--plan -o yaml` prints the patch"


class ProposedChange(NamedTuple):
    """Everything that a check may use."""

    resource: Mapping[str, Any]
    situation: Situation
    deployed: Spec  # with what its session cluster adds, where it is a session job
    wanted: Spec
    requested: str
    decision: Decision
    ha: bool | None  # whether high availability is on with the wanted spec; None: not known
    savepoint_directory: bool | None
    rescales: bool | None  # whether REST changes the parallelism of the job that is started
    accepted: frozenset[str]

    @property
    def restarts(self) -> bool:
        """Whether the change touches the job at all."""
        return self.decision.mode not in (Mode.NONE, Mode.IN_PLACE)


class CheckCode(StrEnum):
    """Why we do not carry it out, or what may go wrong. The names are stable; the sentences are not."""

    DELETING = "deleting"
    OWNED = "owned"
    GITOPS = "gitops"
    ANOTHER_UPGRADE = "another-upgrade"
    UNKNOWN_NONCE = "unknown-nonce"
    NOT_KNOWN = "not-known"
    CANNOT = "cannot"
    STATELESS = "stateless"
    REDEPLOYED = "redeployed"
    SILENT_LAST_STATE = "silent-last-state"
    OLDER_THAN_THE_STOP = "older-than-the-stop"
    PENDING_SAVEPOINT = "pending-savepoint"
    SAVEPOINT_DIRECTORY = "savepoint-directory"
    HA_OFF = "ha-off"
    SESSION_LAST_STATE = "session-last-state"
    ANOTHER_CLUSTER = "another-cluster"
    OLD_CHECKPOINT = "old-checkpoint"
    STOP_TIMEOUT = "stop-timeout"
    MAJOR_VERSION = "major-version"
    MAX_PARALLELISM = "max-parallelism"
    CONFLICTING_KEYS = "conflicting-keys"
    RUNS = "runs"
    # risks
    REDEPLOY_LOSS = "redeploy-loss"
    KNOWN_BUG = "known-bug"
    NEW_OPERATOR = "new-operator"
    NO_ROLLBACK_ACROSS_VERSIONS = "no-rollback-across-versions"
    OLD_KEYS = "old-keys"
    NO_HA = "no-ha"
    NON_RESTORED = "non-restored"
    OVERRIDES_LOST = "overrides-lost"


class Problem(NamedTuple):
    """A code, and its sentence for people."""

    code: CheckCode
    text: str


Check = Callable[[ProposedChange], Iterator[str]]
Checks = Mapping[CheckCode, Check]


def refusals(proposed: ProposedChange) -> list[Problem]:
    """Every reason not to carry it out."""
    if ANEW in proposed.accepted:
        return found(_ANEW, proposed)
    return found({**_ALWAYS, **(_RESTARTING if proposed.restarts else {})}, proposed)


def found(checks: Checks, proposed: ProposedChange) -> list[Problem]:
    """What they find, in order."""
    return [Problem(code, line) for code, check in checks.items() for line in check(proposed)]


def _deleting(proposed: ProposedChange) -> Iterator[str]:
    if section(proposed.resource, "metadata").get("deletionTimestamp"):
        yield "the resource is being deleted"


def _owned(proposed: ProposedChange) -> Iterator[str]:
    for owner in items(section(proposed.resource, "metadata"), "ownerReferences"):
        if owner.get("kind") == "FlinkBlueGreenDeployment":
            pair = str(owner.get("name"))
            change = f"{shell_command('flinkops', 'upgrade', pair)} changes the pair"
            yield f"it belongs to FlinkBlueGreenDeployment {pair}, which would undo the edit: {change}"


def _gitops(proposed: ProposedChange) -> Iterator[str]:
    if tool := managed_by(section(proposed.resource, "metadata")):
        yield f"it is managed by {tool}, which would undo the edit: {_RECOMMENDED_STEP}"


def _another_upgrade(proposed: ProposedChange) -> Iterator[str]:
    status = proposed.situation.status
    state = section(status, "reconciliationStatus").get("state")
    generation = section(proposed.resource, "metadata").get("generation")
    observed = status.get("observedGeneration")
    deployed = last_reconciled(proposed.resource)
    if deployed is None:
        yield "the operator has not deployed this resource yet"
    elif state in ("UPGRADING", "ROLLING_BACK"):
        yield f"another upgrade is running ({state}): wait for its end"
    elif desired_state(deployed) == "suspended":
        return  # edits of a suspended job are taken up when it is resumed, and not before
    elif isinstance(observed, int) and isinstance(generation, int) and observed < generation:
        yield "an earlier edit of the spec has not been taken up by the operator yet: wait for it"


def _stateless(proposed: ProposedChange) -> Iterator[str]:
    if proposed.decision.mode != "stateless" or "stateless" in proposed.accepted:
        return
    if upgrade_mode(proposed.wanted) == "stateless":
        said = job_of(proposed.wanted).get("upgradeMode")
        origin = (
            "spec.job.upgradeMode is stateless" if said else "spec.job.upgradeMode is not set, which means stateless"
        )
        yield f"all state would be lost: {origin}; use --savepoint, or --stateless if that is meant"
    else:
        nonce = " keep the nonce (--keep-nonce) or" if _nonce_changes(proposed) else ""
        yield (
            f"all state would be lost: {proposed.decision.why};{nonce} give a savepoint"
            f"{' (--redeploy-from PATH)' if nonce else ''}, or --stateless if that is meant"
        )


def _nonce_changes(proposed: ProposedChange) -> bool:
    before, after = (job_of(one).get("savepointRedeployNonce") for one in (proposed.deployed, proposed.wanted))
    return after is not None and before != after


def _redeployed(proposed: ProposedChange) -> Iterator[str]:
    if not _nonce_changes(proposed) or "savepoint-redeploy" in proposed.accepted:
        return
    path = job_of(proposed.wanted).get("initialSavepointPath") or "PATH"
    ways = f"--keep-nonce keeps the job and its state, --redeploy-from {path} if that is meant"
    if proposed.decision.mode is Mode.SAVEPOINT_REDEPLOY:
        yield f"state would be lost, all since {path}: {proposed.decision.why}; {ways}"
    elif proposed.decision.mode is Mode.FAIL:
        yield f"savepointRedeployNonce changes, which starts the job from initialSavepointPath: {ways}"


def _silent_last_state(proposed: ProposedChange) -> Iterator[str]:
    if (
        proposed.requested == "savepoint"
        and proposed.decision.mode == "last-state"
        and "last-state" not in proposed.accepted
    ):
        yield f"no savepoint would be taken: {proposed.decision.why}; --last-state if that is meant"


def _older_than_the_stop(proposed: ProposedChange) -> Iterator[str]:
    lost = lost_stop_savepoint(proposed.situation.status, proposed.situation.observed.stop_savepoint)
    restores = proposed.situation.job_state != "RUNNING" and proposed.decision.mode in ("savepoint", "last-state")
    if restores and lost is not None:
        recorded = recorded_savepoint(proposed.situation.status)
        name = shell_word(str(section(proposed.resource, "metadata").get("name")))
        yield (
            f"it would start from {recorded}, not from the savepoint that stopped the job:"
            f" flinkops resume {name} --from {shell_word(lost)}"
        )


def _runs(proposed: ProposedChange) -> Iterator[str]:
    if proposed.situation.observed.job_state == "RUNNING":
        name = shell_word(str(section(proposed.resource, "metadata").get("name")))
        yield f"the job runs, and what it has done since that savepoint would be lost: flinkops suspend {name} first"


def _not_known(proposed: ProposedChange) -> Iterator[str]:
    if proposed.decision.mode is Mode.UNKNOWN:
        yield f"what the operator would do is {proposed.decision.why}"


def _cannot(proposed: ProposedChange) -> Iterator[str]:
    if proposed.decision.mode is Mode.WAIT:
        yield f"it would wait without a limit: {proposed.decision.why}"
    if proposed.decision.mode is Mode.FAIL:
        yield f"it would fail: {proposed.decision.why}"


def _savepoint_directory(proposed: ProposedChange) -> Iterator[str]:
    takes_one = proposed.requested == "savepoint" or proposed.decision.act is Act.SAVEPOINT
    if takes_one and proposed.savepoint_directory is False:
        yield "there is no savepoint directory: set execution.checkpointing.savepoint-dir (state.savepoints.dir on 1.x)"


def _ha_off(proposed: ProposedChange) -> Iterator[str]:
    modern = proposed.situation.features.upgrade_savepoint_path
    if proposed.requested == "last-state" and proposed.ha is False and not modern:
        yield "last-state needs high availability, which is off: set high-availability.type and .storageDir"


def _session_last_state(proposed: ProposedChange) -> Iterator[str]:
    situation = proposed.situation
    if proposed.requested == "last-state" and situation.session_job and not situation.features.upgrade_savepoint_path:
        yield "this operator takes no last-state for session jobs (1.10 and newer do): use --savepoint"


def _another_cluster(proposed: ProposedChange) -> Iterator[str]:
    before, after = (one.get("deploymentName") for one in (proposed.deployed, proposed.wanted))
    if before != after:
        yield f"deploymentName {before} -> {after}: the operator moves no job to another session cluster"


def _old_checkpoint(proposed: ProposedChange) -> Iterator[str]:
    age = proposed.situation.observed.checkpoint_age_seconds
    if proposed.decision.mode == "last-state" and age is not None and age > MAX_CHECKPOINT_AGE_SECONDS:
        yield (
            f"the last checkpoint is {age:.0f} s old (limit {MAX_CHECKPOINT_AGE_SECONDS:.0f} s):"
            " everything since would be processed again; use --savepoint"
        )


def _stop_timeout(proposed: ProposedChange) -> Iterator[str]:
    p99 = proposed.situation.observed.checkpoint_p99_seconds
    text = configuration(proposed.deployed).get("execution.checkpointing.timeout")
    timeout = duration_seconds(text) or _DEFAULT_CHECKPOINT_TIMEOUT_SECONDS
    if proposed.decision.mode == "savepoint" and p99 is not None and p99 >= timeout:
        yield (
            f"stopping with a savepoint would time out: checkpoints take {p99:.0f} s (p99),"
            f" execution.checkpointing.timeout is {timeout:.0f} s"
        )


def _pending_savepoint(proposed: ProposedChange) -> Iterator[str]:
    if pending_savepoint(proposed.situation.status) and proposed.decision.mode != "wait":
        yield "a savepoint is in progress: wait for its end"


def _major_version(proposed: ProposedChange) -> Iterator[str]:
    before, after = (flink_version(one) for one in (proposed.deployed, proposed.wanted))
    if before and after and before[0] != after[0]:
        yield f"Flink {before[0]}.x -> {after[0]}.x: savepoints are not promised to be compatible across major versions"
    elif before and after and after < before:
        yield f"Flink {dotted(before)} -> {dotted(after)}: an older Flink does not read a newer one's savepoint"


def _max_parallelism(proposed: ProposedChange) -> Iterator[str]:
    if proposed.decision.mode == "stateless":
        return
    before, after = (configuration(one).get("pipeline.max-parallelism") for one in (proposed.deployed, proposed.wanted))
    if before != after:
        yield f"pipeline.max-parallelism {before or 'default'} -> {after or 'default'}: state does not survive that"
    limit = proposed.situation.observed.max_parallelism
    wanted = job_of(proposed.wanted).get("parallelism")
    changed = wanted != job_of(proposed.deployed).get("parallelism")
    if changed and limit is not None and isinstance(wanted, int) and wanted > limit:
        yield f"parallelism {wanted} is above the job's max parallelism {limit}"


def _conflicting_keys(proposed: ProposedChange) -> Iterator[str]:
    settings = configuration(proposed.wanted)
    for old, new in RENAMED_IN_2.items():
        if old in settings and new in settings and settings[old] != settings[new]:
            yield f"{old} and {new} are the same setting with different values; keep {new}"


def _unknown_nonce(proposed: ProposedChange) -> Iterator[str]:
    wanted = job_of(proposed.wanted)
    if wanted.get("savepointRedeployNonce") is not None and not proposed.situation.features.savepoint_redeploy:
        name = shell_word(str(section(proposed.resource, "metadata").get("name")))
        yield (
            "this operator's resource has no spec.job.savepointRedeployNonce: it would be dropped silently;"
            f" from another savepoint: flinkops suspend {name}, then flinkops resume {name} --from PATH"
        )


def flink_version(spec: Mapping[str, Any]) -> tuple[int, ...]:
    """The numbers of ``spec.flinkVersion``."""
    return version_numbers(str(spec.get("flinkVersion") or "").replace("_", "."))


_ALWAYS: Checks = {
    CheckCode.DELETING: _deleting,
    CheckCode.OWNED: _owned,
    CheckCode.GITOPS: _gitops,
    CheckCode.ANOTHER_UPGRADE: _another_upgrade,
    CheckCode.UNKNOWN_NONCE: _unknown_nonce,
}
_STATE: Checks = {
    CheckCode.ANOTHER_CLUSTER: _another_cluster,
    CheckCode.MAJOR_VERSION: _major_version,
    CheckCode.MAX_PARALLELISM: _max_parallelism,
    CheckCode.CONFLICTING_KEYS: _conflicting_keys,
}
_RESTARTING: Checks = {
    CheckCode.STATELESS: _stateless,
    CheckCode.REDEPLOYED: _redeployed,
    CheckCode.SILENT_LAST_STATE: _silent_last_state,
    CheckCode.NOT_KNOWN: _not_known,
    CheckCode.CANNOT: _cannot,
    CheckCode.OLDER_THAN_THE_STOP: _older_than_the_stop,
    CheckCode.PENDING_SAVEPOINT: _pending_savepoint,
    CheckCode.SAVEPOINT_DIRECTORY: _savepoint_directory,
    CheckCode.HA_OFF: _ha_off,
    CheckCode.SESSION_LAST_STATE: _session_last_state,
    CheckCode.OLD_CHECKPOINT: _old_checkpoint,
    CheckCode.STOP_TIMEOUT: _stop_timeout,
    **_STATE,
}
_ANEW: Checks = {
    **{code: check for code, check in _ALWAYS.items() if code is not CheckCode.ANOTHER_UPGRADE},
    CheckCode.RUNS: _runs,
    **_STATE,
}
"""What the operator has recorded and would do does not matter where the resource is created anew."""
