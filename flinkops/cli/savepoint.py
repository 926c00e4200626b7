"""`flinkops savepoint`: take, list, check and remove savepoints."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flinkops.cli.action_options import FormatOption, TargetOption
from flinkops.cli.operator_targets import targets_kubernetes
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import (
    Consent,
    JobArgument,
    JournalOption,
    OutOption,
    PlanOption,
    YesOption,
    act,
    control_of,
    emit,
    emit_document,
    job_on_cluster,
    new_stamp,
    open_journal,
    rest_targets,
)
from flinkops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flinkops.act.rest.control import RestControl
    from flinkops.act.storage import SavepointCheck
    from flinkops.model.facts import JobFacts
    from flinkops.plan.retention import KnownSavepoint

app = typer.Typer(name="savepoint", help="Take, list, check and remove savepoints.", no_args_is_help=True)


@app.command()
@with_common
def create(
    common: Common,
    job: JobArgument,
    target: TargetOption = None,
    savepoint_format: FormatOption = "canonical",
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    r"""Take a savepoint while the job goes on, and check that it is whole.

    \b
    Examples:
      flinkops savepoint create price-aggregation --yes
      flinkops savepoint create price-aggregation --target s3://bucket/sp --plan
    """
    from flinkops.plan.savepoint import plan_savepoint

    with job_on_cluster(common, job) as (control, facts):
        made = plan_savepoint(
            facts, new_stamp("savepoint-create"), target_directory=target, savepoint_format=savepoint_format
        )
        act(common, control, made, Consent(plan, out, yes), open_journal(journal))


@app.command("list")
@with_common
def list_savepoints(common: Common, job: JobArgument, journal: JournalOption = None) -> None:
    """The savepoints of a job that Flink or the journal know, newest first, and what depends on them."""
    from flinkops.act.inventory import References, savepoints_of

    with job_on_cluster(common, job) as (control, facts):
        book = open_journal(journal)
        savepoints = References(control, book).noted_on(savepoints_of(facts, book))
    if common.settings.output in ("json", "jsonl", "yaml"):
        document = {"schema_version": 1, "savepoints": [_row(one) for one in savepoints]}
        emit_document(document, common.settings.output)
    elif common.settings.output == "name":
        emit([one.path for one in savepoints])
    else:
        emit([_line(one) for one in savepoints])
        if not savepoints:
            common.say(f"no savepoint of {job} is known")


@app.command()
@with_common
def verify(
    common: Common,
    what: Annotated[str, typer.Argument(metavar="PATH|JOB", help="A savepoint, or a job: its latest one.")],
    journal: JournalOption = None,
) -> None:
    r"""Read `_metadata` and check that every file it names is there with its size.

    \b
    Exit codes: 0 whole, 1 damaged, 3 unknown (the storage is out of reach from here).
    """
    from flinkops.act.storage import check_savepoint

    check = check_savepoint(what if "/" in what else _latest_path(common, what, journal))
    if common.settings.output in ("json", "jsonl", "yaml"):
        emit_document(_check_document(check), common.settings.output)
    else:
        emit(_check_lines(check))
    codes = {"ok": ExitCode.OK, "bad": ExitCode.FAILED, "unknown": ExitCode.UNREACHABLE}
    raise typer.Exit(codes[check.verdict])


@app.command()
@with_common
def delete(
    common: Common,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The savepoint, as `savepoint list` shows it.")],
    job: Annotated[
        str | None, typer.Option("--job", metavar="JOB", help="Operator: the job whose Flink cluster removes it.")
    ] = None,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Remove a savepoint through Flink; never one that something depends on, or may depend on."""
    from flinkops.act.inventory import References
    from flinkops.plan.savepoint import plan_delete

    book = open_journal(journal)
    if targets_kubernetes(common) and job is None:
        raise UsageError("which job's Flink cluster shall remove it?", next_step="give --job JOB")
    with _remover(common, job) as (control, facts):
        refused = References(control, book).to(path)
        made = plan_delete(facts, control.name, [path], new_stamp("savepoint-delete"), refused=refused)
        act(common, control, made, Consent(plan, out, yes), book)


