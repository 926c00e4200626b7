"""From what a rehearsal saw to its verdict. Pure."""

import re
from collections.abc import Collection, Iterable

import msgspec

from flinkops.model.quantities import human_bytes
from flinkops.model.rehearsal import (
    Rehearsal,
    RehearsedOperator,
    RehearsedState,
    StateOutcome,
    Verdict,
)
from flinkops.outside.text import clean
from flinkops.plan.rehearsal_python import given_up, is_as_before, rewritten, why_unknown
from flinkops.plan.rehearsal_seen import DeclaredState, OpenedState, SavedState, Seen, SeenOperator

_TIMERS = "_timer_state/"
_OPERATOR_STATE, _LIST = "OPERATOR", "LIST"  # how a savepoint and a program name the same
_BROADCAST = "BROADCAST"

_MIGRATION = "org.apache.flink.util.StateMigrationException"
_KEEP_TYPE = "keep the type of the state, or give it a new name and migrate it"
_LONGEST_LINE = 500
_OBJECT = re.compile(r"(?<![\w.$@])((?:[a-z_][\w$]{0,80}\.){0,20})([A-Z][\w$]{0,200})(?:@[0-9a-f]{1,8}\b)?")
_OF_FLINK = "org.apache.flink."


def cannot_tell(job: str, cause: str, *, against: str = "", remedy: str | None = None) -> Rehearsal:
    """No verdict, and why."""
    return Rehearsal(job, "cannot-tell", cause=_line(cause), remedy=remedy, against=against)


def unopened(seen: Seen) -> tuple[SavedState, ...]:
    """States of operators that the program has, which it did not open."""
    opened = {(one.operator, _place(one), one.name) for one in seen.opened}
    runs_as = {one.id: one.runs_as or one.id for one in seen.operators}
    judged = {one.id for one in seen.operators if one.in_graph and one.replaced != "kept"}
    return tuple(
        one
        for one in seen.saved
        if one.operator in judged
        and (one.operator, _place(one), one.name) not in opened
        and (runs_as[one.operator], _place(one), one.name) not in opened
        and not one.name.startswith(_TIMERS)
    )


def _place(state: SavedState | OpenedState) -> str:
    """Where Flink looks for a name: an operator's list and its broadcast state may have the same one."""
    return state.type if state.type == _BROADCAST else state.kind


def renamed(seen: Seen, state: SavedState) -> bool:
    """Whether the program opened a state of another name in its place: of the same operator and type, and new."""
    runs_as = {one.id: one.runs_as or one.id for one in seen.operators}
    places = {state.operator, runs_as.get(state.operator, state.operator)}
    kind = _LIST if state.type == _OPERATOR_STATE else state.type
    return any(
        one.operator in places and one.kind == state.kind and one.type == kind and not one.restored
        for one in seen.opened
    )


def needs_control(seen: Seen) -> bool:
    """Whether a rehearsal of the old program has to tell: some state was left unopened, as it may always have been."""
    return seen.outcome == "restored" and bool(unopened(seen))


def judge(job: str, seen: Seen, *, control: Seen | None = None, drops: bool = False) -> Rehearsal:
    """The verdict. `control`: the old program, rehearsed against the same state. `drops`: model.launch.drops_state."""
    if control is not None and control.outcome != "restored":
        control = None
    base = Rehearsal(
        job,
        "restores",
        against=seen.against,
        restore_seconds=None if seen.restore_ms is None else seen.restore_ms / 1000,
        outside=(
            *(f"{_line(name)} runs as it is: no sink of Flink's" for name in seen.as_they_are),
            *(f"connected to {peer} while the job graph was built" for peer in seen.peers),
        ),
        operators=tuple(_operator(one) for one in seen.operators if one.has_state or one.in_graph),
        states=_states(seen),
        risks=_of_the_way(seen),
        other_jobs=tuple(_line(one) for one in seen.other_jobs),
        job_number=seen.job_number,
        sample=seen.sample,
    )
    if seen.not_replaced:
        return _with(base, "cannot-tell", f"{seen.not_replaced[0]} is a source that cannot be replaced: it would read")
    broken = [one for one in seen.opened if one.error is not None]
    if broken and not seen.of_the_surroundings:
        what = f"{_named(seen, broken[0].operator)}: state {broken[0].name}: {broken[0].error}"
        return _with(base, "fails", what, remedy=_KEEP_TYPE)
    if seen.outcome == "failed" and not seen.of_the_surroundings:
        return _with(base, "fails", _root(seen), remedy=_remedy(seen))
    if seen.outcome != "restored":
        return _with(base, "cannot-tell", _root(seen) or f"the rehearsal did not get beyond: {seen.phase}")
    late = _refused_late(seen, control)
    if late is not None:
        what = f"{_named(seen, late[0].operator)}: state {late[0].name}, opened with its first record: {late[1]}"
        return _with(base, "fails", what, remedy=_KEEP_TYPE)
    return _losses(base, seen, control, drops=drops)


