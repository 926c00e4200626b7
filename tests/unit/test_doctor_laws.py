"""Laws of the doctor: what nobody knows accuses nobody, the order is stable, hostile text stays text."""

import random
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flinkops.diagnose.causes import SEVERITY_ORDER, in_order, score
from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.rules import RULES
from flinkops.model.facts import CheckpointsFacts, JobFacts, Spread, VertexFacts
from flinkops.model.findings import Finding
from flinkops.outside.masking import masked_text
from flinkops.render.doctor import doctor_csv, doctor_json, doctor_text
from tests.effort import examples
from tests.unit.builders import NOW_MS, failing, spread, with_vertex
from tests.unit.doctor_cases import above_info, detail, evidence, job, manager

CODES = st.sampled_from(sorted(RULES))
FINDINGS = st.lists(
    st.builds(
        Finding,
        code=CODES,
        severity=st.sampled_from(["critical", "warning", "info"]),
        confidence=st.floats(0, 1),
        title=st.text(max_size=5),
    ),
    max_size=12,
)
NUMBERS = st.none() | st.floats() | st.integers(-(2**63), 2**63 - 1).map(float)
SPREADS = st.none() | st.builds(Spread, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
_SPREAD_FIELDS = [each.name for each in msgspec.structs.fields(VertexFacts) if each.type == Spread | None]
WILD_VERTICES = st.fixed_dictionaries(dict.fromkeys(_SPREAD_FIELDS, SPREADS))


@given(FINDINGS)
def test_ordering_keeps_every_finding_and_names_causes_first(findings: list[Finding]) -> None:
    ordered = in_order(findings)
    assert set(map(_but_severity, ordered)) == set(map(_but_severity, findings))
    assert all(each not in ordered[:index] for index, each in enumerate(ordered))
    place = {each.code: index for index, each in reversed(list(enumerate(ordered)))}
    for index, each in enumerate(ordered):
        if each.caused_by:
            assert place[each.caused_by] < index


@given(FINDINGS, st.randoms())
def test_the_order_does_not_depend_on_the_order_of_the_rules(findings: list[Finding], chance: random.Random) -> None:
    shuffled = list(findings)
    chance.shuffle(shuffled)
    assert in_order(shuffled) == in_order(findings)


@given(FINDINGS)
def test_a_root_comes_no_later_than_a_less_grave_root(findings: list[Finding]) -> None:
    roots = [SEVERITY_ORDER[each.severity] for each in in_order(findings) if each.caused_by is None]
    assert roots == sorted(roots)


@given(FINDINGS)
def test_the_score_is_green_without_a_warning_and_red_with_a_critical_one(findings: list[Finding]) -> None:
    roots = {each.severity for each in in_order(findings) if each.caused_by is None}
    given_score = score(in_order(findings))
    assert 0 <= given_score <= 100
    if "critical" in roots:
        assert given_score < 60
    elif "warning" in roots:
        assert given_score <= 80


@settings(max_examples=examples(1))
@given(WILD_VERTICES, WILD_VERTICES)
def test_wild_numbers_break_nothing(source: dict[str, Any], work: dict[str, Any]) -> None:
    facts = with_vertex(with_vertex(job(), "src", **source), "work", **work)
    diagnosis = diagnose(evidence(facts))
    assert doctor_json([diagnosis])


def test_nothing_known_is_nothing_above_info() -> None:
    bare = JobFacts(id="a" * 32, name="orders", cluster="prod", seen_ms=NOW_MS, state="RUNNING")
    nothing = evidence(bare, detail=None, cluster=None, unknown={"detail": "timed out"})
    assert above_info(diagnose(nothing)) == []


@given(st.sets(st.sampled_from([each.name for each in msgspec.structs.fields(VertexFacts)][9:]), min_size=1))
def test_what_is_taken_away_adds_no_finding(fields: set[str]) -> None:
    """A healthy job stays healthy, however little of it is known."""
    facts = job()
    defaults = {
        each.name: each.default if each.default_factory is msgspec.NODEFAULT else each.default_factory()
        for each in msgspec.structs.fields(VertexFacts)
    }
    for each in facts.vertices:
        facts = with_vertex(facts, each.id, **{name: defaults[name] for name in fields})
    assert above_info(diagnose(evidence(facts))) == []


@given(st.text(max_size=40))
@example("0/0@0")
def test_hostile_names_reach_no_terminal_and_no_shell(name: str) -> None:
    facts = with_vertex(job(name=name, checkpoints=failing(3)), "src", backpressured_ratio=spread(0.9))
    ill = evidence(facts, detail=detail(taskmanagers=(manager(0.7),)))
    diagnosis = diagnose(ill)
    text = doctor_text([diagnosis])
    assert all(char.isprintable() or char in "\n\u200d" for char in text)  # the joiner only joins what is shown
    assert "\x1b" not in text
    assert msgspec.json.decode(doctor_json([diagnosis]))["jobs"][0]["name"] == masked_text(name)  # `a/b@c` is a login
    assert all(not row.startswith(("=", "@", "+")) for row in doctor_csv([diagnosis]).splitlines())
    for each in diagnosis.findings:
        assert not each.next.split(" ", 2)[-1].startswith("--")


def test_without_checkpoints_the_rest_is_assessed() -> None:
    assert diagnose(evidence(job(checkpoints=CheckpointsFacts(enabled=False)))).score == 100


def _but_severity(finding: Finding) -> tuple[object, ...]:
    """What ordering may not change; two that differ in severity alone become one where a symptom raises the lower."""
    return (finding.code, finding.confidence, finding.title)
