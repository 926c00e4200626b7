"""Steps that see whether records flow on after a change, and whether what waits became less again."""

from contextlib import suppress

from flinkops.act.control import Load
from flinkops.act.running import StepAction, StepRun
from flinkops.assess.checkpoints import newest_completed
from flinkops.errors import NotInTime, OperationFailed, Unreachable
from flinkops.model.facts import JobFacts
from flinkops.plan.state_loss import place_of

_FLOWS_WITHIN_SECONDS = 60.0
_CAUGHT_UP_WITHIN_SECONDS = 300.0
_SLACK_RECORDS = 1000
_SLACK_RATIO = 0.1


def measure(run: StepRun) -> dict[str, str]:
    """What waits before the change, and its newest checkpoint. What cannot be measured is no reason not to go on."""
    load = _look(run, run.job_id)
    with suppress(Unreachable):
        if (job := run.control.job(run.job_id)) is not None:
            note_checkpoint(run, job)
    seen = {}
    if load.pending is not None:
        seen["pending_before"] = str(load.pending)
    if load.records_in is not None:
        seen["records_before"] = str(load.records_in)
    return seen


def note_checkpoint(run: StepRun, job: JobFacts) -> None:
    """Keep the number and the place of its newest checkpoint: what a job that carries on must not fall behind.

    Savepoints do not count: Flink itself recovers from checkpoints alone, and that loses nothing.
    """
    if job.checkpoints is not None and (newest := newest_completed(job.checkpoints)) is not None:
        run.found["checkpoint_before"] = str(newest.id)
        run.found["checkpoint_path"] = place_of(newest) or ""


def completed_before(run: StepRun) -> int | None:
    """The number that :func:`note_checkpoint` kept last, in this step or one before; None when it saw none."""
    number = run.found.get("checkpoint_before") or run.seen.get("checkpoint_before")
    return int(number) if number else None


def verify_flow(run: StepRun) -> dict[str, str]:
    """The sources take records in, and no more of them wait than before; what cannot be seen is told as unknown.

    As many as before: a tenth or 1,000 records more are within what a look at a moving number can tell.
    """
    job_id = run.seen.get("new_job_id", run.job_id)
    seen = {"flow": _flow(run, job_id)}
    before = run.seen.get("pending_before")
    first = _look(run, job_id)
    if before is None or first.pending is None:
        return {**seen, "lag": f"unknown: {first.unknown or 'it was not measurable before the change'}"}
    limit = int(before) + max(_SLACK_RECORDS, int(int(before) * _SLACK_RATIO))
    last = first.pending

    def ask() -> int | None:
        nonlocal last
        load = run.control.load(job_id)
        last = last if load.pending is None else load.pending
        return load.pending if load.pending is not None and load.pending <= limit else None

    try:
        pending = run.until("waiting until no more wait than before", ask, within_seconds=_CAUGHT_UP_WITHIN_SECONDS)
    except NotInTime as problem:
        raise OperationFailed(f"{problem.what}: {last} wait, {before} before the change") from None
    return {**seen, "lag": f"{pending} records wait, {before} before the change"}


def _flow(run: StepRun, job_id: str) -> str:
    """In words. Raises OperationFailed when records wait and none is taken."""
    first = _look(run, job_id)
    if first.records_in is None:
        return f"unknown: {first.unknown or 'the sources do not publish what they take in'}"
    if run.seen.get("records_before") == "0" and first.pending in (None, 0):
        return "nothing came in before the change either"

    def ask() -> Load | None:
        load = run.control.load(job_id)
        return load if load.records_in or load.pending == 0 else None

    try:
        load = run.until("waiting for records", ask, within_seconds=_FLOWS_WITHIN_SECONDS)
    except NotInTime:
        last = _look(run, job_id)
        if last.pending:
            raise OperationFailed(f"{last.pending} records wait, and the new job takes none of them") from None
        return "unknown: no record came in since the start"
    return f"{load.records_in} records taken in" if load.records_in else "nothing waits"


def _look(run: StepRun, job_id: str) -> Load:
    try:
        return run.control.load(job_id)
    except Unreachable as problem:
        return Load(unknown=problem.what)


FLOW_ACTIONS: dict[str, StepAction] = {"measure-load": measure, "verify-flow": verify_flow}