def _refused_late(seen: Seen, control: Seen | None) -> tuple[DeclaredState | SavedState, str] | None:
    """A state that was not opened, and that its operator will not be able to read; the old program could. And why."""
    untried = unopened(seen)
    left = {(one.operator, one.name) for one in untried}
    if control is not None:
        left -= {(one.operator, one.name) for one in control.declared}
    counts = (one for one in seen.declared if one.own or control is not None)
    found = next((one for one in counts if (one.operator, one.name) in left), None)
    return (found, found.error) if found is not None else rewritten(seen, control, untried)


def accepted(rehearsal: Rehearsal, names: Collection[str]) -> bool:
    """Whether every loss is named, by an operator's id or name; a program that fails for another reason never is."""
    if not rehearsal.lost:
        return False
    known = {one.id: one.name for one in rehearsal.operators}
    return all(lost in names or known.get(lost) in names for lost in rehearsal.lost)


def refusal(rehearsal: Rehearsal, names: Collection[str]) -> str | None:
    """Why an upgrade stops after this rehearsal, in one line; None when it goes on."""
    if not rehearsal.refuses or accepted(rehearsal, names):
        return None
    remedy = f"; {rehearsal.remedy}" if rehearsal.remedy else ""
    return f"rehearsed, and it {rehearsal.verdict.replace('-', ' ')}: {rehearsal.cause}{remedy}"


def _losses(base: Rehearsal, seen: Seen, control: Seen | None, *, drops: bool) -> Rehearsal:
    dropped = [one for one in seen.operators if not one.in_graph and one.has_state]
    left = unopened(seen)
    gone = [one for one in left if (_opened_by(control, one) if control is not None else renamed(seen, one))]
    gone += [one for one in left if one not in gone and given_up(seen, control, one)]
    risks = [
        f"{_named(seen, one.operator)}: state {one.name} is not opened before its first record: {_untried(seen, one)}"
        for one in left
        if one not in gone and not is_as_before(seen, control, one)
    ]
    risks += [
        f"{_named(seen, one.operator)}: state {one.name}: {_dropped(one)}; a field that was renamed begins empty"
        for one in seen.opened
        if one.dropped_fields
    ]
    risks += [f"the description of a state cannot be read: {text}" for text in seen.unreadable]
    base = msgspec.structs.replace(base, risks=(*base.risks, *(_line(risk) for risk in risks)))
    lost = tuple(dict.fromkeys([*(one.id for one in dropped), *(one.operator for one in gone)]))
    if not lost:
        return base
    base = msgspec.structs.replace(base, lost=lost)
    names = ", ".join(_named(seen, one) for one in lost)
    accept = f"accept it with {' '.join(f'--accept-loss {one}' for one in lost)}"
    if dropped and not drops:
        new = [one.name for one in seen.operators if one.in_graph and one.runs_as and _is_new(one) and one.name]
        about = f" (operators without state in it: {', '.join(new)})" if new else ""
        cause = f"no operator of the program takes the state of {names}{about}"
        return _with(base, "fails", cause, remedy=f"keep its uid, or {accept}")
    what = [f"the state of {_named(seen, one.id)} is dropped" for one in dropped]
    what += [f"{_named(seen, one.operator)} does not open its state {one.name} any more" for one in gone]
    return _with(base, "loses-state", "; ".join(what), remedy=f"keep uid and name of the state, or {accept}")


def _untried(seen: Seen, state: SavedState) -> str:
    declared = (one.error for one in seen.declared if (one.operator, one.name) == (state.operator, state.name))
    if (error := next(declared, None)) is not None:
        return f"may not be readable then: {error}"
    why = why_unknown(seen, state)
    return f"it was not tried, its function does not open here: {why}" if why else "it was not tried"


