"""States of PyFlink functions, which Flink knows as bytes alone: judged by what the functions themselves open."""

from typing import Literal

import pytest

from flinkops.plan.rehearsal import judge
from flinkops.plan.rehearsal_seen import PythonState, SavedState, Seen, SeenOperator

COUNT = "a" * 32
LISTS = SavedState(COUNT, "python-state-count", "keyed", "LIST")
RULES = SavedState(COUNT, "python-state-rules", "operator", "BROADCAST")
UNTRIED = "count: state python-state-{} is not opened before its first record: it was not tried"


def state(
    name: str = "count",
    coder: str = "BigInt",
    kind: Literal["list", "map", "broadcast", "mentioned", "unknown"] = "list",
) -> PythonState:
    return PythonState(COUNT, kind, name, coder)


def seen(*python: PythonState, saved: SavedState = LISTS) -> Seen:
    operator = SeenOperator(COUNT, name="count", runs_as=COUNT, has_state=True, saved_parallelism=1)
    return Seen(1, "restored", "snapshot", operators=(operator,), saved=(saved,), python=python)


def test_of_the_same_coder_nothing_is_left_to_say() -> None:
    found = judge("orders", seen(state()), control=seen(state()))
    assert (found.verdict, found.risks) == ("restores", ())


@pytest.mark.parametrize("new", [state(coder="Char"), state(coder="BigInt", kind="map")])
def test_another_coder_or_kind_fails(new: PythonState) -> None:
    found = judge("orders", seen(new), control=seen(state()))
    assert found.verdict == "fails"
    assert found.cause == (
        "count: state python-state-count, opened with its first record: its values are written as list of BigInt,"
        f" and would be read as {new.kind} of {new.coder}"
    )


def test_without_the_old_program_it_stays_a_risk() -> None:
    found = judge("orders", seen(state(coder="Char")))
    assert (found.verdict, found.risks) == ("restores", (UNTRIED.format("count"),))
    old = seen()  # a function that could not be asked
    assert judge("orders", seen(state(coder="Char")), control=old).risks == (UNTRIED.format("count"),)


def test_what_an_object_of_any_class_becomes_is_not_told() -> None:
    pickled = seen(state(coder="CloudPickle"))
    assert judge("orders", pickled, control=pickled).risks == (UNTRIED.format("count"),)


def test_a_state_that_the_function_opens_no_more_is_lost() -> None:
    found = judge("orders", seen(state("counted")), control=seen(state()))
    assert (found.verdict, found.lost) == ("loses-state", (COUNT,))
    assert found.cause == "count does not open its state python-state-count any more"


def test_a_state_whose_name_the_function_still_holds_may_be_opened_with_a_record() -> None:
    late = seen(state("counted"), state("count", "", "mentioned"))
    found = judge("orders", late, control=seen(state()))
    assert (found.verdict, found.risks) == ("restores", (UNTRIED.format("count"),))


def test_a_function_that_does_not_open_here_has_lost_nothing() -> None:
    silent = judge("orders", seen(), control=seen(state()))
    assert (silent.verdict, silent.risks) == ("restores", (UNTRIED.format("count"),))
    refused = judge("orders", seen(state("OSError: no model", "", "unknown")), control=seen(state()))
    assert refused.verdict == "restores"
    assert refused.risks == (f"{UNTRIED.format('count')}, its function does not open here: OSError: no model",)


def test_a_broadcast_state_is_lost_where_another_one_is_in_its_place() -> None:
    old = seen(state("rules", "BigInt to BigInt", "broadcast"), saved=RULES)
    renamed = seen(state("rules-2", "BigInt to BigInt", "broadcast"), saved=RULES)
    assert judge("orders", renamed, control=old).verdict == "loses-state"
    hidden = judge("orders", seen(state("more"), saved=RULES), control=old)
    assert (hidden.verdict, hidden.risks) == ("restores", (UNTRIED.format("rules"),))
    rewritten = seen(state("rules", "BigInt to Char", "broadcast"), saved=RULES)
    assert judge("orders", rewritten, control=old).verdict == "fails"
    keyed = seen(state("rules", "BigInt to BigInt", "map"), saved=RULES)
    assert judge("orders", keyed, control=old).risks == (UNTRIED.format("rules"),), "a keyed one is another"