@app.command()
@with_common
def prune(
    common: Common,
    job: JobArgument,
    keep: Annotated[int, typer.Option("--keep", metavar="N", help="How many of the newest stay.")],
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Remove all but the newest savepoints of a job; those that something depends on stay too."""
    from flinkops.act.inventory import References, savepoints_of
    from flinkops.plan.retention import prunable
    from flinkops.plan.savepoint import plan_delete

    book = open_journal(journal)
    with job_on_cluster(common, job) as (control, facts):
        gone, kept = prunable(References(control, book).noted_on(savepoints_of(facts, book)), keep)
        if not gone:
            common.say(f"nothing to remove: {len(kept)} savepoints of {job} are known, all stay")
            raise typer.Exit(ExitCode.OK)
        made = plan_delete(
            facts,
            control.name,
            [one.path for one in gone],
            new_stamp("savepoint-delete"),
            kept=[one.path for one in kept],
        )
        act(common, control, made, Consent(plan, out, yes), book)


@contextmanager
def _remover(common: Common, job: str | None) -> "Iterator[tuple[RestControl, JobFacts | None]]":
    """The Flink cluster that removes savepoints: that of the job, else the only one."""
    if job is not None:
        with job_on_cluster(common, job) as found:
            yield found
        return
    endpoints = rest_targets(common)
    if len(endpoints) != 1:
        raise UsageError("several clusters are named", next_step="give the one --rest URL that shall remove it")
    with control_of(endpoints[0]) as control:
        yield control, None


def _latest_path(common: Common, job: str, journal: Any) -> str:
    from flinkops.act.inventory import savepoints_of

    with job_on_cluster(common, job) as (_control, facts):
        latest = next(iter(savepoints_of(facts, open_journal(journal))), None)
    if latest is None:
        raise UsageError(f"no savepoint of {job} is known", next_step=f"flinkops savepoint create {job}")
    return latest.path


def _row(savepoint: "KnownSavepoint") -> dict[str, Any]:
    from flinkops.clock import iso_utc

    return {
        "path": savepoint.path,
        "taken_at": iso_utc(savepoint.taken_ms),
        "job": savepoint.job_name,
        "job_id": savepoint.job_id,
        "size_bytes": savepoint.size_bytes,
        "in_use": savepoint.in_use,
        "known_from": savepoint.known_from,
    }


def _line(savepoint: "KnownSavepoint") -> str:
    from flinkops.clock import iso_utc
    from flinkops.model.quantities import human_bytes

    used = f"  ({savepoint.in_use})" if savepoint.in_use else ""
    return f"{iso_utc(savepoint.taken_ms)}  {human_bytes(savepoint.size_bytes):>8}  {savepoint.path}{used}"


def _check_document(check: "SavepointCheck") -> dict[str, Any]:
    import msgspec

    found = check.metadata
    return {
        "schema_version": 1,
        "path": check.path,
        "verdict": check.verdict,
        "why": check.why,
        "problems": list(check.problems),
        "total_bytes": check.total_bytes,
        "metadata_version": found.version if found else None,
        "checkpoint_id": found.checkpoint_id if found else None,
        "files": len(found.files) if found else None,
        "operators": [msgspec.to_builtins(one) for one in found.operators] if found else None,
    }


def _check_lines(check: "SavepointCheck") -> list[str]:
    lines = [f"{check.verdict}: {check.why}", f"  {check.path}"]
    if check.metadata is not None:
        lines.append(f"  checkpoint {check.metadata.checkpoint_id}, metadata version {check.metadata.version}")
        for operator in check.metadata.operators:
            name = operator.name or operator.uid or operator.operator_id
            lines.append(f"  {name}: parallelism {operator.parallelism} of at most {operator.max_parallelism}")
    return lines + [f"  {problem}" for problem in check.problems]
