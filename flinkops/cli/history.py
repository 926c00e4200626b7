"""`flinkops history`: what was done."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flinkops.cli.action_options import JournalOption
from flinkops.cli.complete import complete_job
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import document_format, open_journal

if TYPE_CHECKING:
    from flinkops.act.journal import ActionRecord
    from flinkops.model.plan import Target


@with_common
def history(
    common: Common,
    job: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="Only this job's.", autocompletion=complete_job)
    ] = None,
    journal_folder: JournalOption = None,
) -> None:
    """What was done through flinkops on this machine, newest first, and how it ended."""
    journal = open_journal(journal_folder)
    records = [record for record in reversed(journal.records()) if job is None or job in _names(record.plan.target)]
    for one in journal.damage():
        common.say(f"not readable: {one}")
    if form := document_format(common):
        emit_document({"schema_version": 1, "actions": [_row(one) for one in records]}, form)
    elif common.settings.output == "name":
        emit([one.plan.id for one in records])
    else:
        emit([line for one in records for line in _lines(one)])
        if not records:
            common.say("the journal is empty")


def _names(target: "Target") -> tuple[str, ...]:
    """What a JOB argument may call it."""
    full = f"{target.namespace}/{target.job_name}" if target.namespace else target.job_name
    return (full, target.job_name, target.job_id, f"{target.source}/{target.job_name}")


def _row(record: "ActionRecord") -> dict[str, Any]:
    import msgspec

    from flinkops.clock import iso_utc

    target = record.plan.target
    return {
        "id": record.plan.id,
        "verb": record.plan.verb,
        "job": target.job_name,
        "job_id": target.job_id,
        "namespace": target.namespace,
        "source": target.source,
        "who": record.who,
        "host": record.host,
        "started_at": iso_utc(record.started_ms),
        "ended_at": iso_utc(record.ended_ms),
        "outcome": record.outcome,
        "error": record.error,
        "unfinished_step": record.unfinished_step,
        "go_on": _resume_command(record),
        "plan_hash": record.plan_hash,
        "diff": list(record.plan.diff),
        "seen": record.found.as_text(),
        "steps": [msgspec.to_builtins(step) for step in record.steps],
    }


def _lines(record: "ActionRecord") -> list[str]:
    from flinkops.clock import iso_utc

    target = record.plan.target
    outcome = record.outcome or f"unfinished, at step {record.unfinished_step or 'none'}"
    head = f"{iso_utc(record.started_ms)}  {record.plan.verb} {_names(target)[0] or target.source}: {outcome}"
    details = [f"  {record.plan.id} by {record.who} on {record.host}"]
    if (savepoint := record.found.savepoint) is not None:
        details.append(f"  savepoint {savepoint}")
    if record.error:
        details.append(f"  {record.error}")
    if command := _resume_command(record):
        details.append(f"  resume it with: {command}")
    return [head, *details]


def _resume_command(record: "ActionRecord") -> str | None:
    from flinkops.act.executor import resume_command

    return resume_command(record.plan.id) if record.resumable else None
