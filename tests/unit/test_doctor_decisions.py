"""Every question that the rules ask of the recorded jobs, with its numbers: a limit that moves shows here.

Numbers and codes alone; sentences may change. `FLINKOPS_UPDATE_GOLDEN=1 pytest tests/unit/test_doctor_decisions.py`
writes the file anew.
"""

from collections.abc import Iterator
from pathlib import Path

from flinkops.diagnose.diagnosis import diagnose, why_not
from flinkops.diagnose.rules import RULES
from flinkops.model.findings import Condition, Finding
from tests.goldens import numbers_of, same_as_golden
from tests.unit.test_doctor_samples import HEALTHY, ILL, sample


def test_every_question_and_its_answer_is_as_it_was() -> None:
    lines = [line for path in [*ILL, *HEALTHY] for line in decided(path)]
    same_as_golden("doctor-decisions.txt", "".join(f"{line}\n" for line in lines))


def decided(path: Path) -> Iterator[str]:
    evidence = sample(path)
    found = diagnose(evidence)
    yield f"== {path.parent.name}/{path.stem}: score {found.score}"
    yield from (f"not assessed: {each.code}" for each in found.not_assessed)
    yield from map(named, found.findings)
    for code in RULES:
        answer = why_not(evidence, code)
        asked = "; ".join(map(question, answer.conditions))
        yield f"{answer.code} {answer.verdict} {answer.place or ''}: {asked}"


def named(finding: Finding) -> str:
    numbers = "; ".join(f"{number(line.value)} {number(line.limit)} {line.unit or ''}" for line in finding.evidence)
    remedies = ", ".join(f"{each.key}={each.value}" for each in finding.remedy if each.key)
    texts = (finding.title, *(each.text for each in finding.evidence), *(each.text for each in finding.remedy))
    told = numbers_of(" ".join(texts))
    move = f"{finding.move.verb} {finding.move.target}" if finding.move else "-"
    return (
        f"! {finding.code} {finding.severity} {finding.confidence:.4g} at {finding.vertex}, by {finding.caused_by}, "
        f"{finding.phase or '-'}: {numbers} | {remedies} | {move} | {told}"
    )


def question(asked: Condition) -> str:
    return f"{number(asked.value)} {asked.relation} {number(asked.limit)} {'yes' if asked.met else 'no'}"


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
