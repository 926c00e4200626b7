"""The variant on Flink's own reporter: the same six scenarios, and every metric is one that Flink really reports."""

from pathlib import Path

import pytest

from flinkops.config.alerts import AlertSettings
from flinkops.config.policy import JobRule, Policy
from flinkops.observability.alerts import alerts
from flinkops.observability.reporter import NOT_REPORTED, reporter_groups
from flinkops.observability.rules import rule_file
from flinkops.observability.timing import Timing
from tests.alerts.names import metric_names
from tests.alerts.reporter_cases import CASES
from tests.alerts.scenarios import Case
from tests.alerts.test_alerts import run_promtool
from tests.unit.promtool import promtool

RECORDED = Path(__file__).parent / "flink-2.3-reporter.prom"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "flink-reporter.yaml"
    path.write_text(rule_file(reporter_groups(AlertSettings(), Policy())))
    return path


def test_every_alert_has_its_cases() -> None:
    wanted = {(alert.name, alert.severity) for alert in alerts(AlertSettings(), Timing())}
    assert {(case.alert, case.severity) for case in CASES} == {pair for pair in wanted if pair[0] not in NOT_REPORTED}


def test_every_metric_is_one_that_flink_reports() -> None:
    groups = reporter_groups(AlertSettings(), Policy())
    recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    reported = {line.split("{")[0].split(" ")[0] for line in RECORDED.read_text().splitlines() if line[0] != "#"}
    used = {name for group in groups for rule in group["rules"] for name in metric_names(rule["expr"])}
    assert used - recorded - reported == set()
    assert len(used & reported) > 10


def test_prometheus_accepts_the_rules(rules: Path) -> None:
    checked = promtool("check", "rules", "--lint-fatal", str(rules))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}-{case.severity}")
def test_alert(case: Case, rules: Path, tmp_path: Path) -> None:
    run_promtool(rules, case, tmp_path)


def test_the_limits_are_those_of_the_job_s_class() -> None:
    policy = Policy(rules=(JobRule(job_class="latency-critical", name="price-al*ts"),))
    recorded = reporter_groups(AlertSettings(), policy)[0]["rules"]
    latency = next(rule["expr"] for rule in recorded if rule.get("labels") == {"slo": "latency"})
    assert 'job=~"price.al.*ts"} <= bool 0.05' in latency
    assert latency.index("0.05") < latency.index("<= bool 1)")
