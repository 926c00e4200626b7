"""`flinkops apply`: carrying out a plan that was saved."""

from pathlib import Path
from typing import Annotated

import typer

from flinkops.cli.action_options import Consent, JournalOption, YesOption
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import act, open_journal
from flinkops.input_file import read_input

_MOST_BYTES = 16 * 2**20


@with_common
def apply(
    common: Common,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan that --out saved.")],
    yes: YesOption = False,
    journal_folder: JournalOption = None,
) -> None:
    """Carry out a saved plan. Refused when the job has moved since it was made."""
    from flinkops.act.backends import backend_of_plan
    from flinkops.act.step_kinds import known_members
    from flinkops.clock import SystemClock
    from flinkops.plan.identity import decode_plan_file

    content = read_input(plan, most_bytes=_MOST_BYTES)
    saved = decode_plan_file(content, str(plan), known_members())
    with backend_of_plan(saved, common.settings, SystemClock()).control_of_plan(saved) as control:
        act(common, control, saved, Consent(yes=yes), open_journal(journal_folder))
