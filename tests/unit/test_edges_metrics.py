"""The edges of what the metrics and the rules of Prometheus reckon with."""

import msgspec
import pytest

from flinkops.config.alerts import AlertSettings
from flinkops.config.policy import Policy
from flinkops.model.assessment import FleetAssessment
from flinkops.model.facts import SourceStatus
from flinkops.model.measures import MEASURES
from flinkops.model.overrides import OVERRIDES
from flinkops.observability.alerts import ratio_name
from flinkops.observability.metrics.flow import drifted_vertices
from flinkops.observability.metrics.measured import MEASURED_METRICS
from flinkops.observability.reporter import _skew_limit
from flinkops.observability.rules import DIRECT_MINUTES, LONG_MINUTES, groups
from tests.unit import builders
from tests.unit.assessments import fleet, job
from tests.unit.test_exporter_families import expose, scraped


def test_growth_is_exposed_by_the_second() -> None:
    growing = job(state_growth_bytes_per_hour=7200.0)
    samples = scraped(expose(fleet(growing)))["flinkops_job_state_growth_bytes_per_second"]
    assert list(samples.values()) == [2.0]


def test_every_source_has_its_series() -> None:
    two = tuple(SourceStatus(name, "rest", "ok", age_seconds=age) for name, age in (("east", 1.0), ("west", 2.0)))
    seen: FleetAssessment = msgspec.structs.replace(fleet(), sources=two)
    ages = [series for name, series in scraped(expose(seen)).items() if name.startswith("flinkops_source_")]
    assert ages
    for series in ages:
        assert {dict(labels)["source"] for labels in series} == {"east", "west"}


@pytest.mark.parametrize(
    ("skew", "delay", "limit"), [(None, None, None), (30.0, None, 30.0), (None, 5.0, None), (30.0, 5.0, 65.0)]
)
def test_the_limit_of_skew_follows_the_delay_that_a_class_declares(
    skew: float | None, delay: float | None, limit: float | None
) -> None:
    found = msgspec.structs.replace(
        Policy().classes[Policy().default_class],
        skew_seconds=skew,
        watermark_delay_seconds=delay,
        skew_margin_seconds=60.0,
    )
    assert _skew_limit(found) == limit


@pytest.mark.parametrize(
    ("overrides", "drifted"),
    [("", None), ("work:2", 0), ("work:3,sink:2", 1), ("{work=3, sink=4}", 2), ("elsewhere:3", 0), ("work:many", None)],
)
def test_an_override_that_cannot_be_read_is_no_drift(overrides: str, drifted: int | None) -> None:
    assert drifted_vertices(builders.job(configuration={OVERRIDES: overrides})) == drifted


def test_windows_of_up_to_an_hour_are_read_from_the_gauge_itself() -> None:
    assert (DIRECT_MINUTES, LONG_MINUTES) == (60, 12 * 60)
    rules = {
        rule["record"]: rule["expr"] for group in groups(AlertSettings()) for rule in group["rules"] if "record" in rule
    }
    assert {record for record, expr in rules.items() if "flinkops_job_slo_good" in expr} == {
        ratio_name(minutes) for minutes in (5, 30, 60)
    }


def test_the_help_of_a_measure_is_its_meaning_as_a_sentence() -> None:
    for each, metric in zip(MEASURES, MEASURED_METRICS, strict=True):
        first, rest = each.meaning[0], each.meaning[1:]
        assert metric.help.startswith(f"{first.upper()}{rest}. ")
