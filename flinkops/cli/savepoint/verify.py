"""`flinkops savepoint verify`."""

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flinkops.cli.action_options import JournalOption
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document, is_terminal
from flinkops.cli.run_action import backend, document_format, open_journal
from flinkops.errors import ExitCode, UsageError
from flinkops.outside.shell import shell_command

if TYPE_CHECKING:
    from flinkops.act.savepoint_check import Progress, SavepointCheck


@with_common
def verify(
    common: Common,
    what: Annotated[str, typer.Argument(metavar="PATH|JOB", help="A savepoint, or a job: its latest one.")],
    journal_folder: JournalOption = None,
) -> None:
    r"""Read `_metadata` and check that every file it names is there with its size.

    \b
    Exit codes: 0 whole, 1 damaged, 3 unknown (the storage is out of reach from here).
    """
    from flinkops.act.savepoint_check import check_savepoint
    from flinkops.sources.storage.stores import Stores

    path = what if "/" in what else latest_path(common, what, journal_folder)
    with closing(Stores(common.settings.storage)) as stores:
        check = check_savepoint(path, stores, _progress(common))
    if form := document_format(common):
        emit_document(_check_document(check), form)
    else:
        emit(_check_lines(check))
        if check.next_step:
            common.say(check.next_step)
    codes = {"ok": ExitCode.OK, "bad": ExitCode.FAILED, "unknown": ExitCode.UNREACHABLE}
    raise typer.Exit(codes[check.verdict])


def _progress(common: Common) -> "Progress":
    """A line now and then for a person who waits; nothing where stderr is no terminal."""
    if common.quiet or not is_terminal(sys.stderr):
        return lambda _done, _of: None
    return lambda done, of: common.say(f"{done} of {of} files")


def latest_path(common: Common, job: str, journal_folder: Path | None) -> str:
    """The newest savepoint of a job that Flink or the journal know. Raises UsageError when there is none."""
    from flinkops.act.inventory import savepoints_of

    with backend(common).reach(job) as handle:
        latest = next(iter(savepoints_of(handle.measured(), open_journal(journal_folder))), None)
    if latest is None:
        raise UsageError(
            f"no savepoint of {job} is known", next_step=shell_command("flinkops", "savepoint", "create", job)
        )
    return latest.path


def _check_document(check: "SavepointCheck") -> dict[str, Any]:
    import msgspec

    found = check.metadata
    return {
        "schema_version": 1,
        "path": check.path,
        "verdict": check.verdict,
        "why": check.why,
        "next_step": check.next_step,
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
