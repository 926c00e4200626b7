"""`flinkops autoscale enable`: the operator's own autoscaler."""

from typing import Annotated

import typer

from flinkops.cli.action_options import Consent, JobArgument, JournalOption, acts
from flinkops.cli.autoscale.observed import SetOption, overrides
from flinkops.cli.autoscale.platform import change_settings, platform_autoscaler
from flinkops.cli.options import Common, with_common


@with_common
@acts()
def enable(
    common: Common,
    job: JobArgument,
    settings: SetOption = None,
    advise_only: Annotated[
        bool, typer.Option("--advise-only", help="Let it decide and say so, but not rescale (scaling.enabled: false).")
    ] = False,
    *,
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    """Switch the operator's autoscaler on in the job's spec, with its settings; nothing restarts.

    Example: flinkops autoscale enable orders --set utilization.target=0.8 --set metrics.window=5m
    """
    from flinkops.autoscale.settings import PREFIX, settings_of

    given = {f"{PREFIX}{key.removeprefix(PREFIX)}": value for key, value in overrides(settings).items()}
    settings_of({}, given)  # a misspelt key would be ignored by the operator without a word
    changed: dict[str, str | None] = {f"{PREFIX}enabled": "true", **given}
    if advise_only:
        changed[f"{PREFIX}scaling.enabled"] = "false"
    platform_autoscaler(common)
    change_settings(common, job, changed, consent, journal_folder)
