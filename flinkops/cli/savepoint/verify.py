"""`flinkops savepoint verify`."""

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from flinkops.cli.action_options import JournalOption
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document, is_terminal
from flinkops.cli.run_action import backend, document_format, open_journal
from flinkops.cli.savepoint.via import PodImageOption, Via, ViaOption, document_from_cluster
from flinkops.errors import ExitCode, OperationFailed, UsageError
from flinkops.outside.shell import shell_command

if TYPE_CHECKING:
    from flinkops.act.savepoint_check import Progress, SavepointCheck


@with_common
def verify(
    common: Common,
    what: Annotated[str, typer.Argument(metavar="PATH|JOB", help="A savepoint, or a job: its latest one.")],
    via: ViaOption = Via.LOCAL,
    job: Annotated[
        str | None,
        typer.Option("--job", metavar="JOB", help="With --via cluster: the job beside which a path is read."),
    ] = None,
    pod_image: PodImageOption = None,
    journal_folder: JournalOption = None,
) -> None:
    r"""Read `_metadata` and check that every file it names is there with its size.

    \b
    Exit codes: 0 whole, 1 damaged, 3 unknown (the storage is out of reach from here).
    """
    path = what if "/" in what else latest_path(common, what, journal_folder)
    if via is Via.CLUSTER:
        code, document = document_from_cluster(common, "verify", path, job_of(what, job), pod_image)
        shown = shown_check(document)
    else:
        shown = _checked(common, path)
        code = {"ok": ExitCode.OK, "bad": ExitCode.FAILED, "unknown": ExitCode.UNREACHABLE}[shown.verdict]
    if form := document_format(common):
        emit_document(msgspec.to_builtins(shown), form)
    else:
        emit(_check_lines(shown))
        if shown.next_step:
            common.say(shown.next_step)
    raise typer.Exit(code)


def _checked(common: Common, path: str) -> "ShownCheck":
    from flinkops.act.savepoint_check import check_savepoint
    from flinkops.sources.storage.stores import Stores

    with closing(Stores(common.settings.storage)) as stores:
        return _shown(check_savepoint(path, stores, _progress(common)))


def job_of(what: str, job: str | None) -> str:
    """The job beside which storage is asked. Raises UsageError for a path by itself."""
    named = job or ("" if "/" in what else what)
    if not named:
        raise UsageError("--via cluster needs --job: the pod runs beside it, with its account")
    return named


def _progress(common: Common) -> "Progress":
    """A line now and then for a person who waits; nothing where stderr is no terminal."""
    if common.quiet or not is_terminal(sys.stderr):
        return lambda _done, _of: None
    return lambda done, of: common.say(f"{done} of {of} files")


def latest_path(common: Common, job: str, journal_folder: Path | None) -> str:
    """The newest savepoint of a job that Flink, its operator or the journal know. Raises UsageError without one."""
    from flinkops.act.inventory import savepoints_of

    with backend(common).reach(job) as handle:
        known = savepoints_of(handle.measured(), open_journal(journal_folder), handle.control.snapshots())
    latest = next(iter(known), None)
    if latest is None:
        raise UsageError(
            f"no savepoint of {job} is known", next_step=shell_command("flinkops", "savepoint", "create", job)
        )
    return latest.path


class ShownCheck(msgspec.Struct, frozen=True):
    """What is shown of a check, here or in a pod."""

    schema_version: int
    path: str
    verdict: Literal["ok", "bad", "unknown"]
    why: str
    next_step: str | None
    problems: tuple[str, ...]
    total_bytes: int | None
    metadata_version: int | None
    checkpoint_id: int | None
    files: int | None
    operators: tuple[dict[str, Any], ...] | None


def shown_check(document: Mapping[str, Any]) -> ShownCheck:
    """That of a pod. Raises OperationFailed for what is none: the pod's flinkops is another version."""
    try:
        return msgspec.convert(document, ShownCheck)
    except msgspec.ValidationError as problem:
        raise OperationFailed(f"the flinkops of the pod answers in another way: {problem}") from None


def _shown(check: "SavepointCheck") -> ShownCheck:
    found = check.metadata
    return ShownCheck(
        schema_version=1,
        path=check.path,
        verdict=check.verdict,
        why=check.why,
        next_step=check.next_step,
        problems=tuple(check.problems),
        total_bytes=check.total_bytes,
        metadata_version=found.version if found else None,
        checkpoint_id=found.checkpoint_id if found else None,
        files=len(found.files) if found else None,
        operators=tuple(msgspec.to_builtins(one) for one in found.operators) if found else None,
    )


def _check_lines(check: ShownCheck) -> list[str]:
    lines = [f"{check.verdict}: {check.why}", f"  {check.path}"]
    if check.checkpoint_id is not None:
        lines.append(f"  checkpoint {check.checkpoint_id}, metadata version {check.metadata_version}")
    for operator in check.operators or ():
        name = operator.get("name") or operator.get("uid") or operator.get("operator_id")
        lines.append(
            f"  {name}: parallelism {operator.get('parallelism')} of at most {operator.get('max_parallelism')}"
        )
    return lines + [f"  {problem}" for problem in check.problems]
