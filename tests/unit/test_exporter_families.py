"""The exposition is valid and honest whatever the jobs are called and whatever is unknown."""

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.exporter.families import Options, families
from flinkops.exporter.shard import Shard
from flinkops.model.assessment import Checkpoints, FleetAssessment, Health, Reason, VertexAssessment
from flinkops.model.facts import FleetSnapshot, JobKey, SourceState, SourceStatus
from flinkops.model.reasons import ReasonCode
from flinkops.observability.metrics import FLEET_METRICS, JOB_METRICS, VERTEX_METRICS
from flinkops.observability.metrics.fleet import FleetView
from tests.effort import examples
from tests.unit.assessments import FACTS, HEALTHY, NOW_MS, UNKNOWN, fleet, job
from tests.unit.promtool import promtool

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


def view(assessment: FleetAssessment | None) -> FleetView:
    return FleetView("0.1.0", "3.11.0", 1, 1, 3, 0, 0, assessment.taken_ms if assessment else None, assessment)


def expose(assessment: FleetAssessment | None, *, openmetrics: bool = False, **options: object) -> str:
    chosen = Options(**options)  # type: ignore[arg-type]

    class Fixed(Collector):
        def collect(self):  # type: ignore[no-untyped-def]
            return families(view(assessment), chosen)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Fixed())
    return (generate_openmetrics if openmetrics else generate_latest)(registry).decode()


def scraped(text: str) -> Samples:
    """Samples by name and labels; fails on a repeated one."""
    found: Samples = {}
    for family in parse_text(text):
        for sample in family.samples:
            series = found.setdefault(sample.name, {})
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in series, (sample.name, labels)
            series[labels] = sample.value
    return found


def test_every_metric_of_the_catalogue_comes_from_a_job_with_everything_known() -> None:
    reasons = Health("warning", (Reason(ReasonCode.SKEW_HIGH, "late"),))
    facts = msgspec.structs.replace(FACTS, running_since_ms=NOW_MS - 3_600_000)
    samples = scraped(expose(fleet(job(health=reasons, facts=facts, late_ratio=0.2)), vertices=True))
    wanted = {m.name for metrics in (FLEET_METRICS, JOB_METRICS, VERTEX_METRICS) for m in metrics}
    missing = wanted - set(samples) - {m for m in wanted if m.startswith("flinkops_cluster_")}
    assert not missing


def test_findings_above_info_have_a_series_and_what_is_well_or_unseen_has_none() -> None:
    facts = msgspec.structs.replace(FACTS, running_since_ms=NOW_MS - 3_600_000)
    series = scraped(expose(fleet(job(facts=facts, late_ratio=0.2))))["flinkops_job_finding"]
    assert [dict(labels)["code"] for labels in series] == ["watermark-delay"]
    assert set(series.values()) == {1.0}
    assert "flinkops_job_finding" not in scraped(expose(fleet(HEALTHY)))
    assert "flinkops_job_finding" not in scraped(expose(fleet(UNKNOWN)))


def test_the_contract_s_names_and_labels() -> None:
    samples = scraped(expose(fleet(HEALTHY)))
    of_job = (("cluster", "blue"), ("job", "orders"), ("namespace", "shop"))
    assert samples["flinkops_job_processing_latency_seconds"] == {
        (*of_job, ("quantile", "0.5")): 0.01,
        (*of_job, ("quantile", "0.99")): 0.04,
    }
    assert samples["flinkops_job_delivery_latency_seconds"] == {
        (*of_job, ("quantile", "0.5")): 0.012,
        (*of_job, ("quantile", "0.99")): 0.038,
    }
    assert samples["flinkops_job_health"][(("cluster", "blue"), ("job", "orders"), ("level", "ok"), of_job[2])] == 1
    assert samples["flinkops_job_restarts_total"] == {of_job: 1}
    assert samples["flinkops_job_slo_good"] == {
        (*of_job, ("slo", slo)): 1.0 for slo in ("availability", "latency", "skew", "checkpoint")
    }
    assert samples["flinkops_source_up"] == {(("source", "blue"),): 1}


