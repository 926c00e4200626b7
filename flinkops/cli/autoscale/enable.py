"""`flinkops autoscale enable`: the operator's own autoscaler."""

from typing import Annotated

import typer

from flinkops.cli.action_options import Consent, JobArgument, JournalOption, acts
from flinkops.cli.autoscale.observed import SetOption
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

    Options are set under the names that the operator's version reads; one that it has not is refused.

    Example: flinkops autoscale enable orders --set utilization.target=0.8 --set metrics.window=5m
    """
    from flinkops.act.request_reading import pairs
    from flinkops.autoscale.explain import SCALING_ENABLED
    from flinkops.autoscale.settings import refuse_unreadable
    from flinkops.model.option_names import AUTOSCALER_ENABLED

    # An option that the operator's version has not would be ignored by it without a word.
    named = platform_autoscaler(common).named(pairs(settings))
    refuse_unreadable(named.settings)
    for doubt in named.doubts:
        common.say(f"flinkops: {doubt}")
    changed: dict[str, str | None] = {AUTOSCALER_ENABLED: "true", **named.settings}
    if advise_only:
        changed[SCALING_ENABLED] = "false"
    change_settings(common, job, changed, consent, journal_folder)
