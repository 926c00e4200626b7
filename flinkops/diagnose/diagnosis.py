"""All rules over one job's evidence: what is wrong, causes before their symptoms, and what could not be said."""

from collections.abc import Sequence

import msgspec

from flinkops.diagnose.case import Case
from flinkops.diagnose.causes import in_order, score
from flinkops.diagnose.evidence import Evidence
from flinkops.diagnose.rule import Rule, line
from flinkops.diagnose.rules import RULES
from flinkops.model.findings import Answer, Diagnosis, Finding, NotAssessed
from flinkops.model.states import ENDED_ON_PURPOSE, JobState


def diagnose(evidence: Evidence) -> Diagnosis:
    """Pure: the same evidence gives the same words."""
    case = Case(evidence)
    findings: list[Finding] = []
    steady: set[str] = set()
    not_assessed: list[NotAssessed] = []
    unscored = evidence.assessment.state in ENDED_ON_PURPOSE | {JobState.UNKNOWN}
    for rule in RULES.values():
        if (why := _not_asked(case, rule)) is not None:
            not_assessed.append(NotAssessed(rule.code, why))
            continue
        verdict = rule.judge(case)
        if isinstance(verdict, NotAssessed):
            not_assessed.append(verdict)
        else:
            findings += verdict
            steady |= {each.code for each in verdict} if rule.steady else set()
    ordered = in_order(_softened(case, in_order(findings), steady))
    return Diagnosis(
        name=evidence.job.name,
        score=None if unscored and not ordered else score(ordered),
        findings=tuple(ordered),
        not_assessed=tuple(not_assessed),
        changes=evidence.changes,
        namespace=evidence.job.namespace,
        cluster=evidence.job.cluster,
    )


def why_not(evidence: Evidence, code: str) -> Answer:
    """Why the rule of this code named nothing, or what it asked where it did. Raises KeyError for an unknown code."""
    case, rule = Case(evidence), RULES[code]
    if (why := _not_asked(case, rule)) is not None:
        return Answer(code, "not-assessed", why)
    verdict = rule.judge(case)
    asked = tuple(case.asked)
    if isinstance(verdict, NotAssessed):
        return Answer(code, "not-assessed", verdict.why, asked)
    told = diagnose(evidence).findings
    named = tuple(each for each in told if each.code == code)
    place = told.index(named[0]) + 1 if named else None
    return Answer(code, "named" if named else "not-named", None, asked, named, place)


def _not_asked(case: Case, rule: Rule) -> str | None:
    state = case.evidence.assessment.state
    if state == JobState.UNKNOWN and not (rule.unseen and _is_fresh(case)):
        return case.why_missing("state", "the job cannot be seen now")
    if state in ENDED_ON_PURPOSE and not rule.ended:
        return f"the job has ended ({state})"
    return f"the job is {state}" if rule.running and state != JobState.RUNNING else None


def _is_fresh(case: Case) -> bool:
    """Its resource is seen now: what is not known then, Flink did not tell."""
    return case.job.resource is not None and not any(
        each.code.stale for each in case.evidence.assessment.health.reasons
    )


def _softened(case: Case, findings: Sequence[Finding], steady: set[str]) -> list[Finding]:
    """What a job shows while it starts or catches up is not yet its fault, unless something hard follows from it."""
    if case.job.state != JobState.RUNNING:
        return list(findings)
    why, caught_up = case.unsettled or case.working_off, case.caught_up
    if why is None and caught_up is not None:
        steady, why = steady & {"backpressure"}, caught_up
    if why is None:
        return list(findings)
    hard = {each.caused_by for each in findings if each.code not in steady and each.severity != "info"}
    return [
        each
        if each.code not in steady or each.code in hard
        else msgspec.structs.replace(
            each, severity="info", confidence=each.confidence / 2, evidence=(*each.evidence, line(why))
        )
        for each in findings
    ]
