"""Every question that the rules ask of the recorded jobs, with its numbers: a limit that moves shows here.

Numbers and codes alone; sentences may change. `FLINKOPS_UPDATE_GOLDEN=1 pytest tests/unit/test_doctor_decisions.py`
writes the file anew.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.diagnose.diagnosis import diagnose, why_not
from flinkops.diagnose.evidence import Evidence
from flinkops.diagnose.rules import RULES
from flinkops.model.detail import JobDetail
from flinkops.model.facts import Spread, VertexFacts
from flinkops.model.findings import Condition, Finding
from tests.goldens import numbers_of, same_as_golden
from tests.unit.builders import snapshot, spread
from tests.unit.test_doctor_samples import HEALTHY, ILL, sample


def test_every_question_and_its_answer_is_as_it_was() -> None:
    lines = [line for path in [*ILL, *HEALTHY] for line in decided(path)]
    same_as_golden("doctor-decisions.txt", "".join(f"{line}\n" for line in lines))


def test_every_finding_of_a_job_that_is_otherwise_is_as_it_was() -> None:
    lines = [line for path in [*ILL, *HEALTHY] for line in varied(path)]
    same_as_golden("doctor-variants.txt", "".join(f"{line}\n" for line in lines))


def varied(path: Path) -> Iterator[str]:
    evidence = sample(path)
    yield f"== {path.parent.name}/{path.stem}"
    for name, change in VARIANTS.items():
        found = diagnose(change(evidence))
        yield f"{name}: score {found.score}, not assessed: {', '.join(each.code for each in found.not_assessed)}"
        yield from map(named, found.findings)


def with_job(evidence: Evidence, **fields: Any) -> Evidence:
    """Assessed anew."""
    job = msgspec.structs.replace(evidence.job, **fields)
    taken = snapshot(job, taken_ms=evidence.taken_ms, name=job.cluster)
    (assessment,) = assess(taken, {job.key: evidence.history[:-1]}, Policy()).jobs
    return msgspec.structs.replace(evidence, job=job, assessment=assessment)


def with_vertices(evidence: Evidence, change: Callable[[VertexFacts], dict[str, Any]]) -> Evidence:
    vertices = tuple(msgspec.structs.replace(each, **change(each)) for each in evidence.job.vertices)
    return with_job(evidence, vertices=vertices)


def times(value: Spread | None, factor: float) -> Spread | None:
    if value is None:
        return None
    fields = ((name, getattr(value, name)) for name in Spread.__struct_fields__)
    return Spread(**{name: number if number is None else number * factor for name, number in fields})


def apart(vertex: VertexFacts) -> dict[str, Any]:
    """Its slowest subtask is ten minutes behind."""
    if vertex.watermark_ms is None or vertex.watermark_ms.min is None:
        return {}
    return {"watermark_ms": msgspec.structs.replace(vertex.watermark_ms, min=vertex.watermark_ms.min - 600_000)}


def collecting(detail: JobDetail | None) -> JobDetail | None:
    """Its TaskManagers spend an eighth of the time in garbage collection."""
    if detail is None:
        return None
    managers = tuple(msgspec.structs.replace(each, gc_ratio=0.125) for each in detail.taskmanagers)
    return msgspec.structs.replace(detail, taskmanagers=managers)


VARIANTS: dict[str, Callable[[Evidence], Evidence]] = {
    "bare": lambda it: msgspec.structs.replace(it, detail=None, flame_graphs=(), cluster=None),
    "45 s old": lambda it: with_job(it, running_since_ms=it.job.seen_ms - 45_000),
    "44.9 s old": lambda it: with_job(it, running_since_ms=it.job.seen_ms - 44_900),
    "an hour old": lambda it: with_job(it, running_since_ms=it.job.seen_ms - 3_600_000),
    "half as busy": lambda it: with_vertices(it, lambda v: {"busy_ratio": times(v.busy_ratio, 0.5)}),
    "held up": lambda it: with_vertices(it, lambda v: {"backpressured_ratio": Spread(min=0.6, max=0.6, avg=0.6)}),
    "records wait": lambda it: with_vertices(it, lambda v: {} if v.upstream else {"pending_records": spread(9_000.0)}),
    "nothing comes in": lambda it: with_vertices(it, lambda v: {"records_in_per_second": spread(0.0)}),
    "ten minutes apart": lambda it: with_vertices(it, apart),
    "failed": lambda it: with_job(it, state="FAILED"),
    "a little collection": lambda it: msgspec.structs.replace(it, detail=collecting(it.detail)),
    "two restarts": lambda it: with_job(it, restarts=2),
}


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
