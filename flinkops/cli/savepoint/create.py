"""`flinkops savepoint create`."""

from typing import TYPE_CHECKING

from flinkops.cli.action_options import Consent, JobArgument, JournalOption, acts
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import request_action

if TYPE_CHECKING:
    from flinkops.model.request import ActionRequest


@with_common
@acts("savepoint-create")
def create(
    common: Common,
    job: JobArgument,
    *,
    request: "ActionRequest",
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    r"""Take a savepoint while the job runs on, and check that it is whole.

    \b
    Examples:
      flinkops savepoint create price-aggregation --yes
      flinkops savepoint create price-aggregation --target s3://bucket/sp --plan
    """
    request_action(common, job, request, consent, journal_folder)
