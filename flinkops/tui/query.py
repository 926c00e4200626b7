"""The filter line: words that must occur, words that must not, and fields.

``orders !test state:running ns:shop health:critical`` keeps the jobs whose name, namespace, cluster, id, state or
reasons contain "orders", none of which contains "test", and whose fields contain those values. Case does not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flinkops.model.assessment import JobAssessment

FIELDS: dict[str, Callable[[JobAssessment], str]] = {
    "state": lambda job: f"{job.state} {job.lifecycle_state or ''}",
    "ns": lambda job: job.namespace or "",
    "cluster": lambda job: job.cluster,
    "health": lambda job: job.health.level,
    "kind": lambda job: job.kind,
    "class": lambda job: job.job_class,
    "code": lambda job: " ".join(reason.code for reason in job.health.reasons),
    "id": lambda job: job.id,
    "name": lambda job: job.name,
    "label": lambda job: " ".join(f"{k}={v}" for k, v in _labels(job).items()),
}


@dataclass(frozen=True)
class Term:
    """One word of the line."""

    word: str
    field: str | None = None
    negated: bool = False


def parse(text: str) -> tuple[Term, ...]:
    """Split the line into terms. An unknown field is an ordinary word, so that any text can be searched for.

    >>> parse("orders !state:failed http://x")
    (Term(word='orders', field=None, negated=False), Term(word='failed', field='state', negated=True), \
Term(word='http://x', field=None, negated=False))
    """
    terms = []
    for word in text.casefold().split():
        negated = word.startswith("!") and len(word) > 1
        word = word[1:] if negated else word
        field, colon, rest = word.partition(":")
        if colon and field in FIELDS and rest:
            terms.append(Term(rest, field, negated))
        else:
            terms.append(Term(word, None, negated))
    return tuple(terms)


def matches(job: JobAssessment, terms: tuple[Term, ...]) -> bool:
    """Whether all terms hold."""
    for term in terms:
        haystack = _everything(job) if term.field is None else FIELDS[term.field](job).casefold()
        if (term.word in haystack) == term.negated:
            return False
    return True


def _everything(job: JobAssessment) -> str:
    reasons = " ".join(f"{reason.code} {reason.text}" for reason in job.health.reasons)
    return f"{job.name} {job.namespace or ''} {job.cluster} {job.id} {job.state} {reasons}".casefold()


def _labels(job: JobAssessment) -> dict[str, str]:
    resource = job.facts.resource if job.facts else None
    return resource.labels if resource else {}