def test_unknown_is_absent_not_zero() -> None:
    samples = scraped(expose(fleet(UNKNOWN)))
    of_jobs = {name for name in samples if name.startswith("flinkops_job_")}
    assert of_jobs == {
        "flinkops_job_info",
        "flinkops_job_health",
        "flinkops_job_instances",
    }


def test_what_was_known_of_a_source_that_fails_now_is_not_shown_as_if_it_were_now() -> None:
    facts = msgspec.structs.replace(FACTS, seen_ms=NOW_MS - 20_000)
    gone = SourceStatus(name="blue", kind="rest", state="unreachable", age_seconds=20.0, error="refused")
    assessed = assess(FleetSnapshot(NOW_MS, sources=(gone,), jobs=(facts,)), {}, Policy())
    samples = scraped(expose(assessed))
    of_jobs = {name for name in samples if name.startswith("flinkops_job_")}
    assert of_jobs == {
        "flinkops_job_info",
        "flinkops_job_health",
        "flinkops_job_health_reason",
        "flinkops_job_instances",
        "flinkops_job_slo_limit_seconds",
        "flinkops_job_data_age_seconds",
    }
    assert _level(assessed) == "unknown"
    assert list(samples["flinkops_source_up"].values()) == [0]


@pytest.mark.parametrize(
    ("state", "age_seconds", "up"),
    [
        ("ok", 0.0, 1),
        ("stale", 20.0, 1),
        ("stale", 61.0, 0),
        ("stale", None, 0),
        ("unreachable", 5.0, 0),
        ("denied", None, 0),
        ("denied", 5.0, 0),
    ],
)
def test_a_slow_source_is_up_and_a_silent_one_is_not(state: SourceState, age_seconds: float | None, up: int) -> None:
    source = SourceStatus(name="blue", kind="rest", state=state, age_seconds=age_seconds)
    assessment = msgspec.structs.replace(fleet(), sources=(source,))
    assert list(scraped(expose(assessment))["flinkops_source_up"].values()) == [up]


def test_a_job_without_any_checkpoint_yet_is_measured_by_its_uptime() -> None:
    none_yet = Checkpoints("FAILED", failed_in_a_row=9)
    for uptime, good in ((29.0, 1.0), (31.0, 0.0)):
        samples = scraped(expose(fleet(job(checkpoints=none_yet, uptime_seconds=uptime))))["flinkops_job_slo_good"]
        assert [value for labels, value in samples.items() if ("slo", "checkpoint") in labels] == [good]


def test_nothing_seen_yet_still_gives_the_exporter_itself() -> None:
    samples = scraped(expose(None))
    assert "flinkops_build_info" in samples
    assert "flinkops_snapshot_timestamp_seconds" not in samples


def test_nan_and_infinity_are_unknown() -> None:
    samples = scraped(expose(fleet(job(records_in_per_second=float("nan"), late_ratio=float("inf")))))
    assert "flinkops_job_records_in_per_second" not in samples
    assert "flinkops_job_late_ratio" not in samples


@pytest.mark.parametrize("state", ["RESTARTING", "FAILED", "RUNNING", "FINISHED", "UNKNOWN"])
def test_availability_by_state(state: str) -> None:
    good = scraped(expose(fleet(job(state=state)))).get("flinkops_job_slo_good", {})
    availability = {value for labels, value in good.items() if ("slo", "availability") in labels}
    assert availability == {"RUNNING": {1.0}, "FINISHED": set(), "UNKNOWN": set()}.get(state, {0.0})


def test_a_live_job_hides_an_ended_one_of_the_same_name_and_the_worst_a_better() -> None:
    ended = job(state="FAILED", health=Health("critical"))
    assert _level(fleet(ended, HEALTHY)) == "ok"
    assert _level(fleet(HEALTHY, job(health=Health("warning")), ended)) == "warning"
    assert list(scraped(expose(fleet(HEALTHY, HEALTHY)))["flinkops_job_instances"].values()) == [2]


