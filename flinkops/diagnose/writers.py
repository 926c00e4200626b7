"""Jobs of the fleet that may be why another one gets no records: those that are not well, and what they write."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from flinkops.diagnose.evidence import Evidence
from flinkops.diagnose.rule import line
from flinkops.diagnose.twins import topics_of
from flinkops.model.findings import Diagnosis, EvidenceLine, Finding
from flinkops.model.identity import full_name
from flinkops.outside.shell import shell_word

STARVED = "source-idle"
HOLDS_BACK = frozenset({"backpressure", "restart-loop", "out-of-slots", "deployment-stuck", "key-skew", STARVED})
"""Findings of a job that writes less than it should."""
NAMED = 3
_PARTS = re.compile(r"\n|->|<br/?>")
_WRITES = re.compile(r"(?i)\b(?:sink|writer|committer)")


class _Troubled(NamedTuple):
    evidence: Evidence
    code: str


def with_writers(evidence: Sequence[Evidence], diagnoses: Sequence[Diagnosis]) -> list[Diagnosis]:
    """To each job whose sources get nothing: who of the others is not well, and whether its plan names the topic."""
    troubled = [
        _Troubled(each, code)
        for each, told in zip(evidence, diagnoses, strict=True)
        if (code := _holds_back(told)) is not None
    ]
    return [_with_writers(each, told, troubled) for each, told in zip(evidence, diagnoses, strict=True)]


def _holds_back(told: Diagnosis) -> str | None:
    return next((each.code for each in told.findings if each.code in HOLDS_BACK and each.severity != "info"), None)


def _with_writers(evidence: Evidence, told: Diagnosis, troubled: Sequence[_Troubled]) -> Diagnosis:
    starved = next((each for each in told.findings if each.code == STARVED and each.severity != "info"), None)
    others = [each for each in troubled if each.evidence.job.key != evidence.job.key]
    if starved is None or not others:
        return told
    topics = topics_of(evidence.detail) if evidence.detail else ()
    writers = [(each, topic) for each in others for topic in topics if writes_to(each.evidence, topic)]
    findings = [_told(each, others, writers) if each is starved else each for each in told.findings]
    return msgspec.structs.replace(told, findings=tuple(findings))


def writes_to(evidence: Evidence, topic: str) -> bool:
    """A sink of the job's plan names the topic; that is all that Flink tells of where a job writes."""
    detail = evidence.detail
    texts = [each.name for each in evidence.job.vertices] + list(detail.plan.values() if detail else ())
    word = re.compile(rf"(?<![\w.-]){re.escape(topic)}(?![\w-]|\.\w)")
    parts = [part for text in texts for part in _PARTS.split(text)]
    return any(_WRITES.search(part) and word.search(part) for part in parts)


def _told(finding: Finding, others: Sequence[_Troubled], writers: Sequence[tuple[_Troubled, str]]) -> Finding:
    if not writers:
        names = ", ".join(f"{full_name(each.evidence.job)} ({each.code})" for each in others[:NAMED])
        said = line(f"not well in this fleet: {names}; whether one of them writes what is read here Flink does not say")
        return msgspec.structs.replace(finding, evidence=(*finding.evidence, said))
    lines: list[EvidenceLine] = [
        line(f"{full_name(each.evidence.job)}, whose sink names the topic {topic}, is not well itself: {each.code}")
        for each, topic in writers[:NAMED]
    ]
    first, topic = writers[0]
    name = full_name(first.evidence.job)
    return msgspec.structs.replace(
        finding,
        title=f"{finding.title}: {name}, which writes {topic}, is not well",
        evidence=(*lines, *finding.evidence),
        next=f"flinkops doctor {shell_word(name)}",
        move=None,
    )
