"""The order of a job's graph: inputs first, stable, and never lost on a cycle."""

from hypothesis import given
from hypothesis import strategies as st

from flinkops.model.graph import topological

IDS = st.sampled_from("abcdefgh")
GRAPHS = st.dictionaries(IDS, st.lists(st.sampled_from("abcdefghxy"), max_size=4), max_size=8)


@given(GRAPHS)
def test_each_vertex_comes_once_whatever_the_graph(inputs: dict[str, list[str]]) -> None:
    assert sorted(topological(inputs)) == sorted(inputs)


@given(GRAPHS)
def test_inputs_come_first(inputs: dict[str, list[str]]) -> None:
    acyclic = {each: [up for up in ups if up < each] for each, ups in inputs.items()}
    order = topological(acyclic)
    for each, ups in acyclic.items():
        assert all(order.index(up) < order.index(each) for up in ups if up in acyclic)


@given(st.permutations("abcd"))
def test_what_has_no_order_keeps_the_one_given(ids: list[str]) -> None:
    assert topological({each: [] for each in ids}) == ids


def test_a_cycle_and_what_is_behind_it_come_last() -> None:
    assert topological({"behind": ["b"], "a": ["b"], "b": ["a"], "source": []}) == ["source", "behind", "a", "b"]
