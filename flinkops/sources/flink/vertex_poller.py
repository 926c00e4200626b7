"""Reads the metrics of one vertex, poll after poll: names are listed rarely, values in one request or two."""

import itertools
import time
from urllib.parse import quote

from flinkops.errors import Unreachable
from flinkops.model.facts import Spread
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink import wire
from flinkops.sources.flink.http import RestClient
from flinkops.sources.flink.metric_plan import MAX_SPLITS, MetricPlan, combined, metric_plan, queries_of
from flinkops.sources.flink.vertex_facts import Watermark

MAX_REFINING_REQUESTS = 8
"""At each poll, of one vertex: some 400 subtasks."""
FIRST_LISTING_SECONDS = 15.0
LONGEST_LISTING_SECONDS = 300.0
NOT_A_NUMBER = "Flink reports NaN, as legacy sources do: not measured"
NO_METRICS_YET = "no metrics yet: Flink collects them every 10 s"


class VertexWatch:
    """The metric plan of one attempt of one vertex.

    A metric may appear late (a counter at its first use, Iceberg's after the first commit), so the names are listed
    again after 15 s, then twice as long each time up to 5 minutes; and at once when an answer is empty, since one
    name that is gone empties the whole answer.
    """

    def __init__(self, job_path: str, vertex: wire.JobVertex, *, is_source: bool) -> None:
        self._path = f"{job_path}/vertices/{quote(vertex.id, safe='')}"
        self._vertex = vertex
        self._is_source = is_source
        self._plan: MetricPlan | None = None
        self._list_again_at = 0.0
        self._listing_seconds = FIRST_LISTING_SECONDS
        self.spreads: dict[str, Spread] = {}
        self.watermark: Watermark | None = None
        self.unknown: str | None = None
        self.unknown_fields: dict[str, str] = {}

    def is_for(self, vertex: wire.JobVertex) -> bool:
        """False after a restart or a rescale: then the metrics are those of new tasks."""
        mine = self._vertex
        return mine.start_time == vertex.start_time and mine.parallelism == vertex.parallelism

    @property
    def source_partitions(self) -> int | None:
        """The partitions that a Kafka source reads, as its metric names tell."""
        return self._plan.source_partitions if self._plan else None

    @property
    def markers_left_out(self) -> int:
        """Subtasks whose latency markers are not asked for."""
        return self._plan.markers_left_out if self._plan else 0

    @property
    def empty(self) -> bool:
        """Flink had nothing on it yet; asking makes it collect."""
        return self.unknown is NO_METRICS_YET

    def forget(self, why: str) -> None:
        """Nothing to ask now."""
        self.spreads, self.watermark, self.unknown, self.unknown_fields = {}, None, why, {}

    def read(self, client: RestClient, deadline: Deadline) -> None:
        """Fills `spreads` and `watermark`, or says in `unknown` why not."""
        self.spreads, self.watermark, self.unknown, self.unknown_fields = {}, None, None, {}
        try:
            answer = self._ask(client, deadline)
        except Unreachable as problem:
            self.unknown = problem.what
            return
        plan = self._plan
        if not answer or plan is None:
            self.unknown = NO_METRICS_YET
            return
        self.spreads = combined(plan, answer)
        self._note_unknown_fields(plan)
        metric = answer.get(plan.watermark) if plan.watermark else None
        if metric is not None:
            self.watermark = Watermark.of(metric)
            if self.watermark.mixed and plan.watermark:
                self._refine(client, plan.watermark, deadline)

    def _ask(self, client: RestClient, deadline: Deadline) -> dict[str, wire.Aggregate]:
        if self._plan is None or time.monotonic() >= self._list_again_at:
            self._list(client, deadline)
        answer = self._values(client, deadline)
        if not answer and self._plan is not None:
            self._list(client, deadline)
            answer = self._values(client, deadline)
        return answer

    def _list(self, client: RestClient, deadline: Deadline) -> None:
        names = client.get(f"{self._path}/subtasks/metrics", wire.metric_names, deadline)
        if not names:
            self._plan = None
            return
        self._plan = metric_plan((name.id for name in names), vertex_name=self._vertex.name, is_source=self._is_source)
        self._list_again_at = time.monotonic() + self._listing_seconds
        self._listing_seconds = min(LONGEST_LISTING_SECONDS, self._listing_seconds * 2)

    def _values(self, client: RestClient, deadline: Deadline) -> dict[str, wire.Aggregate]:
        if self._plan is None:
            return {}
        answer: dict[str, wire.Aggregate] = {}
        for query in self._plan.queries:
            part = client.get(f"{self._path}/subtasks/metrics?get={query}", wire.aggregates, deadline)
            if not part:
                return {}
            for metric in part:
                answer[metric.id] = metric
        return answer

    def _note_unknown_fields(self, plan: MetricPlan) -> None:
        if plan.too_many_splits:
            why = f"{plan.too_many_splits} splits: more than {MAX_SPLITS} are not asked one by one"
            self.unknown_fields = {"split_paused_ratio": why, "split_idle_ratio": why}
        for field, spread in self.spreads.items():
            if spread.max is None:
                self.unknown_fields[field] = NOT_A_NUMBER

    def _refine(self, client: RestClient, name: str, deadline: Deadline) -> None:
        """Only while some subtasks have no watermark yet: asks all single subtasks, in as many requests as it takes.

        The least watermark is that of all of them or of none: without it the vertex counts as having none yet.
        """
        queries = queries_of(f"{subtask}.{name}" for subtask in range(self._vertex.parallelism))
        if len(queries) > MAX_REFINING_REQUESTS:
            told = f"{self._vertex.parallelism} subtasks, some without a watermark: the others are not asked one by one"
            self.unknown_fields["watermark_ms"] = told
            return
        try:
            parts = [client.get(f"{self._path}/metrics?get={query}", wire.metric_values, deadline) for query in queries]
        except Unreachable as problem:
            self.unknown_fields["watermark_ms"] = problem.what
            return
        values = itertools.chain.from_iterable(parts)
        numbers = [number for value in values if (number := wire.number(value.value)) is not None]
        if len(numbers) < self._vertex.parallelism:
            self.unknown_fields["watermark_ms"] = f"{len(numbers)} of {self._vertex.parallelism} subtasks told theirs"
        elif self.watermark is not None:
            self.watermark = self.watermark.refined(numbers)
