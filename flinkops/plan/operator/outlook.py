"""The prediction where not all is known: what holds whatever the rest is, else that it is not known. Pure."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from flinkops.plan.operator.configuration import Unparsable
from flinkops.plan.operator.decision import Act, Decision, Start, StartKind
from flinkops.plan.operator.effective_mode import Predicted, predicted
from flinkops.plan.operator.reading import Spec, Unreadable, read_spec
from flinkops.plan.operator.reasons import ReasonCode, because
from flinkops.plan.operator.rules import NEWEST, Rules, writer_of
from flinkops.plan.operator.situation import Situation, View
from flinkops.plan.operator.spec import Comparison
from flinkops.plan.operator.worlds import Fact, FactKind, TooManyWorlds, World, explore, that_matter


class Outlook(NamedTuple):
    """What differs and what is done about it. ``unknown``: the facts without which it cannot be told."""

    comparison: Comparison
    decision: Decision
    unknown: tuple[Fact, ...] = ()


def versions_of(case: Situation) -> tuple[Rules, ...]:
    """The rules that may be the operator's: those that can have written, and can read, what it recorded.

    Its version, where it is known, decides; its schema may be older than it is.
    """
    candidates = case.features.candidates
    if case.features.version is not None and len(candidates) == 1:
        return candidates
    oldest = max(writer_of(case.deployed), candidates[0].minor)
    newer = tuple(Rules(minor) for minor in range(oldest, NEWEST + 1))
    return _able(case, tuple(one for one in candidates if one.minor >= oldest)) or _able(case, newer) or candidates


def _able(case: Situation, candidates: tuple[Rules, ...]) -> tuple[Rules, ...]:
    return tuple(rules for rules in candidates if _reads(case.deployed, rules))


def _reads(spec: Spec, rules: Rules) -> bool:
    try:
        read_spec(spec, rules)
    except Unreadable:
        return False
    return True


def outlook(case: Situation) -> Outlook:
    """By the rules of the operator's version; by all that it may be where that is not known."""
    candidates = versions_of(case)

    def decide(world: World) -> Predicted:
        rules = candidates[0]
        if len(candidates) > 1:
            rules = world.ask(Fact(FactKind.OPERATOR_VERSION), candidates)
        return predicted(View(case, rules, world))

    try:
        worlds = explore(decide)
    except TooManyWorlds:
        comparison = predicted(View(case, candidates[-1], World({}, likely=True))).comparison
        return Outlook(comparison, Decision(Act.UNKNOWN, because(ReasonCode.TOO_LITTLE_KNOWN)))
    comparison = max((one.comparison for one, _ in worlds), key=lambda one: one.change.rank)
    return Outlook(comparison, *_common([(one.decision, assumed) for one, assumed in worlds]))


def settled(case: Situation, question: Callable[[View], bool]) -> bool | None:
    """The answer where it is the same in every way that things may be; None where it is not known."""
    candidates = versions_of(case)

    def ask(world: World) -> bool | None:
        rules = candidates[0]
        if len(candidates) > 1:
            rules = world.ask(Fact(FactKind.OPERATOR_VERSION), candidates)
        try:
            return question(View(case, rules, world))
        except Unparsable:
            return None

    try:
        answers = {answer for answer, _ in explore(ask)}
    except TooManyWorlds:
        return None
    return answers.pop() if len(answers) == 1 else None


def _common(worlds: list[tuple[Decision, Mapping[Fact, object]]]) -> tuple[Decision, tuple[Fact, ...]]:
    decisions = [decision for decision, _ in worlds]
    first = decisions[0]
    if len({(one.mode, one.restarts) for one in decisions}) > 1:
        facts = tuple(that_matter(((one.mode, one.restarts), assumed) for one, assumed in worlds))
        outcomes = " or ".join(dict.fromkeys(one.mode.value for one in decisions))
        reason = because(ReasonCode.NOT_KNOWN, outcomes=outcomes, facts=" and ".join(one.text for one in facts))
        stops = any(one.restarts for one in decisions)
        return Decision(Act.UNKNOWN, reason, stops=stops), facts
    act = first.act if len({one.act for one in decisions}) == 1 else Act.UNKNOWN
    start = first.start if len({one.start for one in decisions}) == 1 else Start(StartKind.UNKNOWN)
    records = first.records if len({one.records for one in decisions}) == 1 else None
    return first._replace(act=act, start=start, records=records, stops=first.restarts, known_mode=first.mode), ()
