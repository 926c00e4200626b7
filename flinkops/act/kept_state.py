"""What is left of the state of a job that died while it was to be stopped."""

from flinkops.act.flow_steps import completed_before
from flinkops.act.outcomes import CheckpointNoted, StateLost
from flinkops.act.running import StepRun
from flinkops.act.savepoint_check import SavepointCheck, check_savepoint
from flinkops.act.storage import newer_beside, savepoints_in
from flinkops.clock import iso_utc
from flinkops.model.places import same_place
from flinkops.plan.savepoint_owner import is_of_job

_CLOCKS_DIFFER_SECONDS = 60.0


def kept_state(run: StepRun, directory: str | None, *, checkpoints_dropped: bool) -> str | None:
    """Where the old job can be started from: the savepoint of its stop, which nobody may have noted; else a checkpoint.

    `directory` is where its savepoints go. ``checkpoints_dropped``: the job has ended, and Flink has dropped its
    checkpoints with it, so that one which cannot be seen from here is not counted on. None: nothing is in sight.
    """
    completed = completed_before(run) or 0
    if directory is not None:
        since = run.plan.created_ms / 1000 - _CLOCKS_DIFFER_SECONDS
        until = _restarted_empty_ms(run) / 1000 or float("inf")
        for path in savepoints_in(directory, run.job_id, run.stores, since_seconds=since, until_seconds=until):
            if same_place(path, run.findings.savepoint):
                continue  # the operator's, of the job that had lost its state
            found = check_savepoint(path, run.stores)
            if found.metadata is not None and found.metadata.checkpoint_id > completed and _is_ours(run, found):
                return path
    if (retained := retained_checkpoint(run)) is not None:
        return retained
    checkpoint = _checkpoint(run)
    unknown = checkpoint and not checkpoints_dropped and check_savepoint(checkpoint, run.stores).verdict == "unknown"
    return checkpoint if unknown else None


def retained_checkpoint(run: StepRun) -> str | None:
    """The newest checkpoint of the old job that is seen to be there and whole; None: none is, as far as can be seen."""
    checkpoint = _checkpoint(run)
    if not checkpoint:
        return None
    newer = (path for path in newer_beside(checkpoint, run.stores) if _is_ours(run, check_savepoint(path, run.stores)))
    if (found := next(newer, None)) is not None:
        return found
    return checkpoint if check_savepoint(checkpoint, run.stores).verdict == "ok" else None


def _is_ours(run: StepRun, found: SavepointCheck) -> bool:
    """Whether it is whole, and one of the old job's: its folder may be shared with other applications."""
    noted = run.findings.last(CheckpointNoted)
    operators = [one.operator_id for one in found.metadata.operators] if found.metadata is not None else []
    vertices = (noted.vertex_ids or "").split(",") if noted is not None and noted.vertex_ids else ()
    return found.verdict == "ok" and is_of_job(operators, vertices, run.job_id)


def where_to_look(run: StepRun, directory: str | None) -> str:
    """For a person: where the savepoint of the stop would be; not one of the job that was restarted empty after it."""
    before = _restarted_empty_ms(run)
    written = f" written before {iso_utc(before)}" if before else ""
    return f"look for the newest savepoint-{run.job_id[:6]}-…{written} in {directory or 'its savepoint directory'}"


def _restarted_empty_ms(run: StepRun) -> int:
    losses = (one for one in reversed(run.findings.outcomes) if isinstance(one, StateLost))
    return next((one.restarted_empty_ms for one in losses if one.restarted_empty_ms), 0)


def _checkpoint(run: StepRun) -> str | None:
    noted = run.findings.last(CheckpointNoted)
    return noted.checkpoint_path if noted is not None else None


def nothing_in_sight(run: StepRun) -> str:
    """What to say when nothing is left in sight."""
    completed = completed_before(run)
    last = f" (last checkpoint {completed})" if completed else ""
    return f"the job is gone, and from here no state of it can be seen{last}"
