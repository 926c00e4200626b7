"""Steps before the stop: the rehearsal, and the submission that is compiled and held."""

from functools import partial
from typing import Any

from flinkops.act.control import JarRun
from flinkops.act.rest.held import CannotHold, hold
from flinkops.act.rest.launching import with_uploaded
from flinkops.act.rest.outcomes import LaunchCompiled, Rehearsed
from flinkops.act.rest.rehearsing import Asked, rehearse
from flinkops.act.running import StepKind, StepRun
from flinkops.errors import OperationFailed, Refused
from flinkops.model.launch import Launch
from flinkops.model.rehearsal import Rehearsal
from flinkops.plan.rehearsal import refusal
from flinkops.plan.step_inputs import CompileLaunch, RehearseLaunch

_SAVEPOINT_SECONDS = 300.0


def rehearse_launch(run: StepRun, given: RehearseLaunch) -> Rehearsed:
    """Restore the newest state into the new program. Refused where that fails or loses what nobody has accepted."""
    job = run.until("polling the job", lambda: run.control.job(run.job_id))
    directory = given.savepoint_directory
    take_savepoint = partial(savepoint_to_rehearse, run, directory, given.trigger_id) if directory else None
    asked = Asked(run.note, given.against, given.flink_home, given.sample, take_savepoint)
    found = rehearse(run.control, job, given.launch, given.old, asked)
    why = refusal(found, given.accepted)
    if why is None and found.job_number:
        why = (
            f"the state belongs to the job number {found.job_number + 1} that the program submits, and a submission "
            f"gives the savepoint to the first: {found.other_jobs[0]}; make it a program of its own"
        )
    return rehearsed(run, found, why)


def rehearsed(run: StepRun, found: Rehearsal, why_refused: str | None) -> Rehearsed:
    """What the journal keeps of it, also where it is refused. Raises Refused then."""
    told = "; ".join((*found.risks, *found.outside)) or None
    seen = Rehearsed(found.verdict, found.cause, found.against or None, found.restore_seconds, told)
    if why_refused is not None:
        run.keep(seen)
        raise Refused(why_refused)
    return seen


def savepoint_to_rehearse(run: StepRun, directory: str, trigger_id: str) -> str:
    """One of ours, which stays: there was no checkpoint that could be read."""
    run.control.trigger_savepoint(
        run.job_id, target_directory=directory, savepoint_format="canonical", trigger_id=trigger_id
    )

    def ask() -> str | None:
        outcome = run.control.savepoint_status(run.job_id, trigger_id)
        if outcome is not None and outcome.failure:
            raise OperationFailed(f"no savepoint to rehearse with: {outcome.failure}")
        return outcome.location if outcome is not None and outcome.done else None

    return run.until("waiting for a savepoint to rehearse with", ask, within_seconds=_SAVEPOINT_SECONDS)


def compile_launch(run: StepRun, given: CompileLaunch) -> LaunchCompiled:
    """The new program's job graph, while the old one runs; where a client submits it, it waits there."""
    launch = with_uploaded(given.launch, run.findings)
    if launch.kind == "jar":
        return _compile_on_cluster(run, launch)
    try:
        held = hold(run.control, launch, given.job_id, run.note)
    except CannotHold as problem:
        return LaunchCompiled(f"not before the stop: {problem.what}")
    run.beside.keep(given.job_id, held)
    return LaunchCompiled("in a client here, which waits for the savepoint")


def _compile_on_cluster(run: StepRun, launch: Launch) -> LaunchCompiled:
    jar = JarRun(launch.jar_id or "", launch.entry_class, launch.command)

    def compile_it() -> LaunchCompiled:
        run.control.compile_jar(jar, parallelism=launch.parallelism, settings=dict(launch.settings))
        return LaunchCompiled("on the cluster")

    return run.until("letting the cluster build the job graph", compile_it)


REHEARSAL_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(RehearseLaunch, Rehearsed, rehearse_launch, keeps=(Rehearsed,)),
    StepKind(CompileLaunch, LaunchCompiled, compile_launch),
)
