"""The Helm chart as far as it can be told without Helm: its version, its values and their schema, what it copies."""

import json
import re
from typing import Any

import pytest
import yaml

from devtools.bootstrap import REPOSITORY
from devtools.chart import FOLDER, chart_files
from flinkops import __version__
from flinkops.cli.keeping import parse_keep
from flinkops.config.alerts import AlertSettings
from flinkops.config.policy import Policy
from flinkops.observability.files import alert_files
from flinkops.observability.monitors import SCRAPE_SECONDS

CHART = REPOSITORY / "deploy" / "chart" / "flinkops"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def test_its_version_is_that_of_the_tool() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_rules_dashboards_and_roles_are_those_of_the_repository_and_nothing_else() -> None:
    dashboards = {file.name: file.read_text(encoding="utf-8") for file in (REPOSITORY / "dashboards").glob("*.json")}
    wanted = chart_files(alert_files(AlertSettings(), Policy()), dashboards)
    assert len(dashboards) == 4
    there = {path.relative_to(REPOSITORY) for path in (REPOSITORY / FOLDER).rglob("*") if path.is_file()}
    assert there == set(wanted)
    assert all((REPOSITORY / path).read_text(encoding="utf-8") == text for path, text in wanted.items())


def test_every_value_has_its_schema_and_the_other_way_round() -> None:
    def same(values: dict[str, Any], schema: dict[str, Any]) -> None:
        assert set(schema["properties"]) - {"global"} == set(values)
        assert schema["additionalProperties"] is False
        for key, value in values.items():
            if "properties" in schema["properties"][key]:
                same(value, schema["properties"][key])

    same(VALUES, SCHEMA)


def test_defaults_are_those_of_the_plain_manifests() -> None:
    *_, policy = yaml.safe_load_all((REPOSITORY / "deploy" / "exporter.yaml").read_text(encoding="utf-8"))
    assert VALUES["networkPolicy"]["from"] == policy["spec"]["ingress"][0]["from"]
    assert VALUES["serviceMonitor"]["interval"] == f"{SCRAPE_SECONDS}s"
    assert VALUES["networkPolicy"]["apiServerPorts"] == [one["port"] for one in policy["spec"]["egress"][1]["ports"]]


def test_the_kustomization_names_what_is_there() -> None:
    base = yaml.safe_load((REPOSITORY / "deploy" / "kustomization.yaml").read_text(encoding="utf-8"))
    assert all((REPOSITORY / "deploy" / name).is_file() for name in base["resources"])


@pytest.mark.parametrize(("keep", "fits"), [("", True), ("2h", True), ("90m", True), ("2 h", False), ("2h --x", False)])
def test_keep_is_a_duration_that_the_exporter_takes(keep: str, fits: bool) -> None:
    assert bool(re.search(SCHEMA["properties"]["keep"]["pattern"], keep)) is fits
    if fits and keep:
        assert parse_keep("--keep", keep) > 0
