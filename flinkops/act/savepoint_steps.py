"""The steps around savepoints."""

from typing import Any, Protocol

from flinkops.act.outcomes import (
    FilesChecked,
    SavepointCompleted,
    SavepointDisposed,
    SavepointTriggered,
    SavepointVerified,
)
from flinkops.act.running import StepKind, StepRun
from flinkops.act.savepoint_check import check_savepoint
from flinkops.errors import OperationFailed
from flinkops.model.detail import AsyncOutcome
from flinkops.model.facts import CheckpointFacts, CheckpointsFacts
from flinkops.model.places import same_place
from flinkops.model.savepoint import SavepointFormat
from flinkops.model.steps import BeginsSavepoint, NamesSavepoint
from flinkops.outside.shell import shell_word
from flinkops.plan.step_inputs import (
    AwaitSavepoint,
    CheckFiles,
    DisposeSavepoint,
    StopWithSavepoint,
    TriggerSavepoint,
    VerifySavepoint,
)

_LISTED_WITHIN_SECONDS = 30.0
_DISPOSED_WITHIN_SECONDS = 300.0


def trigger(run: StepRun, given: TriggerSavepoint) -> SavepointTriggered:
    """Begin the savepoint. The trigger's id is the plan's own, so that a second time is not a second savepoint."""
    return SavepointTriggered(
        given.trigger_id, begin(run, given, run.control.trigger_savepoint, "triggering the savepoint")
    )


class _Sends(Protocol):
    def __call__(
        self, job_id: str, /, *, target_directory: str, savepoint_format: SavepointFormat, trigger_id: str
    ) -> None: ...


def begin(run: StepRun, given: TriggerSavepoint | StopWithSavepoint, send: _Sends, note: str) -> int | None:
    """Have Flink begin a savepoint as the step says; returns the newest checkpoint of before."""

    def ask() -> bool:
        send(
            run.job_id,
            target_directory=given.target_directory,
            savepoint_format=given.savepoint_format,
            trigger_id=given.trigger_id,
        )
        return True

    after = newest_checkpoint(run)
    run.until(note, ask)
    return after


def newest_checkpoint(run: StepRun) -> int | None:
    """Flink's number of the job's newest checkpoint or savepoint, 0 before the first; None when it does not tell.

    The numbers grow with each, whatever the clocks say: what comes later has a higher one.
    """

    def ask() -> tuple[int | None]:
        job = run.control.job(run.job_id)
        if job is None or job.checkpoints is None:
            return (None,)
        return (max((one.id for one in _known(job.checkpoints)), default=0),)

    (number,) = run.until("reading the number of the last checkpoint", ask)
    return number


def _known(checkpoints: CheckpointsFacts) -> list[CheckpointFacts]:
    latest = (checkpoints.latest_completed, checkpoints.latest_failed, checkpoints.latest_savepoint)
    return [*checkpoints.history, *filter(None, latest)]


def await_savepoint(run: StepRun, given: AwaitSavepoint) -> SavepointCompleted:
    """Wait for the outcome of the trigger; its path is Flink's own answer."""

    def ask() -> AsyncOutcome | None:
        outcome = run.control.savepoint_status(run.job_id, given.trigger_id)
        if outcome is None:
            return AsyncOutcome(done=True, location=_forgotten(run))
        return outcome if outcome.done else None

    outcome = run.until("waiting for the savepoint", ask)
    if outcome.location and not outcome.failure:
        return SavepointCompleted(outcome.location)
    raise OperationFailed(f"the savepoint failed: {outcome.failure or 'Flink gives no reason'}")


