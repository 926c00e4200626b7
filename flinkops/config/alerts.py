"""The ``[alerts]`` of `flinkops.toml`: where alerts begin, and how those who are called find their way."""

import msgspec


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds of the generated alert rules; None switches the alert off. The defaults are those of `alerts/`.

    The limits of the objectives (latency, skew, checkpoint age, state) are those of the job's class: the exporter
    applies them, and a change needs no new rules.
    """

    objective_ratio: float = 0.999
    """Share of 30 days in which a job keeps each of its objectives."""
    state_time_to_limit_seconds: float | None = 86_400.0
    state_of_limit_ratio: float = 0.9
    checkpoint_of_timeout_ratio: float | None = 0.8
    checkpoint_failures: float | None = 3
    late_ratio: float | None = 0.01
    backpressure_ratio: float | None = 0.5
    restarts_in_ten_minutes: float | None = 3
    source_idle_seconds: float | None = 300.0
    snapshot_age_seconds: float = 120.0
    runbook_base_url: str = "docs/runbooks"
    """Where the runbooks are readable; in the repository by default."""
    grafana_url: str = ""
    """Where Grafana is; its dashboards are at /d/ below."""
    team: str = "streaming"
