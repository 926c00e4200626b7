"""What the doctor says: the contract's document, and text for people."""

import csv
import io
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from flinkops.clock import iso_utc
from flinkops.model.findings import Answer, Condition, Diagnosis, EvidenceLine, Finding, Remedy, Unit
from flinkops.model.identity import full_name
from flinkops.outside.text import clean_cell
from flinkops.render.status_json import encode_line, encode_yaml
from flinkops.render.text import clean, human_count, human_value
from flinkops.render.timeline import entry_document

SCHEMA_VERSION = 1
_COLOURS = {"critical": "31;1", "warning": "33", "info": "36"}
CHANGES_SHOWN = 5
_CELLS = 100
_DIGITS = 6


def doctor_document(jobs: Sequence[Diagnosis]) -> dict[str, Any]:
    """The document as plain values, in the contract's order; ``caused_by`` is the code of the cause, or null."""
    return {"schema_version": SCHEMA_VERSION, "jobs": [job_document(job) for job in jobs]}


def job_document(job: Diagnosis) -> dict[str, Any]:
    """One job of it."""
    return {
        "name": job.name,
        "score": job.score,
        "findings": [_finding_document(finding) for finding in job.findings],
        "not_assessed": [{"code": each.code, "why": each.why} for each in job.not_assessed],
        "namespace": job.namespace,
        "cluster": job.cluster,
        "changes": [entry_document(each) for each in job.changes],
    }


def doctor_json(jobs: Sequence[Diagnosis]) -> str:
    """On one line."""
    return encode_line(doctor_document(jobs))


def doctor_jsonl(jobs: Sequence[Diagnosis]) -> str:
    """A line a job."""
    return "\n".join(encode_line({"schema_version": SCHEMA_VERSION, **job_document(job)}) for job in jobs)


def doctor_yaml(jobs: Sequence[Diagnosis]) -> str:
    """The document as YAML."""
    return encode_yaml(doctor_document(jobs))


