"""`flinkops upgrade`: changing a job, or many, without losing state."""

from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import Consent, JournalOption, acts
from flinkops.cli.complete import complete_job
from flinkops.cli.many import Pace, request_for_many
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import request_action
from flinkops.cli.unfinished import abandon_action, resume_action
from flinkops.errors import UsageError

if TYPE_CHECKING:
    from flinkops.model.request import ActionRequest


@with_common
@acts("upgrade")
def upgrade(
    common: Common,
    job: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="The job; with --resume the action.", autocompletion=complete_job),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="As `flinkops action resume`.")] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="As `flinkops action abandon`.")] = False,
    max_unavailable: Annotated[
        str, typer.Option("--max-unavailable", metavar="N", help="With -l: so many at once, or a share such as 25%.")
    ] = "1",
    canary: Annotated[bool, typer.Option("--canary", help="With -l: the smallest first, alone.")] = False,
    *,
    request: "ActionRequest",
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    r"""Change a job: stop with a savepoint, start from it, verify it; else roll back to the old one from it.

    \b
    flinkops upgrade price-aggregation --savepoint --parallelism 2
    flinkops upgrade -l team=pricing --savepoint --image shop/prices:7 --max-unavailable 3 --canary
    """
    if abandon:
        return abandon_action(common, job, journal_folder)
    if resume:
        return resume_action(common, job, journal_folder)
    if common.settings.rehearse == "always":
        from flinkops.act.request_reading import rehearsed

        request = rehearsed(request)
    if job is not None:
        return request_action(common, job, request, consent, journal_folder)
    if common.settings.selector is None:
        raise UsageError("which job?", next_step="flinkops upgrade JOB --savepoint …, or -l LABELS for many")
    return request_for_many(common, request, Pace(max_unavailable, canary), consent, journal_folder)
