"""The catalogue holds together: names, files that are committed, runbooks, and every metric that anything names."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from flinkops.cli.main import build
from flinkops.config.alerts import AlertSettings
from flinkops.config.load import load_settings
from flinkops.config.policy import Policy
from flinkops.errors import UsageError
from flinkops.observability.alerts import alerts
from flinkops.observability.catalogue import Metric
from flinkops.observability.files import alert_files, write_files
from flinkops.observability.metrics import FLEET_METRICS, JOB_METRICS, VERTEX_METRICS
from flinkops.observability.reporter import reporter_groups
from flinkops.observability.rules import groups
from flinkops.observability.slo import SLOS
from flinkops.observability.timing import Timing

REPOSITORY = Path(__file__).parents[2]
METRICS: tuple[Metric[Any], ...] = (*FLEET_METRICS, *JOB_METRICS, *VERTEX_METRICS)
CATALOGUE = alerts(AlertSettings(), Timing())
SUFFIX = {
    "seconds": "_seconds",
    "bytes": "_bytes",
    "bytes per second": "_bytes_per_second",
    "records per second": "_per_second",
    "ratio": "_ratio",
}
# The contract's names: renaming one breaks everybody's rules and dashboards.
PROMISED = {
    "flinkops_job_health",
    "flinkops_job_processing_latency_seconds",
    "flinkops_job_event_time_skew_seconds",
    "flinkops_job_state_bytes",
    "flinkops_job_backpressure_ratio",
    "flinkops_job_checkpoint_age_seconds",
    "flinkops_job_checkpoint_duration_seconds",
    "flinkops_job_checkpoint_failures_in_a_row",
    "flinkops_job_records_in_per_second",
    "flinkops_job_records_out_per_second",
    "flinkops_job_records_dropped_per_second",
    "flinkops_job_late_ratio",
    "flinkops_job_restarts_total",
    "flinkops_job_slo_good",
    "flinkops_source_up",
    "flinkops_snapshot_timestamp_seconds",
    "flinkops_build_info",
}


def test_names_are_unique_and_those_promised_are_there() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert set(names) >= PROMISED


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_conventions(metric: Metric[Any]) -> None:
    assert re.fullmatch(r"flinkops_(job|vertex|source|cluster|exporter|snapshot|poll|build)_[a-z_]+", metric.name)
    assert (metric.type == "counter") == metric.name.endswith("_total")
    assert (metric.type == "info") == metric.name.endswith("_info")
    assert metric.name.endswith(SUFFIX.get(metric.unit, ""))
    assert metric.description.endswith(".")
    assert not metric.source.endswith(".")
    assert not {"job_id", "type", "le"} & set(metric.labels) or metric.type == "info"


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2")
def test_committed_files_are_what_the_catalogue_generates() -> None:
    generate = pytest.importorskip("devtools.generate")
    for path, text in generate.generated().items():
        assert (REPOSITORY / path).read_text(encoding="utf-8") == text, f"{path} is out of date: ./dev generate"


def test_every_alert_has_a_runbook_that_opens_with_its_command() -> None:
    runbooks = {path.stem for path in (REPOSITORY / "docs" / "runbooks").glob("*.md")} - {"README"}
    assert runbooks == {alert.name for alert in CATALOGUE}
    for alert in CATALOGUE:
        text = (REPOSITORY / "docs" / "runbooks" / f"{alert.name}.md").read_text()
        assert text.startswith(f"# {alert.name}\n\n```\n{alert.command}\n```\n")
        assert all(heading in text for heading in ("## Meaning", "## Diagnosis", "## Mitigation", "## Resolved when"))


def test_runbooks_name_commands_that_exist_and_files_that_exist() -> None:
    commands = set(get_command(build()).commands)  # type: ignore[attr-defined]
    for path in (REPOSITORY / "docs" / "runbooks").glob("*.md"):
        text = path.read_text()
        assert set(re.findall(r"(?:`|^)flinkops ([a-z]+)", text, re.MULTILINE)) <= commands, path
        for link in re.findall(r"\]\(([A-Za-z./]+\.md)\)", text):
            assert (path.parent / link).is_file(), (path, link)


def test_alerts_tell_who_is_called_what_is_wrong_and_where_to_go() -> None:
    rules = [rule for group in groups(AlertSettings()) for rule in group["rules"] if "alert" in rule]
    assert len(rules) == len(CATALOGUE)
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url", "dashboard_url"}
        assert rule["alert"].startswith("Flink")
        of_jobs = "FlinkJob" in rule["alert"]
        assert not of_jobs or "$labels.job" in rule["annotations"]["summary"]
    assert all(alert.severity == "ticket" for alert in CATALOGUE if alert.group == "causes")
    assert {(slo.alert, severity) for slo in SLOS for severity in ("page", "ticket")} <= {
        (alert.name, alert.severity) for alert in CATALOGUE
    }


def test_every_metric_that_a_rule_or_a_panel_names_is_exported_or_recorded() -> None:
    pytest.importorskip("promql_parser")
    from tests.alerts.names import metric_names

    rules = [rule for group in groups(AlertSettings()) for rule in group["rules"]]
    known = {metric.name for metric in METRICS} | {rule["record"] for rule in rules if "record" in rule}
    exprs = [rule["expr"] for rule in rules] + [expr for _, expr in panel_queries()]
    assert len(exprs) > 80
    for expr in exprs:
        assert metric_names(expr) <= known, expr


def panel_queries() -> list[tuple[str, str]]:
    """Every query of the committed dashboards, variables filled in, with its panel."""
    fill = {"$namespace": ".*", "$job": ".*", "$__rate_interval": "5m"}
    found = []
    for path in sorted((REPOSITORY / "dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        targets = [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel["targets"]]
        notes = [(note["name"], note["expr"]) for note in board["annotations"]["list"]]
        for title, expr in targets + notes:
            for name, value in fill.items():
                expr = expr.replace(name, value)
            found.append((f"{board['uid']}: {title}", expr))
    return found


def test_dashboards_keep_to_the_rules_of_dashboards() -> None:
    boards = [json.loads(path.read_text()) for path in (REPOSITORY / "dashboards").glob("*.json")]
    uids = {board["uid"] for board in boards}
    assert uids == {"flinkops-fleet", "flinkops-job", "flinkops-state", "flinkops-scaling"}
    assert {alert.dashboard for alert in CATALOGUE} <= uids
    for board in boards:
        assert len(board["panels"]) <= 20
        assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "namespace", "job"]
        assert board["links"]
        assert {"Upgrades", "Restarts", "Failed checkpoints"} <= {note["name"] for note in board["annotations"]["list"]}
        for panel in board["panels"]:
            assert panel["title"]
            assert panel["description"].endswith(".")
            assert panel["fieldConfig"]["defaults"]["unit"]


def test_thresholds_come_from_the_settings(tmp_path: Path) -> None:
    config = tmp_path / "flinkops.toml"
    config.write_text(
        '[alerts]\nlate_ratio = 0.25\nsource_idle = "off"\nteam = "shop"\nrunbook_base_url = "https://wiki.example/"\n'
    )
    settings = load_settings({}, config_file=str(config), environ={})
    write_files(tmp_path / "out", alert_files(settings.alerts, settings.policy))
    rules = yaml.safe_load((tmp_path / "out" / "flinkops.rules.yaml").read_text())["groups"]
    by_name = {rule["alert"]: rule for group in rules for rule in group["rules"] if "alert" in rule}
    assert "> 0.25" in by_name["FlinkJobLateRecords"]["expr"]
    assert "FlinkJobSourceIdle" not in by_name
    assert by_name["FlinkJobLateRecords"]["labels"]["team"] == "shop"
    runbook = by_name["FlinkJobLateRecords"]["annotations"]["runbook_url"]
    assert runbook == "https://wiki.example/FlinkJobLateRecords.md"


@pytest.mark.parametrize("line", ["late_ratio = 2", "objective = 1.0", "objektive = 0.9", 'snapshot_age = "soon"'])
def test_settings_that_make_no_sense(tmp_path: Path, line: str) -> None:
    config = tmp_path / "flinkops.toml"
    config.write_text(f"[alerts]\n{line}\n")
    with pytest.raises(UsageError, match="alerts"):
        load_settings({}, config_file=str(config), environ={})


def test_a_tighter_objective_needs_a_smaller_burn() -> None:
    exprs = {
        objective: next(
            a.expr for a in alerts(AlertSettings(objective_ratio=objective), Timing()) if a.severity == "page"
        )
        for objective in (0.999, 0.99)
    }
    assert "> 0.0144" in exprs[0.999]
    assert "> 0.144" in exprs[0.99]


def test_the_reporter_s_rules_leave_out_what_it_cannot_know() -> None:
    names = {
        rule["alert"]
        for group in reporter_groups(AlertSettings(), Policy())
        for rule in group["rules"]
        if "alert" in rule
    }
    assert "FlinkJobLatencyBudgetBurn" in names
    assert "FlinkopsExporterAbsent" not in names
