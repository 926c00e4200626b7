"""`flinkops rescale`: another parallelism in place."""

from typing import Annotated

import typer

from flinkops.cli.action_options import CheckpointsOption, ParallelismOption, WatchOption, operator_terms
from flinkops.cli.operator_targets import act_on_resource, targets_kubernetes
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import (
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
from flinkops.errors import UsageError


@with_common
def rescale(
    common: Common,
    job: JobArgument,
    parallelism: ParallelismOption = None,
    vertex: Annotated[
        list[str] | None, typer.Option("--vertex", metavar="ID=N", help="Of one vertex; repeatable.")
    ] = None,
    checkpoints: CheckpointsOption = 1,
    watch_for: WatchOption = None,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Change the parallelism in place (adaptive scheduler), see it hold, undo it when it does not.

    A job of the operator without that scheduler is upgraded with a savepoint instead.

    Examples: flinkops rescale price-aggregation --parallelism 2
    """
    from flinkops.act.operator.prepare import ResourceWish
    from flinkops.act.rest.prepare import Wish, prepare

    vertices = _vertices(vertex or [])
    if parallelism is None and not vertices:
        raise UsageError("nothing to change", next_step="give --parallelism N or --vertex ID=N")
    book, consent = open_journal(journal), Consent(plan, out, yes)
    if targets_kubernetes(common):
        terms = operator_terms(checkpoints, watch_for)
        asked = ResourceWish("rescale", terms=terms, parallelism=parallelism, vertices=vertices)
        act_on_resource(common, job, asked, consent, book)
    wish = Wish("rescale", parallelism=parallelism, vertices=vertices, checkpoints=checkpoints)
    with job_on_cluster(common, job) as (control, facts):
        made = prepare(control, book, facts, wish, new_stamp("rescale"))
        act(common, control, made, consent, book)


def _vertices(given: list[str]) -> dict[str, int]:
    wanted = {}
    for text in given:
        vertex, equals, number = text.partition("=")
        if not equals or not number.isdigit() or not vertex:
            raise UsageError(f"--vertex {text}: ID=N is expected", next_step="flinkops status JOB -o json has the ids")
        wanted[vertex] = int(number)
    return wanted
