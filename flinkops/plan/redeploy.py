"""Upgrade, suspend, resume, restart and rollback on a plain REST cluster, where no operator submits the job again.

The savepoint that counts is the one that stops the job; the old job comes back from it when the new one is bad.
"""

from collections.abc import Sequence
from typing import Literal

from flinkops.model.facts import ClusterFacts, JobFacts
from flinkops.model.launch import Launch, dropping
from flinkops.model.plan import Plan, Step
from flinkops.model.request import Terms
from flinkops.plan.identity import Stamp, derived_id
from flinkops.plan.launch_change import change_class, launch_changes
from flinkops.plan.launch_effect import effect_step, overrides_risk, overrides_step
from flinkops.plan.preconditions import JobInState, NoSavepointInProgress, SameJob, unmet
from flinkops.plan.rehearsal_size import estimate, newest_state_bytes
from flinkops.plan.rescale import slots_problem
from flinkops.plan.savepoint import directory_problem, savepoint_directory, target_of
from flinkops.plan.step_inputs import (
    AwaitEnd,
    AwaitSavepoint,
    CancelJob,
    CheckFiles,
    CompileLaunch,
    MeasureLoad,
    PrepareLaunch,
    RehearseLaunch,
    StopWithSavepoint,
    SubmitJob,
    VerifyFlow,
    VerifyRestored,
    VerifyStable,
)
from flinkops.plan.transactions import committing_sinks, is_checkpoint, transaction_risks

RedeployVerb = Literal["upgrade", "restart", "rollback"]

UNKNOWN_LAUNCH = (
    "how this job was submitted is not known: say it with --jar ID [--entry-class C] or --py FILE, with its --arg"
)

_NO_ROLLBACK = "how the running job was submitted is not known: if the new one is bad, the old one stays stopped"
_ROLLBACK = "the new job is cancelled, the old one submitted as it was, from the same savepoint"


def plan_redeploy(
    verb: RedeployVerb,
    job: JobFacts,
    old: Launch | None,
    new: Launch | None,
    cluster: ClusterFacts,
    stamp: Stamp,
    terms: Terms,
) -> Plan:
    """Stop with a savepoint, submit again from it, see it work; else bring the old one back from it.

    `old` None: how the running job was submitted is not known, so that it could not be brought back by itself.
    """
    preconditions = (SameJob(job.id), JobInState("RUNNING"), NoSavepointInProgress())
    directory = savepoint_directory(job, terms.target_directory)
    changes = launch_changes(job, old, new)
    refused = (*unmet(preconditions, job), *_refusals(job, old, new, cluster, directory))
    if verb == "upgrade" and not changes and not refused:
        refused = ("nothing would change: `flinkops restart` restarts it as it is",)
    steps = () if refused else _redeploy_steps(job, old, new, cluster, directory, stamp, terms)
    rollback_steps = _rollback_steps(stamp.plan_id, old, terms, job, cluster) if steps and old else ()
    return Plan(
        id=stamp.plan_id,
        verb=verb,
        target=target_of(job),
        created_ms=stamp.now_ms,
        change=change_class(changes),
        diff=tuple(change.line() for change in changes),
        requested_mode="savepoint",
        effective_mode="savepoint" if steps else "fail",
        why=(*_rehearsed(job, terms), "the job stops with a savepoint and starts from just that one") if steps else (),
        risks=_redeploy_risks(verb, job, old, new, cluster, terms),
        refused=refused,
        preconditions=preconditions,
        steps=steps,
        rollback=(_ROLLBACK,) if rollback_steps else (),
        rollback_steps=rollback_steps,
        severe=old is None,
        command=stamp.command,
    )


def _redeploy_risks(
    verb: RedeployVerb, job: JobFacts, old: Launch | None, new: Launch | None, cluster: ClusterFacts, terms: Terms
) -> tuple[str, ...]:
    return (
        *_risks(job, terms),
        *_unrehearsed(verb, job, terms),
        *overrides_risk(job, new, cluster),
        *(() if old else (_NO_ROLLBACK,)),
    )