def verify(run: StepRun, _given: VerifySavepoint) -> SavepointVerified:
    """The job lists it as completed, and its files are all there, as far as they can be seen from here."""
    path = run.savepoint

    def ask() -> CheckpointFacts | None:
        job = run.control.job(run.job_id)
        if job is None or job.checkpoints is None:
            return None
        return next(
            (
                one
                for one in _known(job.checkpoints)
                if one.status == "COMPLETED" and same_place(one.external_path, path)
            ),
            None,
        )

    listed = run.until(f"waiting until the job lists {path}", ask, within_seconds=_LISTED_WITHIN_SECONDS)
    checked = checked_files(run, path)
    size = checked.state_bytes if listed.state_size_bytes is None else listed.state_size_bytes
    return SavepointVerified(checked.files, listed.id, size)


def check_files(run: StepRun, given: CheckFiles) -> FilesChecked:
    """The savepoint to start from has all its files, as far as they can be seen from here."""
    return checked_files(run, given.savepoint or run.savepoint)


def checked_files(run: StepRun, path: str) -> FilesChecked:
    """What is seen of a savepoint's files. Raises OperationFailed when some are missing; out of reach is unknown."""
    check = check_savepoint(path, run.stores, lambda done, of: run.note(f"checking files: {done} of {of}"))
    if check.verdict == "bad":
        raise OperationFailed(f"savepoint {path} is not whole: {check.why}")
    if check.verdict == "unknown":
        return FilesChecked(path, f"unknown: {check.why}")
    return FilesChecked(path, check.why, check.total_bytes)


def dispose(run: StepRun, given: DisposeSavepoint) -> SavepointDisposed:
    """Let Flink remove a savepoint's files. One that is gone already was removed by an earlier try."""
    path = given.path
    trigger_id = run.until("asking for the disposal", lambda: run.control.dispose_savepoint(path))

    def ask() -> AsyncOutcome | None:
        outcome = run.control.disposal_status(trigger_id) or AsyncOutcome(
            done=True, failure="Flink no longer knows the disposal"
        )
        return outcome if outcome.done else None

    outcome = run.until("waiting for the disposal", ask, within_seconds=_DISPOSED_WITHIN_SECONDS)
    check = check_savepoint(path, run.stores)
    removed = check.verdict == "bad" and check.metadata is None
    if outcome.failure and not removed:
        raise OperationFailed(f"{path} was not disposed of: {outcome.failure}")
    if check.verdict == "ok":
        raise OperationFailed(f"Flink says that {path} was disposed of, but its files are still there")
    return SavepointDisposed(path, "gone" if removed else f"unknown: {check.why}")


def _forgotten(run: StepRun) -> str:
    """Flink forgets an operation after five minutes; the savepoint with a number after the last one before it is ours.

    Nobody else could begin one through this journal meanwhile; somebody else's has another trigger, which is why
    only a single candidate counts.
    """
    begun = run.findings.last(BeginsSavepoint)
    after = None if begun is None else begun.after_checkpoint
    job = run.control.job(run.job_id)
    if job is None or job.checkpoints is None:
        raise OperationFailed("Flink has forgotten the savepoint's trigger and does not know the job any more")
    found = {
        one.external_path
        for one in _known(job.checkpoints)
        if after is not None and one.is_savepoint and one.status == "COMPLETED" and one.id > after and one.external_path
    }
    if len(found) == 1:
        return found.pop()
    newer = (
        "which was the newest before it is not known"
        if after is None
        else f"{len(found)} savepoints are newer than checkpoint {after}, the last before it"
    )
    raise OperationFailed(
        f"Flink has forgotten the savepoint's trigger, and {newer}",
        next_step=f"list them with: flinkops savepoint list {shell_word(run.plan.target.job_name)}",
    )


SAVEPOINT_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(TriggerSavepoint, SavepointTriggered, trigger),
    StepKind(AwaitSavepoint, SavepointCompleted, await_savepoint),
    StepKind(VerifySavepoint, SavepointVerified, verify, needs=(NamesSavepoint,)),
    StepKind(CheckFiles, FilesChecked, check_files),
    StepKind(DisposeSavepoint, SavepointDisposed, dispose),
)
