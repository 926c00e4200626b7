"""`flinkops action …`: the journal's unfinished actions, and the journal itself."""

from typing import TYPE_CHECKING

import typer

from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import JournalOption, emit, emit_document, open_journal
from flinkops.errors import Refused

if TYPE_CHECKING:
    from flinkops.act.journal import Repair

app = typer.Typer(name="action", help="Actions of the journal.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _action() -> None:
    """Actions of the journal: what was begun, and what became of it."""


@app.command()
@with_common
def repair(common: Common, journal: JournalOption = None) -> None:
    """Set aside what cannot be read of a damaged journal; a copy is kept, and every action that can be read."""
    if common.settings.read_only:
        raise Refused("read-only: the journal is not changed either")
    book = open_journal(journal)
    done = book.repair()
    if common.settings.output in ("json", "jsonl", "yaml"):
        emit_document(_document(done), common.settings.output)
        return
    emit([f"set aside: {one}" for one in done.set_aside])
    emit([f"unfinished: {one.plan.verb} {one.plan.target.job_name}: {one.plan.id}" for one in done.unfinished])
    common.say(f"everything as it was: {done.copy}" if done.set_aside else f"{book.path} is whole")


def _document(done: "Repair") -> dict[str, object]:
    return {
        "schema_version": 1,
        "set_aside": [{"file": str(one.path), "line": one.number, "reason": one.reason} for one in done.set_aside],
        "copy": None if done.copy is None else str(done.copy),
        "unfinished": [one.plan.id for one in done.unfinished],
    }
