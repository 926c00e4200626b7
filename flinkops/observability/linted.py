"""What cloudflare's pint is told to leave out, rule by rule, with the reason: comments of the rule files."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from flinkops.observability.alerts import measure_alerts, ratio_name
from flinkops.observability.rules import DIRECT_MINUTES, LONG_MINUTES, TILE_MINUTES
from flinkops.observability.slo import BURN_WINDOWS

_RULE = re.compile(r"^(?P<indent> *)- (?:record|alert): (?P<name>\S+)$", re.MULTILINE)


class Exempt(NamedTuple):
    """One check that does not hold for a rule, and why."""

    why: str
    check: str
    of_recorded: str | None = None
    """Only where the same file records this metric."""


_WHY_LAG = "That group is at most a minute behind, in a window of minutes to days."
_MINUTES = {minutes for window in BURN_WINDOWS for minutes in (window.long_minutes, window.short_minutes)}
EXEMPT: Mapping[str, tuple[Exempt, ...]] = {
    **{
        ratio_name(minutes): (Exempt(_WHY_LAG, "rule/dependency", "flinkops_job_slo_good"),)
        for minutes in _MINUTES
        if minutes <= DIRECT_MINUTES
    },
    **{
        ratio_name(minutes): (Exempt(_WHY_LAG, "rule/dependency", ratio_name(TILE_MINUTES)),)
        for minutes in _MINUTES
        if minutes >= LONG_MINUTES
    },
    "FlinkJobStateNearLimit": (
        Exempt("Only of jobs whose class limits the state.", "promql/series(flinkops_job_state_limit_bytes)"),
        Exempt("The same, while it grows.", "promql/series(flinkops_job_state_time_to_limit_seconds)"),
    ),
    "FlinkJobOverrideDrift": (
        Exempt("Only of jobs with parallelism overrides.", "promql/series(flinkops_job_override_drift_vertices)"),
    ),
    **{
        alert.name: (Exempt("A reason is there while it holds.", "promql/series(flinkops_job_health_reason)"),)
        for alert in measure_alerts()
    },
}
"""By the rule's name."""


def explained(text: str) -> str:
    """A rule file with the comments that pint reads, each after the line that names its rule."""
    return _RULE.sub(lambda found: "\n".join((found[0], *_comments(found, text))), text)


def _comments(found: re.Match[str], text: str) -> list[str]:
    lines = []
    for each in EXEMPT.get(found["name"], ()):
        if each.of_recorded is None or f"record: {each.of_recorded}\n" in text:
            lines += [f"# {each.why}", f"# pint disable {each.check}"]
    return [f"{found['indent']}  {line}" for line in lines]