def _level(assessment: FleetAssessment) -> str:
    health = scraped(expose(assessment))["flinkops_job_health"]
    return next(dict(labels)["level"] for labels, value in health.items() if value)


def test_shards_are_disjoint_and_together_the_fleet() -> None:
    assessment = fleet(*(job(name=f"job-{number}") for number in range(200)))
    shares = [
        {dict(labels)["job"] for labels in scraped(expose(assessment, shard=Shard(i, 4)))["flinkops_job_info"]}
        for i in (1, 2, 3, 4)
    ]
    assert sum(map(len, shares)) == 200
    assert len(set.union(*shares)) == 200
    assert all(30 < len(share) < 70 for share in shares)


def test_shards_stay_as_they_are_over_releases() -> None:
    assert [Shard(i, 4).owns(JobKey("blue", "shop", "orders")) for i in (1, 2, 3, 4)] == [False, True, False, False]


hostile = st.text(max_size=300) | st.sampled_from(
    ['a"b\\c\n{x="y"} 1', "\x00\x1b[31m", "\ud800", "", " ", "x" * 5000, "# EOF", "\u2028", "\r\n"]
)


@settings(max_examples=examples(1))
@given(names=st.lists(st.tuples(hostile, st.none() | hostile, hostile), min_size=1, max_size=6))
def test_hostile_names_never_make_an_invalid_exposition(names: list[tuple[str, str | None, str]]) -> None:
    vertices = (VertexAssessment(names[0][0], names[0][0], 1), VertexAssessment(names[0][0], "twin", 1))
    jobs = [job(name=name, namespace=space, cluster=cluster, vertices=vertices) for name, space, cluster in names]
    text = expose(fleet(*jobs), vertices=True)
    assert 1 <= len(scraped(text)["flinkops_job_info"]) <= len(names)
    list(parse_openmetrics(expose(fleet(*jobs), vertices=True, openmetrics=True)))  # type: ignore[no-untyped-call]


def test_prometheus_accepts_the_exposition() -> None:
    hostile_job = job(name='a"b\\c\n{x="y"} 1 \x00\x1b[31m \ud800', namespace="x" * 5000)
    reasons = Health("warning", (Reason(ReasonCode.SKEW_HIGH, "late"),))
    text = expose(fleet(hostile_job, job(health=reasons), UNKNOWN), vertices=True)
    checked = promtool("check", "metrics", stdin=text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def _many(count: int, vertices: int = 1) -> FleetAssessment:
    chain = tuple(msgspec.structs.replace(HEALTHY.vertices[0], id=f"v{number}") for number in range(vertices))
    return fleet(*(job(name=f"job-{number}", vertices=chain) for number in range(count)))


def _cpu_seconds(assessment: FleetAssessment, *, vertices: bool = False) -> tuple[float, str]:
    started = time.thread_time()
    text = expose(assessment, vertices=vertices)
    return time.thread_time() - started, text


@pytest.mark.thorough
@pytest.mark.parametrize(("jobs", "vertices", "name"), [(1000, 1, "job_info"), (10, 1000, "vertex_busy_ratio")])
def test_ten_times_the_fleet_takes_at_most_fifteen_times_as_long(jobs: int, vertices: int, name: str) -> None:
    few, many = _many(jobs // 10, vertices), _many(jobs, vertices)
    short = max(_cpu_seconds(few, vertices=vertices > 1)[0] for _ in range(3))
    seconds, text = _cpu_seconds(many, vertices=vertices > 1)
    assert text.count(f"flinkops_{name}{{") == jobs * vertices
    assert seconds < 15 * short


def test_the_catalogue_has_no_job_id_label_beyond_the_info() -> None:
    labelled = {m.name for metrics in (JOB_METRICS, VERTEX_METRICS) for m in metrics if "job_id" in m.labels}
    assert labelled == {"flinkops_job_info"}
