"""`flinkops autoscale apply`: a decision carried out once."""

from typing import Annotated

import typer

from flinkops.cli.action_options import Consent, JobArgument, JournalOption, acts
from flinkops.cli.autoscale.observed import (
    OBSERVE_SECONDS,
    SecondsOption,
    SetOption,
    TakeOverOption,
    decided,
    observe,
)
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import act, backend, new_stamp, open_journal


@with_common
@acts()
def apply(
    common: Common,
    job: JobArgument,
    seconds: SecondsOption = OBSERVE_SECONDS,
    settings: SetOption = None,
    take_over: TakeOverOption = False,
    checkpoints: Annotated[
        int, typer.Option("--checkpoints", metavar="N", help="So many have to complete afterwards.")
    ] = 1,
    *,
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    r"""Poll, decide, and change the parallelism in place; seen to hold and to take in what arrives, else undone.

    \b
    flinkops autoscale apply price-aggregation --plan
    flinkops autoscale apply price-aggregation --yes
    """
    from flinkops.act.backend import RescaleTerms

    seen = observe(common, job, seconds)
    decision, journal = decided(common, seen, settings), open_journal(journal_folder)
    terms = RescaleTerms(checkpoints=checkpoints, take_over=take_over)
    with backend(common).reach(job) as handle:
        plan = handle.plan_decision(decision, seen.job, journal, new_stamp("autoscale-apply"), terms)
        act(common, handle.control, plan, consent, journal)
