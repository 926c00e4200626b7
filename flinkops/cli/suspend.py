"""`flinkops suspend`: stop with a savepoint."""

from typing import TYPE_CHECKING

from flinkops.cli.action_options import Consent, JobArgument, JournalOption, acts
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import request_action

if TYPE_CHECKING:
    from flinkops.model.request import ActionRequest


@with_common
@acts("suspend")
def suspend(
    common: Common,
    job: JobArgument,
    *,
    request: "ActionRequest",
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    """Stop a job with a savepoint; `flinkops resume` starts it from there."""
    request_action(common, job, request, consent, journal_folder)
