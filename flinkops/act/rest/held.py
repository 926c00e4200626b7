"""A submission that is compiled while the old job still runs, and waits for the savepoint to start from."""

import time
from collections.abc import Callable
from pathlib import Path

from flinkops.act.control import JobControl
from flinkops.act.rest.client_runs import address_settings, client_run, fleet_at
from flinkops.act.rest.launch_failures import last_cause
from flinkops.errors import FlinkopsError, OperationFailed, TimedOut
from flinkops.local.client_process import ClientProcess
from flinkops.model.launch import Launch

TARGET = "flinkops-held"
_JOB_ID_SETTING = "$internal.pipeline.job-id"
_COMPILED_SECONDS = 300.0
_SUBMITTED_SECONDS = 120.0
_POLL_SECONDS = 0.05


class CannotHold(FlinkopsError):
    """Nothing is wrong with the program: it has to be submitted as ever, after the stop."""


class HeldSubmission:
    """A client that has compiled the program and waits. Ended by :meth:`close`, which submits nothing."""

    def __init__(self, control: JobControl, launch: Launch, job_id: str, process: ClientProcess) -> None:
        self._control = control
        self._launch = launch
        self._job_id = job_id
        self._process = process

    @property
    def waits(self) -> bool:
        """Whether it still can submit."""
        return not self._process.ended

    def submit(self, savepoint: str) -> None:
        """From this savepoint; returns once Flink has accepted it. Raises OperationFailed and TimedOut."""
        self._process.tell(savepoint)
        _await(self._process, self._launch, "submitted", "the submission", _SUBMITTED_SECONDS, lambda _text: None)
        if self._launch.kind == "embedded":
            from flinkops.local import launches

            launches.remember(Path(fleet_at(self._control).home), self._job_id, self._launch.command)

    def close(self) -> None:
        """End the client."""
        self._process.close()


def hold(control: JobControl, launch: Launch, job_id: str, note: Callable[[str], None]) -> HeldSubmission:
    """Compile the program and keep it waiting.

    Raises CannotHold, with the reason, where that cannot be done here; OperationFailed when the program is wrong;
    TimedOut when it does not come to an end.
    """
    process = _started(control, launch, job_id)
    try:
        _await(process, launch, "ready", "the program's job graph", _COMPILED_SECONDS, note)
    except BaseException:
        bypassed = process.says("bypassed")
        process.close()
        if bypassed:
            raise CannotHold("the program sets execution.target itself") from None
        raise
    return HeldSubmission(control, launch, job_id, process)


def _started(control: JobControl, launch: Launch, job_id: str) -> ClientProcess:
    try:
        settings = {**({} if launch.kind == "embedded" else address_settings(control)), _JOB_ID_SETTING: job_id}
        run = client_run(control, launch, TARGET, settings=settings)
        return ClientProcess(run.client, run.options)
    except FlinkopsError as problem:
        raise CannotHold(problem.what) from None


def _await(
    process: ClientProcess, launch: Launch, file: str, what: str, seconds: float, note: Callable[[str], None]
) -> None:
    own = launch.command[0] if launch.kind == "embedded" else None
    ends = time.monotonic() + seconds
    while not process.says(file):
        if process.ended and not process.says(file):
            raise OperationFailed(last_cause(process.output, own))
        if time.monotonic() > ends:
            raise TimedOut(f"{what}: not within {seconds:.0f} s")
        process.keep_output_small()
        note(f"waiting for {what}")
        time.sleep(_POLL_SECONDS)