def doctor_csv(jobs: Sequence[Diagnosis]) -> str:
    """A row a finding."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["job", "score", "code", "severity", "confidence", "vertex", "title", "next"])
    for job in jobs:
        for each in job.findings:
            texts = [clean_cell(text) for text in (each.vertex or "", each.title, each.next)]
            writer.writerow([clean_cell(full_name(job)), job.score, each.code, each.severity, each.confidence, *texts])
    return out.getvalue().rstrip("\n")


def doctor_names(jobs: Sequence[Diagnosis]) -> str:
    """Job and code, one finding a line."""
    return "\n".join(f"{clean(full_name(job))} {each.code}" for job in jobs for each in job.findings)


def doctor_text(jobs: Sequence[Diagnosis], *, wide: bool = False, colour: bool = False, cells: int = _CELLS) -> str:
    """For people: worst job first, each finding with its evidence, remedy and next command."""
    if not jobs:
        return "no jobs"
    if wide or len(jobs) == 1:
        return "\n".join(_job_text(job, wide=True, colour=colour, cells=cells) for job in jobs)
    ill = [job for job in jobs if any(each.severity != "info" for each in job.findings)]
    parts = [_job_text(job, wide=False, colour=colour, cells=cells) for job in ill]
    rest = len(jobs) - len(ill)
    others = f"{rest} {'others: ' if ill else 'jobs: '}nothing above info in what one snapshot tells"
    return "\n".join([*parts, f"{others}; flinkops doctor JOB asks for more"] if rest else parts)


def answers_document(answers: Sequence[tuple[str, Answer]]) -> dict[str, Any]:
    """``doctor --why-not CODE``: of each job by name, what its rule asked."""
    return {"schema_version": SCHEMA_VERSION, "jobs": [_answer_document(name, answer) for name, answer in answers]}


def answers_text(answers: Sequence[tuple[str, Answer]]) -> str:
    """The same for people: each question with its number, its limit, and whether it was passed."""
    return "\n".join(line for name, answer in answers for line in _answer_lines(name, answer))


def _answer_document(name: str, answer: Answer) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(answer)
    document["findings"] = [_finding_document(each) for each in answer.findings]
    for each in document["conditions"]:
        each["value"], each["limit"] = _rounded(each["value"]), _rounded(each["limit"])
    return {"name": name, **document}


def _answer_lines(name: str, answer: Answer) -> list[str]:
    if answer.verdict == "named":
        first = answer.findings[0]
        said = f"{answer.code} is named, in place {answer.place}: {first.severity}, {first.confidence:.0%} sure"
    else:
        said = f"{answer.code} is {'not named' if answer.verdict == 'not-named' else 'not assessed'}"
    why = f": {clean(answer.why)}" if answer.why else ""
    lines = [f"{clean(name)}: {said}{why}"]
    lines += [f"  {'yes' if each.met else 'no':<4}{_condition_text(each)}" for each in answer.conditions]
    return lines


def _condition_text(condition: Condition) -> str:
    if condition.relation == "is":
        return clean(condition.text)
    value = "?" if condition.value is None else _number(condition.value, condition.unit)
    limit = "" if condition.limit is None else f" {condition.relation} {_number(condition.limit, condition.unit)}"
    return clean(f"{condition.text}: {value}{limit}")


def evidence_text(line: EvidenceLine) -> str:
    """A line of evidence with its number and limit."""
    number = "" if line.value is None else f": {_number(line.value, line.unit)}"
    limit = "" if line.limit is None else f" (limit {_number(line.limit, line.unit)})"
    return clean(f"{line.text}{number}{limit}")


def remedy_text(remedy: Remedy) -> str:
    """What to do, and the setting."""
    setting = "" if remedy.key is None else f" [{remedy.key}{'' if remedy.value is None else f': {remedy.value}'}]"
    return clean(f"{remedy.text}{setting}")


def _job_text(job: Diagnosis, *, wide: bool, colour: bool, cells: int) -> str:
    score = "score unknown" if job.score is None else f"score {job.score}"
    shown = [each for each in job.findings if wide or each.severity != "info"]
    count = len(job.findings)
    found = "nothing found" if count == 0 else "1 finding" if count == 1 else f"{count} findings"
    lines = [f"{clean(full_name(job))}: {score}, {found}, {len(job.not_assessed)} not assessed"]
    for finding in shown:
        lines += _finding_text(finding, colour=colour, cells=cells)
    if job.changes and any(each.severity != "info" for each in job.findings):
        lines += _changes_text(job, cells)
    if wide and job.not_assessed:
        lines.append("  not assessed:")
        for why in dict.fromkeys(each.why for each in job.not_assessed):
            codes = ", ".join(each.code for each in job.not_assessed if each.why == why)
            lines += _wrapped(f"{codes}: {clean(why)}", "    ", cells)
    return "\n".join(lines)


def _changes_text(job: Diagnosis, cells: int) -> list[str]:
    """What changed in the last hour, beside what is wrong now: the newest few."""
    shown = job.changes[-CHANGES_SHOWN:]
    more = len(job.changes) - len(shown)
    lines = ["  changed in the last hour:" + (f" (the newest {len(shown)} of {len(job.changes)})" if more else "")]
    for each in shown:
        at = (iso_utc(each.at_ms) or "?")[11:19]
        lines += _wrapped(f"{at}Z {each.kind} ({each.source}): {clean(each.text)}", "    ", cells)
    return lines


def _finding_text(finding: Finding, *, colour: bool, cells: int) -> list[str]:
    word = f"\x1b[{_COLOURS[finding.severity]}m{finding.severity}\x1b[0m" if colour else finding.severity
    follows = f", follows from {finding.caused_by}" if finding.caused_by else ""
    lines = [f"  {word} {finding.code} ({finding.confidence:.0%} sure{follows})"]
    lines += _wrapped(clean(finding.title), "    ", cells)
    for each in finding.evidence:
        lines += _wrapped(f"- {evidence_text(each)}", "      ", cells)
    for remedy in finding.remedy:
        lines += _wrapped(f"do: {remedy_text(remedy)}", "    ", cells)
    if finding.next:
        lines.append(f"    next: {clean(finding.next)}")
    if finding.reference:
        lines.append(f"    see: {clean(finding.reference)}")
    return lines


def _wrapped(text: str, indent: str, cells: int) -> list[str]:
    wrapped = textwrap.wrap(
        text,
        max(40, cells),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,  # a key is copied as it stands
    )
    return wrapped or [indent.rstrip()]


def _number(value: float, unit: Unit | None) -> str:
    """In its unit; a small number without one keeps its decimals."""
    if unit is not None:
        return human_value(value, unit)
    return f"{value:.2f}" if 0 < abs(value) < 10 and value != round(value) else human_count(value)


def _finding_document(finding: Finding) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(finding)
    document["confidence"] = round(finding.confidence, _DIGITS)
    for each in document["evidence"]:
        each["value"] = _rounded(each["value"])
        each["limit"] = _rounded(each["limit"])
    return document


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


FORMATS: dict[str, Callable[[Sequence[Diagnosis]], str]] = {
    "json": doctor_json,
    "jsonl": doctor_jsonl,
    "yaml": doctor_yaml,
    "csv": doctor_csv,
    "name": doctor_names,
    "table": doctor_text,
    "wide": lambda jobs: doctor_text(jobs, wide=True),
}
"""How it is written for those that do not read it on a terminal."""
