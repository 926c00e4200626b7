"""Actions that stopped in the middle: resuming them, or giving them up."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flinkops.cli.options import Common
from flinkops.cli.run_action import executor, exit_code, open_journal, report
from flinkops.errors import Refused, UsageError

if TYPE_CHECKING:
    from flinkops.act.control import PlaceControl
    from flinkops.act.journal import ActionRecord, Journal
    from flinkops.model.plan import Plan


def resume_action(common: Common, plan_id: str | None, journal_folder: Path | None) -> None:
    """Resume an unfinished action, whatever its verb; ends the process with the outcome's exit code."""
    journal = open_journal(journal_folder)
    plan = _unfinished(journal, plan_id).plan
    if plan.verb == "storage-delete":  # what nobody referred to then may be in use by now
        raise Refused("a deletion is not resumed", next_step="flinkops storage orphans --delete finds what is left")
    with _control(common, plan) as control:
        result = executor(common, control, journal).resume(plan.id)
    report(common, plan, result)
    raise typer.Exit(exit_code(result))


def abandon_action(common: Common, plan_id: str | None, journal_folder: Path | None) -> None:
    """Give an unfinished action up."""
    journal = open_journal(journal_folder)
    plan = _unfinished(journal, plan_id).plan
    with _control(common, plan) as control:
        executor(common, control, journal).abandon(plan.id)
    common.say(f"{plan.id} is abandoned; the job is as it was left")


def _control(common: Common, plan: "Plan") -> "AbstractContextManager[PlaceControl]":
    """Of the place that the plan is about."""
    from flinkops.act.backends import backend_of_plan
    from flinkops.act.storage_control import StorageControl
    from flinkops.clock import SystemClock
    from flinkops.plan.storage import KIND

    if plan.target.kind == KIND:
        return nullcontext(StorageControl())
    return backend_of_plan(plan, common.settings, SystemClock()).control_of_plan(plan)


def _unfinished(journal: "Journal", plan_id: str | None) -> "ActionRecord":
    """That one, else the newest. Raises UsageError when there is none."""
    if plan_id is not None:
        return journal.record(plan_id)
    unfinished = [record for record in journal.records() if record.resumable]
    if not unfinished:
        raise UsageError("nothing is unfinished", next_step="flinkops history shows what was done")
    return unfinished[-1]