def _rehearsal_steps(plan_id: str, old: Launch | None, new: Launch, directory: str, terms: Terms) -> tuple[Step, ...]:
    if not terms.rehearse:
        return ()
    given = RehearseLaunch(
        new,
        old,
        accepted=terms.accept_loss,
        flink_home=terms.flink_home,
        savepoint_directory=directory,
        trigger_id=derived_id(plan_id, "rehearsal"),
        sample=terms.sample,
    )
    return (Step("rehearse", given, only_reads=True),)


def _redeploy_steps(
    job: JobFacts,
    old: Launch | None,
    new: Launch | None,
    cluster: ClusterFacts,
    directory: str | None,
    stamp: Stamp,
    terms: Terms,
) -> tuple[Step, ...]:
    if new is None or directory is None:
        return ()
    plan_id = stamp.plan_id
    tried = dropping(new) if terms.accept_loss else new
    return (
        Step("prepare", PrepareLaunch(new), only_reads=True),
        *_rehearsal_steps(plan_id, old, tried, directory, terms),
        Step("measure", MeasureLoad(), only_reads=True),
        Step("compile", CompileLaunch(derived_id(plan_id, "job"), tried), only_reads=True),
        *stop_steps(plan_id, directory, terms),
        *_start_steps(
            *("", plan_id, "job", new, terms, overrides_step("", job, new, cluster)),
            drops_state=bool(terms.accept_loss),
        ),
        *effect_step("", job, old, new),
    )


def plan_suspend(job: JobFacts, launch: Launch | None, stamp: Stamp, terms: Terms) -> Plan:
    """Stop with a savepoint, to be resumed from it."""
    preconditions = (SameJob(job.id), JobInState("RUNNING"), NoSavepointInProgress())
    directory = savepoint_directory(job, terms.target_directory)
    refused = list(unmet(preconditions, job))
    if (problem := directory_problem(directory)) is not None:
        refused.append(problem)
    forgotten = () if launch else ("how it was submitted is not known: resume will have to be told",)
    return Plan(
        id=stamp.plan_id,
        verb="suspend",
        target=target_of(job),
        created_ms=stamp.now_ms,
        diff=(f"{job.name}: RUNNING -> stopped with a savepoint in {directory}",) if not refused else (),
        requested_mode="savepoint",
        effective_mode="fail" if refused else "savepoint",
        risks=(*_risks(job, terms), *forgotten),
        refused=tuple(refused),
        preconditions=preconditions,
        steps=stop_steps(stamp.plan_id, directory, terms) if directory and not refused else (),
        command=stamp.command,
    )


def plan_resume(
    job: JobFacts,
    launch: Launch | None,
    savepoint: str | None,
    cluster: ClusterFacts,
    stamp: Stamp,
    terms: Terms,
    *,
    running: Sequence[JobFacts] = (),
    old: Launch | None = None,
) -> Plan:
    """Start a stopped job from its latest savepoint. `running` are live jobs of the same name, `old` is how it ran."""
    refused = _resume_refusals(job, launch, savepoint, running)
    steps: tuple[Step, ...] = ()
    if not refused and launch is not None and savepoint is not None:
        steps = (
            Step("prepare", PrepareLaunch(launch), only_reads=True),
            Step("check", CheckFiles(savepoint)),
            *_start_steps("", stamp.plan_id, "job", launch, terms, overrides_step("", job, launch, cluster)),
            *(effect_step("", job, old, launch) if old is not None else ()),
        )
    return Plan(
        id=stamp.plan_id,
        verb="resume",
        target=target_of(job),
        created_ms=stamp.now_ms,
        diff=(f"{job.name}: stopped -> RUNNING from {savepoint}",) if steps else (),
        requested_mode="savepoint",
        effective_mode="savepoint" if steps else "fail",
        risks=_open_transactions(job, savepoint, stamp),
        refused=(*refused, *slots_problem(job, cluster, (launch.parallelism if launch else None) or 1)),
        preconditions=(SameJob(job.id),),
        steps=steps,
        command=stamp.command,
    )


def _resume_refusals(
    job: JobFacts, launch: Launch | None, savepoint: str | None, running: Sequence[JobFacts]
) -> list[str]:
    refused = []
    if job.ended_ms is None or running:
        refused.append(f"job {job.name} is {running[0].state if running else job.state}: it has not been stopped")
    if launch is None:
        refused.append(UNKNOWN_LAUNCH)
    if savepoint is None:
        refused.append("no savepoint of it is known: it would start with empty state")
    return refused