def _of_the_way(seen: Seen) -> tuple[str, ...]:
    """Risks that lie in how it was rehearsed."""
    found = []
    if (part := seen.sample) is not None:
        size = f"{human_bytes(part.bytes)} of {human_bytes(part.of_bytes)}"
        found.append(
            f"a sample: {size} of keyed state were restored, the values of the other key groups were not tried"
        )
    if seen.other_jobs:
        names = ", ".join(seen.other_jobs)
        found.append(f"the program submits further jobs, which were not judged and would be started again: {names}")
    return tuple(_line(one) for one in found)


def _line(text: str) -> str:
    return without_addresses(clean(text))[:_LONGEST_LINE]


def without_addresses(text: str) -> str:
    """Java objects that have no text of their own, by their classes; Flink's classes without their packages.

    >>> without_addresses("(org.apache.flink.runtime.kryo.KryoSerializer@1a2b3c) of com.shop.Price@ff, Row@0")
    '(KryoSerializer) of com.shop.Price, Row'
    """
    return _OBJECT.sub(lambda found: found[2] if found[1].startswith(_OF_FLINK) else found[1] + found[2], text)


def _opened_by(control: Seen, state: SavedState) -> bool:
    return state in control.saved and state not in unopened(control)


def _with(base: Rehearsal, verdict: Verdict, cause: str | None, *, remedy: str | None = None) -> Rehearsal:
    return msgspec.structs.replace(base, verdict=verdict, cause=_line(cause or "no reason is known"), remedy=remedy)


def _named(seen: Seen, operator: str) -> str:
    found = next((one.name for one in seen.operators if operator in (one.id, one.runs_as) and one.name), None)
    return _line(found) if found else f"operator {operator}"


def _root(seen: Seen) -> str | None:
    """The innermost exception that says something."""
    said = [cause for cause in seen.causes if cause.message] or list(seen.causes)
    if not said:
        return None
    last = said[-1]
    return f"{last.kind.rpartition('.')[2]}: {last.message}" if last.message else last.kind


def _remedy(seen: Seen) -> str:
    if any(cause.kind == _MIGRATION for cause in seen.causes):
        return _KEEP_TYPE
    limited = [
        one
        for one in seen.operators
        if one.in_graph
        and one.has_state
        and one.saved_max_parallelism
        and (
            (one.max_parallelism or one.saved_max_parallelism) != one.saved_max_parallelism
            or (one.parallelism or 0) > one.saved_max_parallelism
        )
    ]
    if limited:
        most = limited[0].saved_max_parallelism
        return f"set pipeline.max-parallelism to {most}, and no greater parallelism: the state keeps it"
    return "make the new program read the old state, or start it with other uids"


def _is_new(operator: SeenOperator) -> bool:
    return operator.saved_parallelism is None


def _operator(operator: SeenOperator) -> RehearsedOperator:
    if not operator.in_graph:
        return RehearsedOperator(operator.id, operator.name, "dropped", operator.state_bytes)
    if _is_new(operator):
        return RehearsedOperator(operator.id, operator.name, "new")
    kept = operator.replaced == "kept"
    return RehearsedOperator(operator.id, operator.name, "kept" if kept else "restored", operator.state_bytes)


def _states(seen: Seen) -> tuple[RehearsedState, ...]:
    opened: Iterable[RehearsedState] = (
        RehearsedState(
            one.operator,
            one.name,
            one.kind,
            state_outcome(one),
            type=one.type,
            serializer=one.serializer,
            keys_read=one.keys_read,
            detail=_line(one.error) if one.error else _dropped(one),
        )
        for one in seen.opened
    )
    left = (
        RehearsedState(one.operator, one.name, one.kind, "unopened", type=one.type, serializer=one.serializer or "")
        for one in (unopened(seen) if seen.outcome == "restored" else ())
    )
    return (*opened, *left)


def _dropped(state: OpenedState) -> str | None:
    fields = ", ".join(state.dropped_fields)
    return _line(f"the class has no field {fields} any more, its values are dropped") if fields else None


def state_outcome(state: OpenedState) -> StateOutcome:
    """What became of it: incompatible, added, migrated or compatible."""
    if state.error is not None or state.compatibility == "incompatible":
        return "incompatible"
    if not state.restored:
        return "added"
    return "migrated" if state.compatibility == "after-migration" else "compatible"
