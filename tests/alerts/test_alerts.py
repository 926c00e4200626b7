"""Every alert, under promtool: fires, not just below, resolves, absent series, counter reset, scrape gap."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from flinkops.config.alerts import AlertSettings
from flinkops.observability.alerts import alerts
from flinkops.observability.rules import groups, rule_file
from flinkops.observability.timing import Timing
from tests.alerts.cases import CASES
from tests.alerts.names import metric_names
from tests.alerts.scenarios import ORDERS, SCENARIOS, Case, Signals, constant
from tests.unit.promtool import promtool


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "flinkops.yaml"
    path.write_text(rule_file(groups(AlertSettings())))
    return path


def test_every_alert_has_its_cases() -> None:
    wanted = {(alert.name, alert.severity) for alert in alerts(AlertSettings(), Timing())}
    assert {(case.alert, case.severity) for case in CASES} == wanted
    for case in CASES:
        assert tuple(test["name"] for test in case.tests()) == SCENARIOS


@pytest.mark.thorough
def test_prometheus_accepts_the_rules(rules: Path) -> None:
    checked = promtool("check", "rules", "--lint-fatal", str(rules))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _slow(case: Case) -> bool:
    """Days of samples go into the windows of a budget's ticket, and a second of work."""
    return case.alert.endswith("BudgetBurn") and case.severity == "ticket"


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.thorough] if _slow(case) else []) for case in CASES],
    ids=lambda case: f"{case.alert}-{case.severity}",
)
@pytest.mark.thorough
def test_alert(case: Case, rules: Path, tmp_path: Path) -> None:
    run_promtool(rules, case, tmp_path)


def promtool_file(rules: Path, case: Case, tests: list[dict[str, Any]]) -> dict[str, Any]:
    """Beside a rule file of what the case's alert is made of: with all others each run took three times as long.

    promtool evaluates groups in any order; ours build on each other in the order of the file.
    """
    groups = _made_of(yaml.load(rules.read_text(), yaml.CSafeLoader)["groups"], case.alert)
    part = rules.parent / f"{rules.stem}-{case.alert}.json"
    part.write_text(json.dumps({"groups": groups}))
    return {
        "rule_files": [str(part)],
        "evaluation_interval": case.evaluation,
        "group_eval_order": [group["name"] for group in groups],
        "tests": tests,
    }


def _made_of(groups: list[dict[str, Any]], alert: str) -> list[dict[str, Any]]:
    """The alert's rules and, recursively, the recorded series that their expressions name."""
    rules = [rule for group in groups for rule in group["rules"]]
    kept = [rule for rule in rules if rule.get("alert") == alert]
    for rule in kept:  # which grows meanwhile
        names = metric_names(rule["expr"])
        kept += [other for other in rules if other.get("record") in names and other not in kept]
    parts = ({**group, "rules": [rule for rule in group["rules"] if rule in kept]} for group in groups)
    return [group for group in parts if group["rules"]]


def run_promtool(rules: Path, case: Case, folder: Path, *scenarios: str) -> None:
    tests = [test for test in case.tests() if test["name"] in (scenarios or SCENARIOS)]
    path = folder / "tests.json"  # which is YAML too, and written in no time
    path.write_text(json.dumps(promtool_file(rules, case, tests)))
    result = promtool("test", "rules", str(path))
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_exporter_that_moved_neither_doubles_an_alert_nor_restarts_its_clock(rules: Path, tmp_path: Path) -> None:
    first, second = (f'flinkops_job_backpressure_ratio{{instance="{name}",{ORDERS[1:]}' for name in "ab")
    moved: Signals = {
        first: lambda minute: 0.9 if minute < 10 else None,
        second: lambda minute: 0.9 if minute >= 8 else None,
    }
    case = Case("FlinkJobBackpressured", "ticket", moved, {first: constant(0)}, lead=16, not_before=14)
    run_promtool(rules, case, tmp_path, "fires")


def test_a_latency_known_for_half_a_minute_in_an_hour_does_not_page(rules: Path, tmp_path: Path) -> None:
    rare: Signals = {
        f'flinkops_job_slo_good{{slo="latency",{ORDERS[1:]}': lambda minute: 0.0 if minute % 60 == 5 else None
    }
    case = Case("FlinkJobLatencyBudgetBurn", "page", rare, rare, lead=50)
    run_promtool(rules, case, tmp_path, "just-below")
