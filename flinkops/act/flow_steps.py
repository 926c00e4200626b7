"""Steps that see whether records flow after a change, and whether the backlog is as before."""

from contextlib import suppress
from typing import Any

from flinkops.act.control import Load
from flinkops.act.outcomes import CheckpointNoted, FlowSeen, LoadMeasured
from flinkops.act.running import StepKind, StepRun
from flinkops.assess.checkpoints import newest_completed
from flinkops.errors import NotInTime, OperationFailed, Unreachable
from flinkops.model.facts import JobFacts
from flinkops.plan.state_loss import place_of
from flinkops.plan.step_inputs import MeasureLoad, VerifyFlow

_FLOWS_WITHIN_SECONDS = 60.0
_CAUGHT_UP_WITHIN_SECONDS = 300.0
_SLACK_RECORDS = 1000
_SLACK_RATIO = 0.1


def measure(run: StepRun, _given: MeasureLoad) -> LoadMeasured:
    """The backlog before the change, and the newest checkpoint. What cannot be measured is no reason to stop."""
    load = _load(run, run.job_id)
    with suppress(Unreachable):
        if (job := run.control.job(run.job_id)) is not None:
            keep_checkpoint(run, job)
    return LoadMeasured(load.pending, load.records_in)


def keep_checkpoint(run: StepRun, job: JobFacts) -> None:
    """Keep the number and the place of its newest checkpoint: what a job that carries on must not fall behind.

    Savepoints do not count: Flink itself recovers from checkpoints alone, and that loses nothing.
    """
    if job.checkpoints is not None and (newest := newest_completed(job.checkpoints)) is not None:
        before = run.findings.last(CheckpointNoted)
        vertices = ",".join(vertex.id for vertex in job.vertices) or (before.vertex_ids if before is not None else None)
        found = CheckpointNoted(newest.id, place_of(newest), vertices)
        if before != found:
            run.keep(found)


def completed_before(run: StepRun) -> int | None:
    """The number that :func:`keep_checkpoint` kept last, in this step or one before; None when it saw none."""
    noted = run.findings.last(CheckpointNoted)
    return noted.checkpoint_before if noted is not None else None


def verify_flow(run: StepRun, _given: VerifyFlow) -> FlowSeen:
    """The sources take records in, and the backlog is no greater than before; what cannot be seen is told as unknown.

    As many as before: a tenth or 1,000 records more are within what one poll of a moving number can tell.
    """
    job_id = run.running_job_id
    flow = _flow(run, job_id)
    measured = run.findings.last(LoadMeasured) or LoadMeasured()
    before, first = measured.pending_before, _load(run, job_id)
    if before is None or first.pending is None:
        return FlowSeen(flow, f"unknown: {first.unknown or 'it was not measurable before the change'}")
    limit = before + max(_SLACK_RECORDS, int(before * _SLACK_RATIO))
    last = first.pending

    def ask() -> int | None:
        nonlocal last
        load = run.control.load(job_id)
        last = last if load.pending is None else load.pending
        return load.pending if load.pending is not None and load.pending <= limit else None

    try:
        pending = run.until("waiting until the backlog is as before", ask, within_seconds=_CAUGHT_UP_WITHIN_SECONDS)
    except NotInTime as problem:
        raise OperationFailed(f"{problem.what}: {last} records wait, {before} before the change") from None
    return FlowSeen(flow, f"{pending} records wait, {before} before the change")


def _flow(run: StepRun, job_id: str) -> str:
    """In words. Raises OperationFailed when records wait and none is taken."""
    first = _load(run, job_id)
    if first.records_in is None:
        return f"unknown: {first.unknown or 'the sources do not publish what they take in'}"
    measured = run.findings.last(LoadMeasured)
    if measured is not None and measured.records_before == 0 and first.pending in (None, 0):
        return "nothing came in before the change either"

    def ask() -> Load | None:
        load = run.control.load(job_id)
        return load if load.records_in or load.pending == 0 else None

    try:
        load = run.until("waiting for records", ask, within_seconds=_FLOWS_WITHIN_SECONDS)
    except NotInTime:
        last = _load(run, job_id)
        if last.pending:
            raise OperationFailed(f"{last.pending} records wait, and the new job takes none of them") from None
        return "unknown: no record came in since the start"
    return f"{load.records_in} records taken in" if load.records_in else "nothing waits"


def _load(run: StepRun, job_id: str) -> Load:
    try:
        return run.control.load(job_id)
    except Unreachable as problem:
        return Load(unknown=problem.what)


FLOW_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(MeasureLoad, LoadMeasured, measure, keeps=(CheckpointNoted,)),
    StepKind(VerifyFlow, FlowSeen, verify_flow),
)
