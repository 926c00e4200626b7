"""Which of the job graphs that a program submits is that of the running job. Pure."""

from collections.abc import Collection, Sequence

import msgspec

from flinkops.errors import OperationFailed

_MOST_NAMED = 5


class ProgramGraph(msgspec.Struct, frozen=True):
    """One of them, in the order of their submission; ``operators`` are its operator ids."""

    number: int
    job: str
    operators: tuple[str, ...]


def graph_of(graphs: Sequence[ProgramGraph], stateful: Collection[str], job: str) -> int:
    """The number of the graph whose state a snapshot holds.

    `stateful` are the ids of the operators that have state in it, `job` is the job's name. Graphs that share none of
    the ids are left out (unless none shares any), then those of another name (unless none has it), then those that
    share fewer. Raises OperationFailed where several are left.

    >>> etl, stats = ProgramGraph(0, "etl", ("a", "b")), ProgramGraph(1, "stats", ("c", "d"))
    >>> graph_of([etl, stats], ["c", "d"], "stats"), graph_of([etl, stats], ["a"], "an older name")
    (1, 0)
    """
    shares = {graph.number: len(set(stateful).intersection(graph.operators)) for graph in graphs}
    left = [graph for graph in graphs if shares[graph.number]] or list(graphs)
    left = [graph for graph in left if graph.job == job] or left
    most = max((shares[graph.number] for graph in left), default=0)
    left = [graph for graph in left if shares[graph.number] == most]
    if len(left) > 1:
        names = ", ".join(graph.job for graph in left[:_MOST_NAMED])
        raise OperationFailed(
            f"the program submits {len(graphs)} jobs, and the state fits {len(left)} of them: {names}",
            next_step="give them names, or their operators uids, that tell them apart",
        )
    return left[0].number if left else 0
