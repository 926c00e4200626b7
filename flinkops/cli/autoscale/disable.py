"""`flinkops autoscale disable`: the operator's own autoscaler."""

from flinkops.cli.action_options import Consent, JobArgument, JournalOption, acts
from flinkops.cli.autoscale.platform import change_settings, platform_autoscaler
from flinkops.cli.options import Common, with_common


@with_common
@acts()
def disable(common: Common, job: JobArgument, *, consent: Consent, journal_folder: JournalOption = None) -> None:
    """Switch the operator's autoscaler off in the job's spec; nothing restarts, the parallelism stays.

    What it has set goes into the spec: the operator would redeploy the job with the spec's own parallelism otherwise.
    """
    from flinkops.model.option_names import AUTOSCALER_ENABLED

    kept = platform_autoscaler(common).overrides(job)
    change_settings(common, job, {**kept, AUTOSCALER_ENABLED: "false"}, consent, journal_folder)
