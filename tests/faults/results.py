"""What a run of the lab gives: the document of `./dev faults -o json`, and the confusion table for people."""

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

import msgspec

from flinkops.errors import UsageError

NONE = "(nothing)"
WITHIN_SECONDS = 60.0
"""Issue 8: named first within so many seconds of its symptoms."""


class Named(msgspec.Struct, frozen=True):
    """One finding of an answer; ``caused_by``: the code of the finding that it follows from."""

    code: str
    severity: str
    confidence: float
    caused_by: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """What one ask gave: the doctor's findings as it ranks them, and what others say of the same evidence."""

    findings: tuple[Named, ...]
    baselines: dict[str, tuple[str, ...]] = {}


class Answer(msgspec.Struct, frozen=True):
    """The doctor at one ask: seconds since the submission, the codes above info, and all findings, as it ranks them.

    ``baselines``: the codes that others name (tests/faults/baselines.py), first one first.
    """

    seconds: float
    codes: tuple[str, ...]
    findings: tuple[Named, ...] = ()
    baselines: dict[str, tuple[str, ...]] = {}


def answered(seconds: float, asked: Asked) -> Answer:
    """One answer, at so many seconds."""
    above_info = tuple(each.code for each in asked.findings if each.severity != "info")
    return Answer(round(seconds, 1), above_info, asked.findings, asked.baselines)


def telling(answers: Sequence[Answer], codes: Sequence[str]) -> Answer | None:
    """The answer by which a case is judged: of one fault the first that claims anything; of several the first that
    names them all, else the first that claims anything; None: none does.
    """
    claims = [each for each in answers if each.codes]
    whole = [each for each in claims if set(codes) <= set(each.codes)] if len(codes) > 1 else []
    return next(iter([*whole, *claims]), None)


class CaseResult(msgspec.Struct, frozen=True):
    """One case. ``seconds`` from the symptoms' first poll to the naming, negative: before; None: not in time.

    ``named_first`` is what stood first in the answer that tells (see :func:`telling`). ``also``: the other codes that
    have to be named. ``unnamed``: those of all that no answer named.
    """

    injected: str
    strength: str
    named_first: str | None
    seconds: float | None
    case: str = ""
    symptoms_after_seconds: float | None = None
    answers: tuple[Answer, ...] = ()
    problem: str | None = None
    also: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    top3: bool | None = None

    @property
    def right(self) -> bool:
        """Named first and in time, and the others named too."""
        in_time = self.seconds is not None and self.seconds <= WITHIN_SECONDS
        return self.named_first == self.injected and in_time and not self.unnamed


class ControlResult(msgspec.Struct, frozen=True):
    """One healthy job; ``findings_above_info`` are their codes, each once."""

    name: str
    findings_above_info: tuple[str, ...]
    asks: int = 0
    problem: str | None = None
    answers: tuple[Answer, ...] = ()

    @property
    def right(self) -> bool:
        """It was asked about, and nothing was claimed."""
        return not self.findings_above_info and self.asks > 0 and self.problem is None


class Results(msgspec.Struct, frozen=True):
    """A whole run."""

    cases: tuple[CaseResult, ...]
    controls: tuple[ControlResult, ...]

    @property
    def right(self) -> bool:
        """Every fault named first in time, and nothing claimed of a healthy job."""
        return all(each.right for each in self.cases) and all(each.right for each in self.controls)


def joined(parts: Sequence[Results]) -> Results:
    """Several runs, each of a part of the matrix, as one. Raises UsageError when two of them have the same."""
    cases = sorted((each for part in parts for each in part.cases), key=lambda each: each.case)
    controls = sorted((each for part in parts for each in part.controls), key=lambda each: each.name)
    names = [*(f"{each.case}-{each.strength}" for each in cases), *(each.name for each in controls)]
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise UsageError(f"in more than one of the runs: {', '.join(twice)}")
    return Results(tuple(cases), tuple(controls))


def as_document(results: Results) -> dict[str, list[dict[str, Any]]]:
    """What `./dev faults -o json` prints."""
    return {
        "cases": [
            {
                "injected": each.injected,
                "also": list(each.also),
                "strength": f"{each.case}-{each.strength}",
                "named_first": each.named_first,
                "seconds": each.seconds,
                "unnamed": list(each.unnamed),
                "top3": each.top3,
                "right": each.right,
                "symptoms_after_seconds": each.symptoms_after_seconds,
                "problem": each.problem,
                "answers": _answers(each.answers),
            }
            for each in results.cases
        ],
        "controls": [
            {
                "name": each.name,
                "findings_above_info": list(each.findings_above_info),
                "right": each.right,
                "problem": each.problem,
                "answers": _answers(each.answers),
            }
            for each in results.controls
        ],
    }


