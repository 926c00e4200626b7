"""How a job's sources do, over REST: records taken in, and records that wait."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from flinkops.act.control import Load
from flinkops.errors import Unreachable
from flinkops.sources.flink import wire

Get = Callable[[str, Any], Any]

_TAKEN = (".numRecordsIn", ".numRecordsOut")  # a source that generates its records counts only what it gives out
_PENDING = ".pendingRecords"
_SOURCE = "Source__"


def read_load(job_id: str, get: Get) -> Load:
    """Sums over all source vertices; `get` asks for a path with a decoder. A value that one source lacks is unknown.

    Names are listed first: Flink answers with nothing at all when one of the metrics asked for is missing.
    """
    path = f"/jobs/{quote(job_id, safe='')}"
    try:
        plan = get(path, wire.job).plan
        sources = [node.id for node in (plan.nodes if plan else ()) if not node.inputs]
        found = [_of_vertex(f"{path}/vertices/{quote(one, safe='')}/subtasks/metrics", get) for one in sources]
    except Unreachable as problem:
        return Load(unknown=problem.what)
    taken, pending = ([one[index] for one in found] for index in (0, 1))
    unknown = None if pending and None not in pending else "the sources do not publish pendingRecords"
    return Load(_sum(taken), _sum(pending), unknown)


def _of_vertex(path: str, get: Get) -> tuple[int | None, int | None]:
    names = [one.id for one in get(path, wire.metric_names)]
    taken = [[name for name in names if name.startswith(_SOURCE) and name.endswith(end)] for end in _TAKEN]
    pending = [name for name in names if name.startswith(_SOURCE) and name.endswith(_PENDING)]
    wanted = [*taken[0], *taken[1], *pending]
    if not wanted:
        return None, None
    answers = get(f"{path}?{urlencode({'get': ','.join(wanted), 'agg': 'sum'})}", wire.aggregates)
    sums = {one.id: wire.number(one.sum) for one in answers}
    counts = [count for names in taken if (count := _sum([sums.get(name) for name in names])) is not None]
    return max(counts, default=None), _sum([sums.get(name) for name in pending])


def _sum(values: list[Any]) -> int | None:
    return None if not values or None in values else int(sum(values))
