"""`flinkops autoscale advise`: what parallelism a job needs, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import JobArgument
from flinkops.cli.autoscale.observed import (
    OBSERVE_SECONDS,
    ReplayOption,
    SecondsOption,
    SetOption,
    decided,
    observe,
    recorded,
)
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document
from flinkops.errors import ExitCode

if TYPE_CHECKING:
    from flinkops.autoscale.decide import Decision


@with_common
def advise(
    common: Common,
    job: JobArgument,
    seconds: SecondsOption = OBSERVE_SECONDS,
    replay: ReplayOption = None,
    settings: SetOption = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="10 unless nothing is to be changed.")] = False,
) -> None:
    r"""The parallelism that each vertex should have, with the arithmetic. Changes nothing.

    \b
    flinkops autoscale advise price-aggregation
    flinkops autoscale advise price-aggregation --set utilization.target=0.8 -o json
    flinkops autoscale advise price-aggregation --replay incident.rec
    """
    seen = recorded(replay, job) if replay else observe(common, job, seconds)
    decision = decided(common, seen, settings)
    _show(common, decision)
    if exit_code and decision.verdict != "hold":
        raise typer.Exit(ExitCode.NOT_HEALTHY)


def _show(common: Common, decision: "Decision") -> None:
    """The decision on stdout, in the format asked for."""
    from flinkops.autoscale.document import RIGHT, TITLES, advice_document, advice_rows, headline
    from flinkops.render.table import layout

    form = common.settings.output
    if form in ("json", "jsonl", "yaml"):
        emit_document(advice_document(decision), form)
        return
    if form == "name":
        emit([f"{vertex}={parallelism}" for vertex, parallelism in decision.changes.items()])
        return
    emit([headline(decision)])
    emit(layout(TITLES, advice_rows(decision), RIGHT))
