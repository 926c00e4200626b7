"""`flinkops timeline`: what happened, in order, each entry with its source, and what no source covers."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act.journal import Journal
from flinkops.act.timeline import TimelineCollector, of_action, with_actions, with_recording
from flinkops.assess import assess
from flinkops.clock import FixedClock
from flinkops.config.policy import Policy
from flinkops.diagnose.changes import Load, between, gaps_of_recording, in_order, of_events, of_facts
from flinkops.diagnose.diagnosis import diagnose
from flinkops.evidence_collector import EVENTS_OF_JOBS, PollingEvidenceCollector, from_observation
from flinkops.model.detail import KubeEvent, ResourceEvents
from flinkops.model.facts import ExceptionFacts, FleetSnapshot, JobFacts, RescaleFacts, ResourceFacts, RestoredFacts
from flinkops.model.observation import Observation
from flinkops.model.plan import Plan, Target
from flinkops.model.timeline import Entry, Timeline
from flinkops.recording import Recorder
from flinkops.render.doctor import doctor_document, doctor_text
from flinkops.render.timeline import timeline_csv
from tests.fake_flink import FakeFlink
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, job, snapshot, spread, with_vertex
from tests.unit.command_line import Cli

HOUR_MS = 3_600_000


def told(entries: Any) -> list[tuple[str, str]]:
    return [(each.kind, each.text) for each in entries]


def collected(observation: Observation, **add: Any) -> TimelineCollector:
    found = TimelineCollector(NOW_MS - 2 * HOUR_MS, NOW_MS, add.get("wanted", lambda _: True))
    found.add_observation(observation)
    return found


def observed(*jobs: JobFacts, **status: Any) -> Observation:
    seen = snapshot(*jobs, **status)
    return Observation(seen, assess(seen, {}, Policy()), {})


class TestFacts:
    def test_flink_s_own_history_is_told_with_the_root_cause(self) -> None:
        chain = "java.lang.RuntimeException: a\nCaused by: com.acme.PriceException: price of A1 is -3"
        failed = {"status": "FAILED", "failure": "a.b.IOException: disk is full", "failed_ms": NOW_MS - 8_000}
        points = checkpoints(
            history=(
                checkpoint(12, NOW_MS - 5_000, is_savepoint=True, external_path="s3://b/sp-12"),
                checkpoint(11, NOW_MS - 9_000, **failed),
                checkpoint(10, NOW_MS - 20_000),
            ),
            restored=RestoredFacts(9, NOW_MS - HOUR_MS, is_savepoint=True, external_path="s3://b/sp-9"),
        )
        facts = job(
            restarts=2,
            exceptions=(ExceptionFacts(NOW_MS - 60_000, "x", chain, "work", "tm-1"),),
            rescales=(RescaleFacts(NOW_MS - 30_000, NOW_MS - 29_000, "COMPLETED", "UPDATE_REQUIREMENT", None),),
            checkpoints=points,
        )
        assert told(in_order(of_facts(facts), 0, NOW_MS)) == [
            ("start", f"submitted as job {'a' * 32}"),
            ("start", "restored from savepoint 9 s3://b/sp-9"),
            ("restart", "RUNNING again, after 2 restarts"),
            ("failure", "com.acme.PriceException: price of A1 is -3 in work"),
            ("rescale", "UPDATE_REQUIREMENT, COMPLETED"),
            ("checkpoint", "checkpoint 11 failed: a.b.IOException: disk is full"),
            ("savepoint", "savepoint 12 COMPLETED s3://b/sp-12"),
        ]

    def test_an_end_says_which_action_of_ours_it_was(self) -> None:
        ended = job(state="CANCELED", ended_ms=NOW_MS, ended_by="suspend p1")
        assert ("end", "ended: CANCELED, by suspend p1 of ours") in told(of_facts(ended))

    def test_of_the_operator_s_resource_edits_are_told(self) -> None:
        resource = ResourceFacts("prod", "shop", "orders", "1", generation=7, spec_changed_ms=NOW_MS - 1_000)
        assert ("config", "the spec was edited (generation 7)") in told(of_facts(job(resource=resource)))

    def test_events_carry_their_count(self) -> None:
        event = KubeEvent(NOW_MS, "Warning", "FailedScheduling", "Pod/orders-tm-1", "0/3 nodes\n are available", 4)
        (entry,) = of_events(job(), ResourceEvents((event,)))
        assert entry.text == "FailedScheduling Pod/orders-tm-1: 0/3 nodes are available (4 times)"
        assert entry.source == "kubernetes"


def later(facts: JobFacts, seconds: float, **fields: Any) -> JobFacts:
    return msgspec.structs.replace(facts, seen_ms=facts.seen_ms + round(seconds * 1000), **fields)


class TestBetween:
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (lambda j: later(j, 5), []),
            (lambda j: later(j, 5, id="b" * 32), [("deployment", f"{'b' * 32} took the place of {'a' * 32}")]),
            (lambda j: later(j, 5, restarts=3), [("restart", "restarts: 0 -> 3")]),
            (lambda j: later(j, 5, state="FAILED"), [("end", "RUNNING -> FAILED")]),
            (lambda j: later(j, 5, state="RESTARTING"), [("restart", "RUNNING -> RESTARTING")]),
            (lambda j: later(j, 5, flink_version="2.4.0"), [("deployment", "Flink 2.3.0 -> 2.4.0")]),
            (lambda j: with_vertex(later(j, 5), "work", parallelism=4),
             [("rescale", 'parallelism of "vertex work": 2 -> 4')]),
            (lambda j: later(j, 5, configuration={"a": "2", "c": "y" * 80}),
             [("config", "a: 1 -> 2"), ("config", "b: x -> (not set)"), ("config", f"c: (not set) -> {'y' * 59}…")]),
            (lambda j: later(j, 5, configuration={}), []),
        ],
    )  # fmt: skip
    def test_what_is_another(self, change: Callable[[JobFacts], JobFacts], expected: list[tuple[str, str]]) -> None:
        before = job(configuration={"a": "1", "b": "x"})
        assert told(between(snapshot(before), snapshot(change(before)))) == expected

    def test_a_job_that_appears_or_is_gone_while_its_source_answers(self) -> None:
        one, both = snapshot(job()), snapshot(job(), job(name="new", id="b" * 32))
        assert told(between(one, both)) == [("deployment", f"appeared as {'b' * 32}, RUNNING")]
        assert told(between(both, one)) == [("end", "is gone; it was RUNNING")]

    @pytest.mark.parametrize("state", ["unreachable", "denied", "stale"])
    def test_nothing_is_gone_or_new_where_the_source_did_not_answer(self, state: str) -> None:
        both = snapshot(job(), job(name="new", id="b" * 32))
        assert told(between(both, snapshot(job(), state=state))) == []
        assert told(between(snapshot(job(), state=state), both)) == []

    def test_ended_jobs_of_the_same_name_are_not_the_job(self) -> None:
        """An upgrade leaves the old one behind."""
        old, new = job(state="FINISHED", started_ms=1), job(id="b" * 32, started_ms=2)
        assert told(between(snapshot(old, new), snapshot(new, old))) == []


def rates(*per_second: float | None) -> list[tuple[str, str]]:
    load = Load()
    found: list[Entry] = []
    for number, rate in enumerate(per_second):
        flow = None if rate is None else spread(rate)
        facts = with_vertex(later(job(), number * 5), "src", records_in_per_second=flow)
        found += load.at(snapshot(facts))
    return told(found)


@pytest.mark.parametrize(
    ("per_second", "expected"),
    [
        ((100, 150, 190, 120), []),
        ((100, 400, 100, 400), []),
        ((100, 400, 410, 420), [("load", "records in: 100/s -> 410/s")]),
        ((100, 400, 410, 100, 90), [("load", "records in: 100/s -> 410/s"), ("load", "records in: 410/s -> 90/s")]),
        ((100, None, 400, 410), [("load", "records in: 100/s -> 410/s")]),
        ((0.1, 0.5, 0.6, 0.7), []),
        ((100, 0, 0), [("load", "records in: 100/s -> 0/s")]),
    ],
)
def test_load_is_told_when_it_is_another_for_some_polls(
    per_second: tuple[float | None, ...], expected: list[tuple[str, str]]
) -> None:
    assert rates(*per_second) == expected


def test_an_action_is_told_when_it_began_and_when_it_ended(tmp_path: Path) -> None:
    plan = Plan(
        id="p1", verb="upgrade", target=Target("prod", "orders", "a" * 32), created_ms=1, diff=("parallelism: 1 -> 2",)
    )
    Journal(tmp_path, FixedClock(1_000)).append("planned", plan, "hash")
    Journal(tmp_path, FixedClock(9_000)).append(
        "finished", plan, "hash", outcome="rolled-back", error="it did not start"
    )
    (record,) = Journal(tmp_path, FixedClock(1)).records()
    begun, ended = of_action(record)
    assert (begun.at_ms, ended.at_ms) == (1_000, 9_000)
    assert begun.text.startswith("upgrade p1 by ")
    assert begun.text.endswith(": parallelism: 1 -> 2")
    assert ended.text == "upgrade p1: rolled-back: it did not start"


class TestCollector:
    def test_entries_are_in_order_within_the_span_and_told_once(self) -> None:
        facts = job(started_ms=NOW_MS - 3 * HOUR_MS, running_since_ms=NOW_MS - HOUR_MS, restarts=1)
        found = collected(observed(facts))
        found.add_observation(observed(facts))
        told_of = found.timeline()
        assert told(told_of.entries) == [("restart", "RUNNING again, after 1 restarts")]
        assert [each.at_ms for each in told_of.entries] == sorted(each.at_ms for each in told_of.entries)

    def test_findings_of_now_are_the_last(self) -> None:
        ill = with_vertex(job(), "src", backpressured_ratio=spread(0.9))
        last = collected(observed(with_vertex(ill, "work", busy_ratio=spread(0.98)))).timeline().entries[-1]
        assert (last.kind, last.source, last.at_ms) == ("finding", "doctor", NOW_MS)

    def test_what_is_not_covered_is_said(self, tmp_path: Path) -> None:
        facts = job(unknown={"rescales": "this Flink keeps no history of rescales"})
        found = collected(observed(facts, state="unreachable", error="refused"))
        found.add_journal(Journal(tmp_path, FixedClock(1)))
        found.without_recording()
        whys = [f"{each.source}: {each.why}" for each in found.timeline().not_covered]
        assert "flink: orders: rescales: this Flink keeps no history of rescales" in whys
        assert "flink: prod is unreachable: refused" in whys
        assert any(each.startswith("journal: ") and "on this machine" in each for each in whys)
        assert any(each.startswith("recording: none was given") for each in whys)

    def test_events_are_asked_of_those_that_know_some(self) -> None:
        class Kubernetes:
            def events(self, facts: JobFacts) -> ResourceEvents:
                event = KubeEvent(NOW_MS - 1, "Normal", "SpecChanged", "FlinkDeployment/orders", "upgrade")
                return ResourceEvents((event,), unknown={"stuck": "pods cannot be listed"})

        resource = ResourceFacts("prod", "shop", "orders", "1")
        seen = observed(job(resource=resource, namespace="shop"), job(name="rest", id="b" * 32))
        found = collected(seen)
        found.add_events({"prod": Kubernetes()}, seen)
        shown = found.timeline()
        assert [each.job for each in shown.entries if each.kind == "config"] == ["orders"]
        whys = [each.why for each in shown.not_covered]
        assert "orders: pods cannot be listed" in whys
        assert "Kubernetes keeps events for an hour" in whys

    def test_another_job_s_actions_are_left_out(self, tmp_path: Path) -> None:
        for name, job_id in (("orders", "a" * 32), ("other", "b" * 32)):
            plan = Plan(id=name, verb="restart", target=Target("prod", name, job_id), created_ms=1)
            Journal(tmp_path, FixedClock(NOW_MS - 1_000)).append("planned", plan, "hash")
        found = collected(observed(job(), job(name="other", id="b" * 32)), wanted=lambda each: each.name == "orders")
        found.add_journal(Journal(tmp_path, FixedClock(1)))
        assert {each.job for each in found.timeline().entries} == {"orders"}


def recorded(path: Path, *snapshots: FleetSnapshot) -> Path:
    with Recorder(path) as recorder:
        for each in snapshots:
            recorder.write(each)
    return path


def day(tmp_path: Path) -> Path:
    """Rescaled, then reconfigured, then held up."""
    first = job(configuration={"parallelism.default": "2"})
    second = with_vertex(later(first, 10), "work", parallelism=4)
    third = later(second, 10, configuration={"parallelism.default": "4"})
    fourth = with_vertex(later(third, 10), "src", backpressured_ratio=spread(0.9))
    states = (first, second, third, fourth, later(fourth, 10))
    return recorded(tmp_path / "day.rec", *(snapshot(each, taken_ms=each.seen_ms) for each in states))


def test_a_recording_tells_changes_health_and_its_gaps(tmp_path: Path) -> None:
    found = TimelineCollector(NOW_MS - HOUR_MS, NOW_MS + 60_000, lambda _: True)
    found.add_recording(day(tmp_path), Policy())
    shown: Timeline = found.timeline()
    kinds = [(each.kind, each.text.partition(":")[0]) for each in shown.entries]
    assert kinds == [
        ("rescale", 'parallelism of "vertex work"'),
        ("config", "parallelism.default"),
        ("health", "ok -> warning"),
    ]
    assert {each.source for each in shown.entries} == {"recording"}
    assert [each.why for each in shown.not_covered] == ["no snapshot for 60 min from 2027-01-15 07:00Z on"]


def test_a_recording_of_another_time_covers_nothing() -> None:
    assert [each.why for each in gaps_of_recording([1, 2], 10, 20)] == ["it has no snapshot of this time"]


class TestCommand:
    def test_a_replay_ends_with_the_recording(self, cli: Cli, tmp_path: Path) -> None:
        ran = cli("timeline", "orders", "--replay", str(day(tmp_path)), "--since", "5m", "-o", "json")
        assert ran.code == 0
        document = json.loads(ran.out)
        assert list(document) == ["schema_version", "since", "until", "entries", "not_covered"]
        assert list(document["entries"][0]) == ["at", "cluster", "namespace", "job", "kind", "source", "text"]
        assert document["until"] == "2027-01-15T08:00:40.000Z"
        assert [each["kind"] for each in document["entries"]][:2] == ["rescale", "config"]

    def test_of_a_live_cluster_flink_s_history_is_shown(self, cli: Cli, flink: FakeFlink) -> None:
        ran = cli("timeline", "--rest", flink.url, "--since", "90d")
        assert ran.code == 0
        assert "submitted as" in ran.out
        assert "not covered:" in ran.out
        assert "\x1b" not in ran.out

    @pytest.mark.parametrize("form", ["table", "wide", "yaml", "jsonl", "csv", "name"])
    def test_every_form(self, cli: Cli, tmp_path: Path, form: str) -> None:
        ran = cli("timeline", "--replay", str(day(tmp_path)), "-o", form)
        assert ran.code == 0
        assert "orders" in ran.out

    def test_a_job_that_nobody_knows_is_said(self, cli: Cli, flink: FakeFlink) -> None:
        ran = cli("timeline", "nowhere", "--rest", flink.url)
        assert ran.code == 0
        assert "nothing is known to have happened" in ran.out
        assert 'no source has a job "nowhere" now' in ran.err

    def test_without_any_source_the_journal_is_shown_and_the_exit_code_says_so(self, cli: Cli) -> None:
        ran = cli("timeline", "--rest", "http://127.0.0.1:9")
        assert ran.code == 3
        assert "not covered:" in ran.out

    @pytest.mark.parametrize("since", ["soon", "-5m", ""])
    def test_a_bad_duration_is_wrong_usage(self, cli: Cli, since: str) -> None:
        ran = cli("timeline", f"--since={since}", "--rest", "http://127.0.0.1:9")
        assert ran.code == 2
        assert "--since" in ran.err


# ---- what changed in the last hour, beside the findings


def held_up(**fields: Any) -> JobFacts:
    facts = with_vertex(job(**fields), "src", backpressured_ratio=spread(0.9), busy_ratio=spread(0.1))
    return with_vertex(facts, "work", busy_ratio=spread(0.98))


RESCALED = (
    RescaleFacts(NOW_MS - 600_000, NOW_MS - 590_000, "COMPLETED", "UPDATE_REQUIREMENT", None),
    RescaleFacts(NOW_MS - 2 * HOUR_MS, NOW_MS - 2 * HOUR_MS, "COMPLETED", "INITIAL_SCHEDULE", None),
)


def test_changes_of_the_last_hour_stand_beside_the_findings() -> None:
    (ill,) = from_observation(observed(held_up(rescales=RESCALED, started_ms=1)))
    diagnosis = diagnose(ill)
    assert [(each.kind, each.source) for each in diagnosis.changes] == [("rescale", "flink")]
    text = doctor_text([diagnosis])
    assert "changed in the last hour:" in text
    assert "07:50:00Z rescale (flink): UPDATE_REQUIREMENT, COMPLETED" in text


def test_beside_a_healthy_job_they_are_in_the_document_only() -> None:
    (well,) = from_observation(observed(job(rescales=RESCALED, started_ms=1)))
    assert "changed" not in doctor_text([diagnose(well)])
    assert [each["kind"] for each in doctor_document([diagnose(well)])["jobs"][0]["changes"]] == ["rescale"]


def test_only_the_newest_few_are_shown() -> None:
    many = tuple(RescaleFacts(NOW_MS - 60_000 * number, None, "", f"cause {number}") for number in range(1, 10))
    (ill,) = from_observation(observed(held_up(rescales=many, started_ms=1)))
    text = doctor_text([diagnose(ill)])
    assert "the newest 5 of 9" in text
    assert "cause 1," in text
    assert "cause 6," not in text


def test_actions_of_ours_and_what_a_recording_tells_are_among_them(tmp_path: Path) -> None:
    plan = Plan(id="p1", verb="rescale", target=Target("prod", "orders", "a" * 32), created_ms=1, diff=("2 -> 4",))
    other = Plan(id="p2", verb="rescale", target=Target("prod", "other", "b" * 32), created_ms=1)
    journal = Journal(tmp_path, FixedClock(NOW_MS - 60_000))
    for each in (plan, other):
        journal.append("planned", each, "hash")
    evidence = from_observation(observed(held_up(started_ms=1)))
    (acted,) = with_actions(evidence, journal)
    assert [each.text.partition(" by")[0] for each in acted.changes] == ["rescale p1"]
    (seen,) = with_recording([msgspec.structs.replace(acted, taken_ms=NOW_MS + 40_000)], day(tmp_path), Policy())
    assert [each.kind for each in seen.changes] == ["action", "rescale", "config"]


def test_events_are_asked_of_a_few_jobs_that_are_not_well() -> None:
    asked: list[str] = []

    class Kubernetes:
        def events(self, facts: JobFacts) -> ResourceEvents:
            asked.append(facts.name)
            return ResourceEvents((KubeEvent(NOW_MS - 1, "Normal", "SpecChanged", "FlinkDeployment/x", "upgrade"),))

    resource = ResourceFacts("prod", "shop", "orders", "1")
    jobs = [
        held_up(name=f"ill-{number}", id=f"{number:032x}", resource=resource) for number in range(EVENTS_OF_JOBS + 2)
    ]
    evidence = from_observation(observed(*jobs, job(name="well", resource=resource), held_up(name="rest")))
    collector = PollingEvidenceCollector.__new__(PollingEvidenceCollector)
    collector._sources = {"prod": Kubernetes()}
    told_of = collector.with_events(evidence)
    assert len(asked) == EVENTS_OF_JOBS
    assert {name.partition("-")[0] for name in asked} == {"ill"}
    assert sum(any(each.kind == "config" for each in one.changes) for one in told_of) == EVENTS_OF_JOBS


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", " =HYPERLINK(1)", "\t@SUM(1)", "+1"])
def test_no_cell_of_its_csv_is_a_formula(text: str) -> None:
    entry = Entry(at_ms=NOW_MS, cluster="c", namespace=None, job=text, kind="restart", text=text, source="flink")
    _, row = csv.reader(timeline_csv(Timeline(since_ms=0, until_ms=NOW_MS, entries=(entry,))).splitlines())
    assert [cell[0] for cell in (row[1], row[-1])] == ["'", "'"]
