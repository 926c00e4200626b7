"""`flinkops rehearse`: whether a changed job can restore its state, before anything is stopped."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import JobArgument, JournalOption, asks
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import backend, document_format, open_journal
from flinkops.errors import ExitCode

if TYPE_CHECKING:
    from flinkops.model.rehearsal import Rehearsal
    from flinkops.model.request import ActionRequest

_SAY_EVERY_SECONDS = 5.0


@with_common
@asks("upgrade")
def rehearse(
    common: Common,
    job: JobArgument,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="PATH", help="This savepoint or checkpoint; else the job's newest."),
    ] = None,
    *,
    request: "ActionRequest",
    journal_folder: JournalOption = None,
) -> None:
    r"""Restore the state into the changed program, sources and sinks replaced; nothing is stopped or written.

    The program's main runs on this machine, for a job of the Flink operator in a pod of the new image, with
    FLINKOPS_REHEARSAL=1 in its environment. Exit codes: 0 it restores, or nothing can be told; 5 it fails or loses
    state.

    \b
    flinkops rehearse price-aggregation --arg=--window --arg=sliding
    flinkops rehearse price-aggregation --jar new.jar --against s3://bucket/savepoint-1
    flinkops rehearse prices -n shop --image prices:2
    """
    import msgspec

    from flinkops.act.request_reading import rehearsed
    from flinkops.plan.rehearsal import refusal

    if request.mode is None:
        request = msgspec.structs.replace(request, mode="savepoint")
    request = rehearsed(request)
    place, journal = backend(common), open_journal(journal_folder)
    place.prerequisites(request)
    with place.reach(job) as handle:
        found = handle.rehearse(request, journal, against=against, note=_Notes(common))
    _show(common, found)
    refused = refusal(found, request.terms.accept_loss) is not None
    raise typer.Exit(ExitCode.REFUSED if refused else ExitCode.OK)


def _show(common: Common, found: "Rehearsal") -> None:
    from flinkops.act.rehearsal_document import rehearsal_document
    from flinkops.render.rehearsal import rehearsal_lines

    if form := document_format(common):
        emit_document(rehearsal_document(found), form)
    else:
        emit([found.verdict] if common.settings.output == "name" else rehearsal_lines(found))


class _Notes:
    """Says what is done, and that it still is, every few seconds."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._last = ""
        self._said = 0.0

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if text != self._last or now - self._said > _SAY_EVERY_SECONDS:
            self._common.say(f"  {text} …")
            self._last, self._said = text, now
