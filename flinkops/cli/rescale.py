"""`flinkops rescale`: another parallelism in place."""

from typing import Annotated

import typer

from flinkops.cli.acting import (
    Consent,
    JobArgument,
    JournalOption,
    OutOption,
    PlanOption,
    YesOption,
    act,
    job_on_cluster,
    new_stamp,
    open_journal,
)
from flinkops.cli.options import Common, with_common
from flinkops.errors import UsageError


@with_common
def rescale(
    common: Common,
    job: JobArgument,
    parallelism: Annotated[
        int | None, typer.Option("--parallelism", "-p", metavar="N", help="Of every vertex, as far as it can.")
    ] = None,
    vertex: Annotated[
        list[str] | None, typer.Option("--vertex", metavar="ID=N", help="Of one vertex; repeatable.")
    ] = None,
    checkpoints: Annotated[
        int, typer.Option("--checkpoints", metavar="N", help="So many have to complete afterwards.")
    ] = 1,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Change the parallelism in place (adaptive scheduler), see it hold, undo it when it does not.

    Examples: flinkops rescale price-aggregation --parallelism 2
    """
    from flinkops.act.prepare import Wish, prepare

    vertices = _vertices(vertex or [])
    if parallelism is None and not vertices:
        raise UsageError("nothing to change", next_step="give --parallelism N or --vertex ID=N")
    wish = Wish("rescale", parallelism=parallelism, vertices=vertices, checkpoints=checkpoints)
    book = open_journal(journal)
    with job_on_cluster(common, job) as (control, facts):
        made = prepare(control, book, facts, wish, new_stamp("rescale"))
        act(common, control, made, Consent(plan, out, yes), book)


def _vertices(given: list[str]) -> dict[str, int]:
    wanted = {}
    for text in given:
        vertex, equals, number = text.partition("=")
        if not equals or not number.isdigit() or not vertex:
            raise UsageError(f"--vertex {text}: ID=N is expected", next_step="flinkops status JOB -o json has the ids")
        wanted[vertex] = int(number)
    return wanted
