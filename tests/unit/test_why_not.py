"""`doctor --why-not CODE`: which fact a rule missed, or which limit was not reached."""

import json
from pathlib import Path

import pytest

from flinkops.diagnose.diagnosis import diagnose, why_not
from flinkops.diagnose.evidence import decode_evidence
from flinkops.diagnose.rules import RULES
from flinkops.model.facts import JobFacts, Spread
from flinkops.model.findings import Condition
from tests.unit.builders import snapshot, spread, with_vertex
from tests.unit.command_line import Cli
from tests.unit.doctor_cases import evidence, job
from tests.unit.test_doctor_command import ill, recorded
from tests.unit.test_doctor_samples import FOLDER

SAMPLES = sorted(FOLDER.glob("*/*.json"))


def uneven(share: float, busy: float = 0.9) -> JobFacts:
    """One of two subtasks of `work` gets that share of 100 records a second."""
    rates = Spread(min=100 * (1 - share), max=100 * share, avg=50.0, sum=100.0)
    return with_vertex(job(), "work", records_in_per_second=rates, busy_ratio=spread(busy))


def missed(answer: tuple[Condition, ...]) -> list[Condition]:
    return [each for each in answer if not each.met]


@pytest.mark.parametrize(("share", "busy", "what"), [(0.75, 0.9, "fullest subtask"), (0.9, 0.6, "busy")])
def test_the_limit_that_was_not_reached_is_named_with_its_number(share: float, busy: float, what: str) -> None:
    answer = why_not(evidence(uneven(share, busy)), "key-skew")
    assert (answer.verdict, answer.findings, answer.place) == ("not-named", (), None)
    (condition,) = [each for each in missed(answer.conditions) if '"vertex work"' in each.text]
    assert what in condition.text
    assert condition.value == (share if what == "fullest subtask" else busy)
    assert condition.relation == "≥"
    assert condition.limit in (0.8, 0.7)


def test_what_was_named_says_where_it_stands() -> None:
    answer = why_not(evidence(uneven(0.9)), "key-skew")
    assert (answer.verdict, answer.place) == ("named", 1)
    assert answer.findings[0].code == "key-skew"


def test_what_could_not_be_asked_says_why() -> None:
    ended = why_not(evidence(job(state="FINISHED")), "backpressure")
    assert (ended.verdict, ended.conditions) == ("not-assessed", ())
    assert "has ended" in (ended.why or "")
    blind = why_not(evidence(with_vertex(job(), "work", backpressured_ratio=None)), "backpressure")
    assert blind.verdict == "not-assessed"
    assert "backPressuredTimeMsPerSecond" in (blind.why or "")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_of_real_jobs_each_rule_that_names_nothing_has_a_reason(path: Path) -> None:
    seen = decode_evidence(path.read_bytes())
    named = {each.code for each in diagnose(seen).findings}
    for code in RULES:
        answer = why_not(seen, code)
        assert (answer.verdict == "named") is (code in named), code
        if answer.verdict == "not-named":
            assert missed(answer.conditions), f"{code} names nothing and missed nothing"
        elif answer.verdict == "named":
            assert answer.place is not None
            assert any(each.met for each in answer.conditions), code
        else:
            assert answer.why


def test_the_command_prints_questions_with_yes_and_no(cli: Cli, tmp_path: Path) -> None:
    recording = recorded(tmp_path / "a.rec", snapshot(ill()))
    ran = cli("doctor", "--replay", recording, "--why-not", "key-skew")
    assert ran.code == 0
    first, *rest = ran.out.splitlines()
    assert "key-skew is not named" in first
    assert any(line.startswith("  no  ") and "≥" in line for line in rest)
    named = cli("doctor", "--replay", recording, "--why-not", "backpressure")
    assert "backpressure is named, in place 1" in named.out
    assert "  yes backpressure of the worst subtask: 90% > 50%" in named.out


def test_the_document(cli: Cli, tmp_path: Path) -> None:
    recording = recorded(tmp_path / "a.rec", snapshot(ill()))
    ran = cli("doctor", "--replay", recording, "--why-not", "key-skew", "-o", "json")
    document = json.loads(ran.out)
    assert list(document) == ["schema_version", "jobs"]
    (told,) = document["jobs"]
    assert list(told) == ["name", "code", "verdict", "why", "conditions", "findings", "place"]
    assert list(told["conditions"][0]) == ["text", "met", "value", "relation", "limit", "unit"]


@pytest.mark.parametrize(("code", "hint"), [("keyskew", 'did you mean "key-skew"?'), ("zzz", "one of state-bloat")])
def test_an_unknown_code_is_wrong_usage(cli: Cli, tmp_path: Path, code: str, hint: str) -> None:
    ran = cli("doctor", "--replay", recorded(tmp_path / "a.rec", snapshot(ill())), "--why-not", code)
    assert ran.code == 2
    assert hint in ran.err
