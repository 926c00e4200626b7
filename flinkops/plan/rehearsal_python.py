"""Unopened states of PyFlink functions: what the new program's function opens, beside what the old one's does. Pure.

To Flink such a state is bytes, opened with the first record: only the functions tell how they are read.
"""

from collections.abc import Iterable

from flinkops.plan.rehearsal_seen import PythonState, SavedState, Seen

_PREFIX = "python-state-"
_BROADCAST = "BROADCAST"
_ANY_OBJECT = "Pickle"  # in the names of coders: what the object's class makes of it is not told


def rewritten(seen: Seen, control: Seen | None, left: Iterable[SavedState]) -> tuple[SavedState, str] | None:
    """The first state whose bytes the new program reads otherwise than the old one writes them; and how."""
    for state in left:
        new, old = _found(seen, state), _found(control, state)
        if new is not None and old is not None and (new.kind, new.coder) != (old.kind, old.coder):
            return state, f"its values are written as {_text(old)}, and would be read as {_text(new)}"
    return None


def given_up(seen: Seen, control: Seen | None, state: SavedState) -> bool:
    """Whether the old program's function opens it, and the new one's neither does nor has a text of its name.

    A broadcast state is opened by no `open`: only one of another name in its place counts.
    """
    if _found(seen, state) is not None or _found(control, state) is None or why_unknown(seen, state) is not None:
        return False
    if any(one.kind == "mentioned" and _names(one, state) for one in seen.python):
        return False
    if state.type != _BROADCAST:
        return any(one.operator == state.operator for one in seen.python)
    before = {one.name for one in _broadcast(control, state)}
    return any(one.name not in before for one in _broadcast(seen, state))


def is_as_before(seen: Seen, control: Seen | None, state: SavedState) -> bool:
    """Whether old and new read the same bytes in the same way."""
    new, old = _found(seen, state), _found(control, state)
    return new is not None and old is not None and rewritten(seen, control, [state]) is None and _tells(new)


def why_unknown(seen: Seen, state: SavedState) -> str | None:
    """Why the operator's function did not say what it opens."""
    found = (one for one in seen.python if one.kind == "unknown" and one.operator == state.operator)
    return next((one.name for one in found), None)


def _broadcast(seen: Seen | None, state: SavedState) -> Iterable[PythonState]:
    return (one for one in (seen.python if seen else ()) if one.kind == "broadcast" and one.operator == state.operator)


def _found(seen: Seen | None, state: SavedState) -> PythonState | None:
    wanted = ("broadcast",) if state.type == _BROADCAST else ("list", "map")
    opened = (one for one in (seen.python if seen is not None else ()) if one.kind in wanted)
    return next((one for one in opened if _names(one, state)), None)


def _names(one: PythonState, state: SavedState) -> bool:
    return (one.operator, _PREFIX + one.name) == (state.operator, state.name)


def _text(state: PythonState) -> str:
    return f"{state.kind} of {state.coder}"


def _tells(state: PythonState) -> bool:
    return _ANY_OBJECT not in state.coder
