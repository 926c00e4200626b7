"""The comments that say which check of pint a rule is exempt from: each has its reason, and is needed."""

import re

import pytest
import yaml

from flinkops.config.alerts import AlertSettings
from flinkops.config.policy import Policy
from flinkops.observability.files import alert_files
from flinkops.observability.linted import EXEMPT, explained
from flinkops.observability.rules import groups, rule_file

FILES = {name: text for name, text in alert_files(AlertSettings(), Policy()).items() if "rule" in name}


@pytest.mark.parametrize("name", FILES)
def test_each_exemption_has_its_reason_before_it_and_changes_no_rule(name: str) -> None:
    lines = FILES[name].splitlines()
    places = [place for place, line in enumerate(lines) if "# pint disable" in line]
    assert places
    assert all(re.fullmatch(r" +# [A-Z].+\.", lines[place - 1]) for place in places)
    bare = "\n".join(line for line in lines if not re.match(r" +#", line))
    assert yaml.safe_load(bare) == yaml.safe_load(FILES[name])


def test_every_exemption_is_of_a_rule_and_names_a_metric_of_it() -> None:
    rules: dict[str, str] = {}
    for text in FILES.values():
        for group in yaml.safe_load(text).get("groups", ()):
            rules |= {str(rule.get("alert") or rule["record"]): str(rule["expr"]) for rule in group["rules"]}
    for name, exempt in EXEMPT.items():
        if "ratio" in name and not any((each.of_recorded or "-") in rules[name] for each in exempt):
            pytest.fail(name)
        for metric in re.findall(r"\((\w+)\)", " ".join(each.check for each in exempt)):
            assert metric in rules[name]


def test_a_lag_is_explained_only_where_the_other_group_is() -> None:
    assert FILES["flinkops.rules.yaml"].count("rule/dependency") == 2
    assert FILES["flink-reporter.rules.yaml"].count("rule/dependency") == 5
    assert explained(rule_file(groups(AlertSettings()))) == FILES["flinkops.rules.yaml"]
