"""The baselines say what anybody sees, in the order in which it is seen."""

import msgspec

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.diagnose.evidence import gathered
from flinkops.model.facts import CheckpointFacts, CheckpointsFacts, JobFacts
from tests.faults.baselines import alert_rules, flink_ui
from tests.unit.builders import NOW_MS, job, snapshot, spread, with_vertex


def said(facts: JobFacts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    assessment = assess(snapshot(facts), {}, Policy()).jobs[0]
    evidence = gathered(NOW_MS, assessment, ())
    return flink_ui(evidence), alert_rules(evidence)


def test_nothing_is_red_on_a_healthy_job() -> None:
    assert said(job()) == ((), ())


def test_red_things_come_in_the_order_of_the_pages() -> None:
    failed = CheckpointsFacts(enabled=True, history=(CheckpointFacts(1, "FAILED", failure="expired"),))
    held = with_vertex(job(), "src", backpressured_ratio=spread(0.8))
    red, rules = said(msgspec.structs.replace(held, checkpoints=failed, restarts=1))
    assert red == ("restart-loop", "backpressure", "checkpoint-timeout")
    assert "backpressure" in rules