def _answers(answers: Sequence[Answer]) -> list[dict[str, object]]:
    return [
        {
            "seconds": each.seconds,
            "codes": list(each.codes),
            "baselines": {name: list(codes) for name, codes in each.baselines.items()},
            "findings": [
                {"code": one.code, "severity": one.severity, "confidence": one.confidence, "caused_by": one.caused_by}
                for one in each.findings
            ],
        }
        for each in answers
    ]


def confusion(cases: Sequence[CaseResult]) -> dict[tuple[str, str], int]:
    """(injected, named first) -> how often."""
    return dict(Counter((each.injected, each.named_first or NONE) for each in cases))


def as_text(results: Results) -> str:
    """The confusion table in Markdown, the cases one by one, the controls."""
    parts = (
        _confusion_lines(results.cases),
        _case_lines(results.cases),
        compared(results.cases),
        _control_lines(results),
    )
    return "\n\n".join("\n".join(part) for part in parts if part)


def _confusion_lines(cases: Sequence[CaseResult]) -> list[str]:
    counts = confusion(cases)
    rows = sorted({injected for injected, _ in counts})
    columns = sorted({named for _, named in counts}, key=lambda name: (name == NONE, name))
    lines = ["| injected \\ named first | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return lines + [
        f"| {row} | " + " | ".join(str(counts.get((row, column), "")) for column in columns) + " |" for row in rows
    ]


def of_baseline(answers: Sequence[Answer], name: str) -> list[Answer]:
    """The same asks, with what a baseline said in the doctor's place."""
    return [Answer(each.seconds, each.baselines.get(name, ())) for each in answers]


def interval(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not count:
        return 0.0, 1.0
    share = hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def compared(cases: Sequence[CaseResult]) -> list[str]:
    """Top@1 and Top@3 of the doctor beside the baselines, over the same asks of the cases whose symptoms showed."""
    shown = [each for each in cases if each.symptoms_after_seconds is not None]
    names = sorted({name for case in shown for answer in case.answers for name in answer.baselines})
    lines = ["| who | cases | Top@1 (95 %) | Top@3 (95 %) |", "|---|---:|---|---|"]
    for who in ("doctor", *names):
        tops = []
        for case in shown:
            answers = case.answers if who == "doctor" else of_baseline(case.answers, who)
            tells = telling(answers, (case.injected, *case.also))
            tops.append(tells.codes if tells else ())
        hits = [sum(case.injected in codes[:most] for case, codes in zip(shown, tops, strict=True)) for most in (1, 3)]
        cells = [
            f"{hit}/{len(shown)} ({low:.2f} to {high:.2f})" for hit in hits for low, high in [interval(hit, len(shown))]
        ]
        lines.append(f"| {who} | {len(shown)} | {' | '.join(cells)} |")
    return lines if names else []


def _case_lines(cases: Sequence[CaseResult]) -> list[str]:
    lines = ["| fault | strength | injected | named first | s after symptoms | |", "|---|---|---|---|---:|---|"]
    for each in cases:
        seconds = "" if each.seconds is None else f"{each.seconds:.1f}"
        named = each.named_first or each.problem or NONE
        verdict = "" if each.right else "MISSED" + (f": {', '.join(each.unnamed)}" if each.unnamed else "")
        injected = ", ".join((each.injected, *each.also))
        lines.append(f"| {each.case} | {each.strength} | {injected} | {named} | {seconds} | {verdict} |")
    return lines


def _control_lines(results: Results) -> list[str]:
    lines = ["| healthy control | asked | findings above info |", "|---|---:|---|"]
    for each in results.controls:
        found = ", ".join(each.findings_above_info) or each.problem or "none"
        lines.append(f"| {each.name} | {each.asks} | {found} |")
    seconds = [each.seconds for each in results.cases if each.right and each.seconds is not None]
    wells = sum(each.right for each in results.controls)
    told = f"{len(seconds)} of {len(results.cases)} faults named first within {WITHIN_SECONDS:.0f} s"
    told += f" (median {median(seconds):.0f} s, slowest {max(seconds):.0f} s); " if seconds else "; "
    return [*lines, "", f"{told}{wells} of {len(results.controls)} controls without a claim"]
