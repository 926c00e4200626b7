"""`flinkops action`: actions that stopped in the middle, and the journal that tells of them."""

from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import JournalOption
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import document_format, open_journal
from flinkops.cli.unfinished import abandon_action, resume_action
from flinkops.errors import Refused

if TYPE_CHECKING:
    from flinkops.act.journal import Repair

ActionArgument = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="Of `flinkops history`; else the newest unfinished action.")
]

app = typer.Typer(name="action", no_args_is_help=True, help="Interrupted actions, and a damaged journal.")


@app.command()
@with_common
def resume(common: Common, action: ActionArgument = None, journal_folder: JournalOption = None) -> None:
    """Resume an interrupted action. Steps that are done are not done again; a rollback that had begun is finished."""
    resume_action(common, action, journal_folder)


@app.command()
@with_common
def abandon(common: Common, action: ActionArgument = None, journal_folder: JournalOption = None) -> None:
    """Give an interrupted action up; the job is left as it is, and others may act on it again."""
    abandon_action(common, action, journal_folder)


@app.command()
@with_common
def repair(common: Common, journal_folder: JournalOption = None) -> None:
    """Set aside what cannot be read of a damaged journal; a copy is kept, and every action that can be read."""
    if common.settings.read_only:
        raise Refused("read-only: the journal is not changed either")
    journal = open_journal(journal_folder)
    done = journal.repair()
    if form := document_format(common):
        emit_document(_document(done), form)
        return
    emit([f"set aside: {one}" for one in done.set_aside])
    emit([f"unfinished: {one.plan.verb} {one.plan.target.job_name}: {one.plan.id}" for one in done.unfinished])
    common.say(f"everything as it was: {done.copy}" if done.set_aside else f"{journal.path} is whole")


def _document(done: "Repair") -> dict[str, object]:
    return {
        "schema_version": 1,
        "set_aside": [{"file": str(one.path), "line": one.number, "reason": one.reason} for one in done.set_aside],
        "copy": None if done.copy is None else str(done.copy),
        "unfinished": [one.plan.id for one in done.unfinished],
    }
