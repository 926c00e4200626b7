"""Plans around savepoints: taking one, and disposing of old ones."""

from collections.abc import Iterator, Mapping, Sequence

from flinkops.model.address import split_url
from flinkops.model.facts import JobFacts, SnapshotFacts
from flinkops.model.option_names import SAVEPOINT_DIRECTORY
from flinkops.model.places import DEFAULT_SCHEME_KEY, qualified
from flinkops.model.plan import Plan, Step, Target
from flinkops.model.savepoint import SavepointFormat
from flinkops.plan.identity import Stamp, derived_id
from flinkops.plan.preconditions import JobInState, NoSavepointInProgress, SameJob, unmet
from flinkops.plan.step_inputs import (
    AwaitSavepoint,
    DisposeSavepoint,
    RemoveSnapshot,
    TriggerSavepoint,
    VerifySavepoint,
)


def target_of(job: JobFacts) -> Target:
    """The job as a plan names it."""
    return Target(
        source=job.cluster,
        job_name=job.name,
        job_id=job.id,
        namespace=job.namespace,
        kind=job.kind,
        resource_version=job.resource.resource_version if job.resource else None,
    )


def savepoint_directory(job: JobFacts, requested: str | None) -> str | None:
    """Where savepoints of this job go: as asked, else as the cluster is configured, else nowhere."""
    if requested:
        return requested
    directory = next((job.configuration[key] for key in SAVEPOINT_DIRECTORY if job.configuration.get(key)), None)
    return None if directory is None else qualified(directory, job.configuration.get(DEFAULT_SCHEME_KEY))


def directory_problem(directory: str | None) -> str | None:
    """Why savepoints cannot go there; None when nothing speaks against it from here."""
    if directory is None:
        return f"no savepoint directory is known: give --target DIR or set {SAVEPOINT_DIRECTORY[0]}"
    if not directory.isprintable() or directory != directory.strip():
        return "the savepoint directory has characters that no path should have"
    scheme = split_url(directory).scheme
    if not scheme and not directory.startswith("/"):
        return f"{directory} is a relative path: give an absolute one or a URI such as s3://bucket/savepoints"
    return None


def plan_savepoint(
    job: JobFacts,
    stamp: Stamp,
    *,
    target_directory: str | None = None,
    savepoint_format: SavepointFormat = "canonical",
) -> Plan:
    """Take a savepoint while the job runs on."""
    preconditions = (SameJob(job.id), JobInState("RUNNING"), NoSavepointInProgress())
    directory = savepoint_directory(job, target_directory)
    refused = unmet(preconditions, job)
    if (problem := directory_problem(directory)) is not None:
        refused = (*refused, problem)
    steps: tuple[Step, ...] = ()
    if directory is not None and not refused:
        steps = savepoint_steps(stamp.plan_id, directory, savepoint_format)
    return Plan(
        id=stamp.plan_id,
        verb="savepoint-create",
        target=target_of(job),
        created_ms=stamp.now_ms,
        change="none",
        diff=(f"+ savepoint ({savepoint_format}) in {directory}",) if steps else (),
        requested_mode="savepoint",
        effective_mode="savepoint" if steps else "fail",
        why=_why(job, target_directory) if steps else (),
        risks=_risks(job, directory, savepoint_format),
        refused=refused,
        preconditions=preconditions,
        steps=steps,
        command=stamp.command,
    )


def savepoint_steps(plan_id: str, directory: str, savepoint_format: SavepointFormat) -> tuple[Step, ...]:
    """Trigger, wait, verify the result. The trigger's id is ours, so that a repeated trigger is the same one."""
    trigger_id = derived_id(plan_id, "savepoint")
    return (
        Step("trigger", TriggerSavepoint(directory, savepoint_format, trigger_id)),
        Step("await", AwaitSavepoint(trigger_id)),
        Step("verify", VerifySavepoint()),
    )


def plan_delete(
    job: JobFacts | None,
    source: str,
    paths: Sequence[str],
    stamp: Stamp,
    *,
    kept: Sequence[str] = (),
    refused: Sequence[str] = (),
    snapshots: Mapping[str, Sequence[SnapshotFacts]] | None = None,
) -> Plan:
    """Dispose of savepoints through Flink, which removes the files that they own. Cannot be undone.

    `refused` are reasons found outside (who uses a path is not a fact of one job); `kept` is only shown. `snapshots`
    are the FlinkStateSnapshots that name each path: they go with it.
    """
    named = snapshots or {}
    refused = (*refused, *_undisposable(job, named))
    target = target_of(job) if job else Target(source=source, job_name="", job_id="")
    steps = tuple(
        step for number, path in enumerate(paths, start=1) for step in _removal(f"delete-{number}", path, named)
    )
    return Plan(
        id=stamp.plan_id,
        verb="savepoint-delete",
        target=target,
        created_ms=stamp.now_ms,
        diff=(*(f"- {path}" for path in paths), *(f"  {path} (kept)" for path in kept)),
        requested_mode="delete",
        effective_mode="fail" if refused else "delete",
        risks=("a savepoint that was disposed of cannot be brought back",) if paths else (),
        refused=tuple(refused),
        steps=() if refused else steps,
        severe=True,
        command=stamp.command,
    )


def _removal(name: str, path: str, snapshots: Mapping[str, Sequence[SnapshotFacts]]) -> Iterator[Step]:
    """By the resource that disposes of it where there is one, else by Flink; no resource is left that names it."""
    of_path = sorted(snapshots.get(path, ()), key=lambda one: not _disposes(one))
    if not any(map(_disposes, of_path)):
        yield Step(name, DisposeSavepoint(path))
    for number, one in enumerate(of_path):
        disposes = number == 0 and _disposes(one)
        yield Step(name if disposes else f"{name}-{one.name}", RemoveSnapshot(one.name, path, disposes))


def _disposes(snapshot: SnapshotFacts) -> bool:
    """As ``StateSnapshotReconciler.cleanup`` of the operator does when the resource is deleted."""
    return snapshot.dispose_on_delete and snapshot.kind == "savepoint" and snapshot.state == "COMPLETED"


def _undisposable(job: JobFacts | None, snapshots: Mapping[str, Sequence[SnapshotFacts]]) -> list[str]:
    if job is None or job.state == "RUNNING":
        return []
    held = [one.name for of_path in snapshots.values() for one in of_path if _disposes(one)]
    return [
        f"FlinkStateSnapshot {name}: the operator disposes of its savepoint only while the job runs" for name in held
    ]


def _why(job: JobFacts, requested: str | None) -> tuple[str, ...]:
    source = "as asked" if requested else "as the cluster is configured"
    duration = job.checkpoints.duration_p99_seconds if job.checkpoints else None
    hint = () if duration is None else (f"checkpoints of this job take {duration:.1f} s (p99)",)
    return (f"the directory is {source}", *hint)


def _risks(job: JobFacts, directory: str | None, savepoint_format: SavepointFormat) -> tuple[str, ...]:
    risks = []
    if directory is not None and split_url(directory).scheme in ("", "file"):
        risks.append("a local path is right only where JobManager and TaskManagers share that folder")
    if savepoint_format == "native":
        risks.append("a native savepoint restores only into the same state backend")
    backpressured = max(
        (vertex.backpressured_ratio.max or 0.0 for vertex in job.vertices if vertex.backpressured_ratio), default=0.0
    )
    if backpressured > 0.5:
        risks.append(f"the job is backpressured ({backpressured:.0%}): a savepoint waits for its aligned barriers")
    return tuple(risks)
