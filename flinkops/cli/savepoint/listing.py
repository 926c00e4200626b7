"""`flinkops savepoint list`."""

from typing import TYPE_CHECKING, Any

from flinkops.cli.action_options import JobArgument, JournalOption
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import backend, document_format, open_journal

if TYPE_CHECKING:
    from flinkops.plan.retention import KnownSavepoint


@with_common
def list_savepoints(common: Common, job: JobArgument, journal_folder: JournalOption = None) -> None:
    """The savepoints of a job that Flink, its operator or the journal know, newest first, and their users."""
    from flinkops.act.inventory import References, savepoints_of

    journal = open_journal(journal_folder)
    with backend(common).reach(job) as handle:
        snapshots = handle.control.snapshots()
        known = savepoints_of(handle.measured(), journal, snapshots)
        savepoints = References(handle.control, journal).noted_on(known)
    if form := document_format(common):
        unknown = {} if snapshots.unknown is None else {"snapshots": snapshots.unknown}
        rows = [_row(one) for one in savepoints]
        emit_document({"schema_version": 1, "savepoints": rows, "unknown": unknown}, form)
    elif common.settings.output == "name":
        emit([one.path for one in savepoints])
    else:
        emit([_line(one) for one in savepoints])
        if snapshots.unknown is not None:
            common.say(f"FlinkStateSnapshots are not known: {snapshots.unknown}")
        if not savepoints:
            common.say(f"no savepoint of {job} is known")


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
        "snapshot": savepoint.snapshot,
    }


def _line(savepoint: "KnownSavepoint") -> str:
    from flinkops.clock import iso_utc
    from flinkops.model.quantities import human_bytes

    used = f"  ({savepoint.in_use})" if savepoint.in_use else ""
    named = f"  [{savepoint.snapshot}]" if savepoint.snapshot else ""
    taken = iso_utc(savepoint.taken_ms) or "time unknown"
    return f"{taken:24}  {human_bytes(savepoint.size_bytes):>8}  {savepoint.path}{named}{used}"
