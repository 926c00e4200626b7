"""What a rule is, and what it may say."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flinkops.diagnose.case import Case
from flinkops.model.findings import EvidenceLine, Finding, NotAssessed, Remedy, Unit

FLINK_DOCS = "https://nightlies.apache.org/flink/flink-docs-stable/docs/"

Verdict = Sequence[Finding] | NotAssessed
"""Findings, none of them when nothing is wrong, or why it cannot be said."""


class Rule(NamedTuple):
    """One failure. ``judge`` is pure and is only asked of a job that is in one of the rule's states."""

    code: str
    judge: Callable[[Case], Verdict]
    steady: bool = False
    """Only a job that has settled can have it: before that its findings are info, unless something hard follows."""
    running: bool = True
    """Only of a job that runs; the others are judged in every state."""
    unseen: bool = False
    """Also of a job that no Flink tells of: by its resource."""
    ended: bool = False
    """Also of a job that has ended on purpose."""


def line(text: str, value: float | None = None, limit: float | None = None, unit: Unit | None = None) -> EvidenceLine:
    """A line of evidence."""
    return EvidenceLine(text=text, value=value, limit=limit, unit=unit)


def remedy(text: str, key: str | None = None, value: str | None = None) -> Remedy:
    """What to do, why, and what it costs."""
    return Remedy(text=text, key=key, value=value)
