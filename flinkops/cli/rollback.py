"""`flinkops rollback`: undo an upgrade, with the state of now."""

from typing import TYPE_CHECKING

from flinkops.cli.action_options import Consent, JobArgument, JournalOption, acts
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import request_action

if TYPE_CHECKING:
    from flinkops.model.request import ActionRequest


@with_common
@acts("rollback")
def rollback(
    common: Common,
    job: JobArgument,
    *,
    request: "ActionRequest",
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    """Back to how a job was submitted before its last upgrade, with the state it has now."""
    request_action(common, job, request, consent, journal_folder)
