"""`flinkops rescale`: another parallelism in place."""

from typing import TYPE_CHECKING

from flinkops.cli.action_options import Consent, JobArgument, JournalOption, acts
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import request_action

if TYPE_CHECKING:
    from flinkops.model.request import ActionRequest


@with_common
@acts("rescale")
def rescale(
    common: Common,
    job: JobArgument,
    *,
    request: "ActionRequest",
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    """Change the parallelism in place (adaptive scheduler), see it hold, undo it when it does not.

    A job of the operator without that scheduler is upgraded with a savepoint instead.

    Examples: flinkops rescale price-aggregation --parallelism 2
    """
    request_action(common, job, request, consent, journal_folder)
