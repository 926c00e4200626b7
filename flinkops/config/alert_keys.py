"""The keys of ``[alerts]`` in `flinkops.toml`."""

from flinkops.config.alerts import AlertSettings
from flinkops.config.schema import Parser, or_off, parse_count, parse_ratio, read_fields
from flinkops.config.settings import parse_text
from flinkops.model.quantities import parse_duration


def _parse_objective(value: object) -> float:
    """A ratio that leaves a budget: 1 would have none."""
    ratio = parse_ratio(value)
    if not 0.5 <= ratio < 1:
        raise ValueError(f"{value!r} is no objective: at least 0.5, less than 1")
    return ratio


ALERT_KEYS: dict[str, tuple[str, Parser]] = {
    "objective": ("objective_ratio", _parse_objective),
    "state_time_to_limit": ("state_time_to_limit_seconds", or_off(parse_duration)),
    "state_of_limit": ("state_of_limit_ratio", parse_ratio),
    "checkpoint_of_timeout": ("checkpoint_of_timeout_ratio", or_off(parse_ratio)),
    "checkpoint_failures": ("checkpoint_failures", or_off(parse_count)),
    "late_ratio": ("late_ratio", or_off(parse_ratio)),
    "backpressure": ("backpressure_ratio", or_off(parse_ratio)),
    "restarts_in_ten_minutes": ("restarts_in_ten_minutes", or_off(parse_count)),
    "source_idle": ("source_idle_seconds", or_off(parse_duration)),
    "snapshot_age": ("snapshot_age_seconds", parse_duration),
    "runbook_base_url": ("runbook_base_url", parse_text),
    "grafana_url": ("grafana_url", parse_text),
    "team": ("team", parse_text),
}


def read_alerts(table: object, where: str) -> AlertSettings:
    """The ``[alerts]`` of a file over the defaults. UsageError for what makes no sense."""
    return AlertSettings(**read_fields(table, ALERT_KEYS, f"[alerts] of {where}"))
