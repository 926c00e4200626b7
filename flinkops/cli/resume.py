"""`flinkops resume`: start a stopped job from its state."""

from typing import TYPE_CHECKING

from flinkops.cli.action_options import Consent, JobArgument, JournalOption, acts
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import request_action

if TYPE_CHECKING:
    from flinkops.model.request import ActionRequest


@with_common
@acts("resume")
def resume(
    common: Common,
    job: JobArgument,
    *,
    request: "ActionRequest",
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    """Start a job that was suspended or has died, from its latest savepoint or another one."""
    request_action(common, job, request, consent, journal_folder)
