"""What the person who is called reads: every alert's words, filled in by Prometheus, against a golden file."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from flinkops.config.alerts import AlertSettings
from flinkops.observability.rules import groups, rule_file
from tests.alerts.cases import CASES
from tests.alerts.scenarios import ORDERS, Case
from tests.alerts.test_alerts import promtool_file
from tests.goldens import same_as_golden
from tests.unit.promtool import promtool

_TEXT = r'="((?:[^"\\]|\\.)*)"'
# What the texts look up beside their own value.
SHOWN = {
    f'flinkops_job_processing_latency_seconds{{quantile="0.99",{ORDERS[1:]}': "1.5x2100",
    "flinkops_job_event_time_skew_seconds" + ORDERS: "400x2100",
    "flinkops_job_running" + ORDERS: "0x2100",
    "flinkops_job_checkpoint_age_seconds" + ORDERS: "900x2100",
}


def words(case: Case, folder: Path) -> str:
    """promtool shows what it got when it expects nothing."""
    test: dict[str, Any] = next(iter(case.tests()))
    del test["promql_expr_test"]
    given = {series["series"] for series in test["input_series"]}
    test["input_series"] += [{"series": name, "values": values} for name, values in SHOWN.items() if name not in given]
    test["alert_rule_test"] = [{"alertname": case.alert, "eval_time": f"{case.lead}m", "exp_alerts": []}]
    (folder / "rules.yaml").write_text(rule_file(groups(AlertSettings())))
    document = promtool_file(folder / "rules.yaml", case, [test])
    (folder / "tests.json").write_text(json.dumps(document))
    result = promtool("test", "rules", "tests.json", cwd=folder)
    said = result.stdout + result.stderr
    alert = next(part for part in said.split("Labels:")[1:] if f'severity="{case.severity}"' in part)
    shown = {key: re.search(key + _TEXT, alert) for key in ("summary", "description", "dashboard_url", "runbook_url")}
    lines = [f"  {match[1]}" for match in shown.values() if match]
    return "\n".join((f"{case.alert} {case.severity}", *lines, ""))


@pytest.mark.thorough
def test_words(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    found = "\n".join(words(case, tmp_path) for case in CASES)
    assert "error" not in found.lower()
    same_as_golden("alerts.txt", found)
