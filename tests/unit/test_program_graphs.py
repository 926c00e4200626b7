"""Which graph of a program that submits several is the running job's."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.errors import OperationFailed
from flinkops.plan.program_graphs import ProgramGraph, graph_of

FIRST = ProgramGraph(0, "etl", ("a", "b"))
SECOND = ProgramGraph(1, "stats", ("b", "c", "d"))
TWIN = ProgramGraph(2, "twin", ("b", "c", "d"))


def test_one_graph_is_the_jobs_whatever_it_is_called() -> None:
    assert graph_of([FIRST], ["x"], "another") == 0
    assert graph_of([], [], "etl") == 0, "an executor that tells of none has rehearsed the first"


def test_the_graph_that_has_the_stateful_operators() -> None:
    assert graph_of([FIRST, SECOND], ["c"], "etl") == 1, "ids are more than a name that some other graph took"
    assert graph_of([FIRST, SECOND], ["a"], "") == 0
    assert graph_of([FIRST, SECOND], ["b", "c"], "") == 1, "the greater share"


def test_the_name_tells_where_both_share_something() -> None:
    assert graph_of([SECOND, TWIN], ["c"], "twin") == 2
    assert graph_of([FIRST, SECOND], ["b", "c"], "etl") == 0


def test_without_any_common_operator_the_name_tells() -> None:
    assert graph_of([FIRST, SECOND], ["x"], "stats") == 1


def test_two_that_fit_alike_are_no_verdict() -> None:
    with pytest.raises(OperationFailed, match="fits 2 of them: stats, twin"):
        graph_of([FIRST, SECOND, TWIN], ["c"], "an older name")


_IDS = st.lists(st.sampled_from(string.ascii_lowercase[:6]), unique=True)


@given(st.lists(_IDS, min_size=1, max_size=4), _IDS, st.sampled_from(["0", "1", "other"]))
def test_laws(operators: list[list[str]], stateful: list[str], name: str) -> None:
    graphs = [ProgramGraph(number, str(number), tuple(ids)) for number, ids in enumerate(operators)]
    try:
        found = graph_of(graphs, stateful, name)
    except OperationFailed:
        assert len(graphs) > 1
        return
    if any(set(stateful) & set(one.operators) for one in graphs):
        assert set(stateful) & set(graphs[found].operators)
