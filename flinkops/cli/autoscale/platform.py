"""The autoscaler that a job's platform has itself, and switching it on and off."""

from pathlib import Path
from typing import TYPE_CHECKING

from flinkops.cli.action_options import Consent
from flinkops.cli.options import Common
from flinkops.cli.run_action import backend, request_action
from flinkops.errors import UsageError

if TYPE_CHECKING:
    from flinkops.act.backend import PlatformAutoscaler


def platform_autoscaler(common: Common) -> "PlatformAutoscaler":
    """That of the place. Raises UsageError where there is none."""
    found = backend(common).autoscaler
    if found is None:
        raise UsageError(
            "only jobs of the Flink operator have its autoscaler",
            next_step="flinkops autoscale run does it on plain REST",
        )
    return found


def change_settings(
    common: Common, job: str, settings: dict[str, str | None], consent: Consent, journal_folder: Path | None
) -> None:
    """A change of the job's declared settings, by the same plan as `upgrade --set`."""
    from flinkops.model.request import ActionRequest, Change

    request_action(common, job, ActionRequest("upgrade", Change(settings=settings)), consent, journal_folder)