def stop_steps(plan_id: str, directory: str, terms: Terms) -> tuple[Step, ...]:
    """Stop with a savepoint, wait until the job has ended, check the savepoint's files."""
    trigger_id = derived_id(plan_id, "savepoint")
    return (
        Step("stop", StopWithSavepoint(directory, terms.savepoint_format, trigger_id)),
        Step("savepoint", AwaitSavepoint(trigger_id)),
        Step("stopped", AwaitEnd()),
        Step("check", CheckFiles()),
    )


def _rollback_steps(plan_id: str, old: Launch, terms: Terms, job: JobFacts, cluster: ClusterFacts) -> tuple[Step, ...]:
    cancel = Step("stop-new", CancelJob(derived_id(plan_id, "job")))
    return (cancel, *_start_steps("old-", plan_id, "old job", old, terms, overrides_step("old-", job, old, cluster)))


def _start_steps(
    prefix: str,
    plan_id: str,
    purpose: str,
    launch: Launch,
    terms: Terms,
    overrides: tuple[Step, ...],
    *,
    drops_state: bool = False,
) -> tuple[Step, ...]:
    job_id = derived_id(plan_id, purpose)
    return (
        Step(f"{prefix}submit", SubmitJob(job_id, launch, drops_state)),
        Step(f"{prefix}running", VerifyRestored(job_id)),
        *overrides,
        Step(f"{prefix}stable", VerifyStable(terms.checkpoints)),
        Step(f"{prefix}flow", VerifyFlow()),
    )


def _refusals(
    job: JobFacts, old: Launch | None, new: Launch | None, cluster: ClusterFacts, directory: str | None
) -> list[str]:
    refused = []
    if new is None:
        refused.append(UNKNOWN_LAUNCH)
    if (problem := directory_problem(directory)) is not None:
        refused.append(problem)
    if job.checkpoints is not None and not job.checkpoints.enabled:
        refused.append("the job takes no checkpoints, so that nothing would tell whether the new one works")
    needed = new.parallelism if new else None
    if needed is not None:
        refused += slots_problem(job, cluster, needed)
        refused += [
            f"{vertex.name} can have at most {vertex.max_parallelism}, and its state keeps that"
            for vertex in job.vertices
            if vertex.max_parallelism is not None and 1 < vertex.max_parallelism < needed
        ]
    return refused


def _open_transactions(job: JobFacts, path: str | None, stamp: Stamp) -> tuple[str, ...]:
    """Of a resume: from a checkpoint it finds transactions that nobody has committed."""
    if path is None or job.ended_ms is None:
        return ()
    down_seconds = max(0.0, (stamp.now_ms - job.ended_ms) / 1000)
    return transaction_risks(
        committing_sinks(job.vertices),
        job.configuration,
        down_seconds=down_seconds,
        from_savepoint=not is_checkpoint(path),
    )


def _risks(job: JobFacts, terms: Terms) -> tuple[str, ...]:
    risks = ["the job does not process anything between its stop and its start"]
    facts = job.checkpoints
    p99, limit = (facts.duration_p99_seconds, facts.timeout_seconds) if facts else (None, None)
    if p99 is not None and limit is not None and p99 > 0.8 * limit:
        risks.append("checkpoints take nearly as long as they may: the savepoint may run out of time")
    if terms.savepoint_format == "native":
        risks.append("a native savepoint restores only into the same state backend")
    return tuple(risks)


def _rehearsed(job: JobFacts, terms: Terms) -> tuple[str, ...]:
    if not terms.rehearse:
        return ()
    what = "before the stop its newest state is restored into the new program here, sources and sinks replaced"
    takes = estimate(newest_state_bytes(job), sample=terms.sample)
    return (f"{what}: {takes}; the program's main runs on this machine",)


def _unrehearsed(verb: RedeployVerb, job: JobFacts, terms: Terms) -> tuple[str, ...]:
    """An offer: only a changed program can fail to read the state."""
    if terms.rehearse or verb != "upgrade":
        return ()
    takes = estimate(newest_state_bytes(job))
    return (f"whether the new program can read the state shows after the stop; --rehearse tries it before: {takes}",)
