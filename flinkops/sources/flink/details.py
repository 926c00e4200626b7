"""One job in full, on demand: subtasks, checkpoint phases, TaskManagers, flame graphs, logs."""

import html
import re
import time
from collections.abc import Container, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple
from urllib.parse import quote

from flinkops.clock import Clock
from flinkops.errors import Unreachable
from flinkops.model.detail import (
    FatalError,
    FlameGraph,
    FlameGraphKind,
    FlameGraphNode,
    JobDetail,
    LogFile,
    PartitionDetail,
    StorageSign,
    SubtaskDetail,
    TaskManagerDetail,
    VertexDetail,
)
from flinkops.model.facts import CheckpointPhases
from flinkops.outside.fatal_errors import fatal_errors_in_log
from flinkops.outside.storage_signs import signs_in_log, signs_in_threads
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink import wire, wire_detail
from flinkops.sources.flink.checkpoint_facts import phases_facts
from flinkops.sources.flink.exception_facts import exceptions_facts
from flinkops.sources.flink.http import NotFound, RestClient
from flinkops.sources.flink.metric_plan import queries_of
from flinkops.sources.flink.partitions import MOST_PARTITIONS, partition_details, partition_metrics
from flinkops.sources.flink.parts import Parts
from flinkops.sources.flink.verbs import FlinkVerbs

DETAIL_SECONDS = 10.0
FLAME_GRAPH_SECONDS = 30.0
MAX_TASKMANAGERS = 16
MAX_PHASED_VERTICES = 8
LOG_TAIL_BYTES = 256 * 1024
MOST_FATAL_LOGS = 4
STORAGE_LOG_BYTES = 2 * 1024 * 1024
"""A failed checkpoint has some 20 KiB of stack there, between what other jobs write."""
_ASK_AGAIN_SECONDS = 0.5
_FLAME_GRAPH_ENDED, _FLAME_GRAPH_OFF = -1, -2
_GC_METRIC = "Status.JVM.GarbageCollector.All.TimeMsPerSecond"
_TASKMANAGER_METRICS = {
    "Status.JVM.Memory.Heap.Used": "heap_used_bytes",
    "Status.JVM.Memory.Heap.Max": "heap_max_bytes",
    "Status.Flink.Memory.Managed.Used": "managed_used_bytes",
    "Status.Flink.Memory.Managed.Total": "managed_total_bytes",
    "Status.Shuffle.Netty.UsedMemory": "network_used_bytes",
    "Status.Shuffle.Netty.TotalMemory": "network_total_bytes",
    "Status.JVM.CPU.Load": "cpu_ratio",
    _GC_METRIC: "gc_ratio",
}


class _TaskManagers(NamedTuple):
    asked: tuple[TaskManagerDetail, ...] = ()
    left_out: int = 0
    most_gc_ratio: float | None = None


class FlinkDetails(FlinkVerbs):
    """The details of one cluster's jobs. What fails raises errors.Unreachable; inside a JobDetail it is `unknown`."""

    _client: RestClient
    _clock: Clock

    def detail(self, job_id: str, *, deadline_seconds: float = DETAIL_SECONDS) -> JobDetail:
        """Everything about one job. Raises errors.Unreachable when not even the job itself can be read."""
        deadline = Deadline(deadline_seconds)
        path = _job(job_id)
        parts = Parts()
        with self._client.enforced(deadline):
            job = self._client.get(path, wire.job, deadline)
            vertices = tuple(
                vertex
                for each in job.vertices
                if (vertex := parts.ask(f"vertices.{each.id}", partial(self._vertex, path, each.id, deadline)))
            )
            phases_of, phases = parts.ask("checkpoint_phases", lambda: self._phases(path, job, deadline)) or (None, ())
            exceptions = parts.ask(
                "exceptions", lambda: self._client.get(f"{path}/exceptions", wire.exceptions, deadline)
            )
            managers = self._those_that_run(vertices, parts, deadline)
            requirements = parts.ask(
                "resource_requirements",
                lambda: self.resource_requirements(job_id, deadline_seconds=deadline.remaining_seconds),
            )
            plan = parts.ask("plan", lambda: self._plan(path, deadline))
            sources = [each for each in job.vertices if each.name.startswith("Source:")]
            partitions = [parts.ask("partitions", partial(self._partitions, path, each, deadline)) for each in sources]
        return JobDetail(
            id=job.jid,
            seen_ms=self._clock.now_ms(),
            vertices=vertices,
            taskmanagers=managers.asked,
            taskmanagers_left_out=managers.left_out,
            most_gc_ratio=managers.most_gc_ratio,
            phases_of=phases_of,
            checkpoint_phases=phases,
            exceptions=exceptions_facts(exceptions) if exceptions else (),
            resource_requirements=requirements or (),
            partitions=tuple(chain.from_iterable(each for each in partitions if each)),
            plan=plan or {},
            unknown=parts.unknown,
        )

    def subtasks(self, job_id: str, vertex_id: str, *, deadline_seconds: float = DETAIL_SECONDS) -> VertexDetail:
        """One vertex with all its subtasks."""
        deadline = Deadline(deadline_seconds)
        with self._client.enforced(deadline):
            return self._vertex(_job(job_id), vertex_id, deadline)

    def flame_graph(
        self,
        job_id: str,
        vertex_id: str,
        kind: FlameGraphKind = "on_cpu",
        *,
        deadline_seconds: float = FLAME_GRAPH_SECONDS,
    ) -> FlameGraph:
        """Asks Flink to sample the vertex and waits for it (about 6 s). Flink shows the same one for a minute."""
        deadline = Deadline(deadline_seconds)
        path = f"{_job(job_id)}/vertices/{quote(vertex_id, safe='')}/flamegraph?type={kind}"
        with self._client.enforced(deadline):
            while True:
                answer = self._client.get(path, wire_detail.flame_graph, deadline)
                if answer.data is not None:
                    return FlameGraph(at_ms=answer.end_timestamp, root=_frame(answer.data))
                if answer.end_timestamp == _FLAME_GRAPH_OFF:
                    return FlameGraph(why="flame graphs are switched off (rest.flamegraph.enabled: true)")
                if answer.end_timestamp == _FLAME_GRAPH_ENDED:
                    return FlameGraph(why="the vertex does not run")
                if deadline.remaining_seconds < 2 * _ASK_AGAIN_SECONDS:
                    return FlameGraph(why=f"Flink has no samples after {deadline_seconds:g} s", pending=True)
                time.sleep(_ASK_AGAIN_SECONDS)

    def taskmanager_logs(self, taskmanager_id: str, *, deadline_seconds: float = DETAIL_SECONDS) -> tuple[LogFile, ...]:
        """The files in a TaskManager's log folder."""
        path = f"/taskmanagers/{quote(taskmanager_id, safe='')}/logs"
        answer = self._client.get(path, wire_detail.logs, Deadline(deadline_seconds))
        return tuple(LogFile(name=each.name, size_bytes=each.size, modified_ms=each.mtime) for each in answer.logs)

    def taskmanager_log(
        self,
        taskmanager_id: str,
        file_name: str,
        *,
        tail_bytes: int = LOG_TAIL_BYTES,
        deadline_seconds: float = FLAME_GRAPH_SECONDS,
    ) -> str:
        """The end of a log file, from a full line on. Flink sends the whole file; only its end is kept."""
        path = f"/taskmanagers/{quote(taskmanager_id, safe='')}/logs/{quote(file_name, safe='')}"
        return self._log(path, tail_bytes, deadline_seconds)

    def jobmanager_log(self, *, tail_bytes: int = LOG_TAIL_BYTES, deadline_seconds: float = FLAME_GRAPH_SECONDS) -> str:
        """The end of the JobManager's log."""
        return self._log("/jobmanager/log", tail_bytes, deadline_seconds)

    def storage_signs(
        self, job_id: str, taskmanager_ids: Sequence[str], *, deadline_seconds: float = DETAIL_SECONDS
    ) -> tuple[StorageSign, ...]:
        """Of the end of the JobManager's log, and of the threads of these TaskManagers and of the JobManager.

        Raises Unreachable where Flink gives neither.
        """
        deadline = Deadline(deadline_seconds)
        found: list[StorageSign] = []
        problem: Unreachable | None = None
        try:
            log = self.jobmanager_log(tail_bytes=STORAGE_LOG_BYTES, deadline_seconds=deadline_seconds / 2)
            found += signs_in_log(log, job_id)
        except Unreachable as refused:
            problem = refused
        processes = {"the JobManager": "/jobmanager/thread-dump"}
        processes |= {
            f"TaskManager {one}": f"/taskmanagers/{quote(one, safe='')}/thread-dump" for one in taskmanager_ids
        }
        for name, path in processes.items():
            try:
                threads = self._client.get(path, wire_detail.thread_dump, deadline).thread_infos
            except Unreachable as refused:  # Flink before 1.15 has none of the JobManager
                problem = problem or refused
                continue
            found += signs_in_threads((each.stringified_thread_info for each in threads), f"threads of {name}")
        if problem is not None and not found:
            raise problem
        return tuple(found)

    def fatal_errors(
        self, vertices: Container[str], since_ms: int, *, deadline_seconds: float = DETAIL_SECONDS
    ) -> tuple[FatalError, ...]:
        """By the newest logs in the folders of the JobManager and of the TaskManagers that are left.

        Processes of one machine share a folder: there the log of one that is gone can be read. Raises Unreachable where
        no folder can.
        """
        deadline = Deadline(deadline_seconds)
        files: dict[str, tuple[int, str]] = {}
        problem: Unreachable | None = None
        for folder in ("/jobmanager/logs", *self._taskmanager_log_folders(deadline)):
            try:
                listed = self._client.get(folder, wire_detail.logs, deadline).logs
            except Unreachable as refused:
                problem = problem or refused
                continue
            for each in listed:
                if ".log" in each.name and each.mtime is not None and each.mtime >= since_ms:
                    files.setdefault(each.name, (each.mtime, f"{folder}/{quote(each.name, safe='')}"))
        if problem is not None and not files:
            raise problem
        newest = sorted(files.items(), key=lambda item: -item[1][0])[:MOST_FATAL_LOGS]
        found: list[FatalError] = []
        for name, (_, path) in reversed(newest):
            text = self._log(path, LOG_TAIL_BYTES, deadline.remaining_seconds)
            found += fatal_errors_in_log(text, vertices, name)
        return tuple(found)

    def _taskmanager_log_folders(self, deadline: Deadline) -> list[str]:
        managers = self._client.get("/taskmanagers", wire_detail.taskmanagers, deadline).taskmanagers
        return [f"/taskmanagers/{quote(each.id, safe='')}/logs" for each in managers[:MOST_FATAL_LOGS]]

    def _log(self, path: str, tail_bytes: int, deadline_seconds: float) -> str:
        deadline = Deadline(deadline_seconds)
        with self._client.enforced(deadline):
            content = self._client.read("GET", path, deadline, tail_bytes=tail_bytes)
        if len(content) >= tail_bytes:
            content = content[-tail_bytes:].partition(b"\n")[2]
        return content.decode("utf-8", "replace")

    def _vertex(self, job_path: str, vertex_id: str, deadline: Deadline) -> VertexDetail:
        path = f"{job_path}/vertices/{quote(vertex_id, safe='')}"
        vertex = self._client.get(path, wire_detail.vertex, deadline)
        unknown: dict[str, str] = {}
        loads: dict[int, wire_detail.SubtaskBackpressure] = {}
        watermarks: dict[int, int] = {}
        try:
            answer = self._client.get(f"{path}/backpressure", wire_detail.backpressure, deadline)
            loads = {each.subtask: each for each in answer.subtasks}
        except Unreachable as problem:
            unknown["backpressure"] = problem.what
        try:
            for value in self._client.get(f"{path}/watermarks", wire.metric_values, deadline):
                watermarks[int(value.id.partition(".")[0])] = int(value.value)
        except (Unreachable, ValueError) as problem:
            unknown["watermarks"] = str(problem)
        return VertexDetail(
            id=vertex.id,
            name=vertex.name,
            parallelism=vertex.parallelism,
            subtasks=tuple(
                _subtask(each, loads.get(each.subtask), watermarks.get(each.subtask)) for each in vertex.subtasks
            ),
            unknown=unknown,
        )

    def _phases(
        self, job_path: str, job: wire.Job, deadline: Deadline
    ) -> tuple[int | None, tuple[CheckpointPhases, ...]]:
        """Of the newest checkpoint that is over, completed or failed; the slowest vertices first."""
        try:
            history = self._client.get(f"{job_path}/checkpoints", wire.checkpoints, deadline).history
        except NotFound:
            return None, ()
        over = [each for each in history if each.status != "IN_PROGRESS"]
        if not over:
            return None, ()
        newest = max(over, key=lambda each: each.id)
        base = f"{job_path}/checkpoints/details/{newest.id}"
        tasks = self._client.get(base, wire.checkpoint, deadline).tasks
        names = {vertex.id: vertex.name for vertex in job.vertices}
        slowest = sorted(tasks.items(), key=lambda item: -(item[1].end_to_end_duration or 0))[:MAX_PHASED_VERTICES]
        phases = []
        for vertex_id, task in slowest:
            path = f"{base}/subtasks/{quote(vertex_id, safe='')}"
            try:
                summary = self._client.get(path, wire.vertex_checkpoint, deadline)
            except NotFound:  # not yet acknowledged by any subtask
                summary = wire.VertexCheckpoint()
            phases.append(phases_facts(names.get(vertex_id, vertex_id), task, summary))
        return newest.id, tuple(phases)

    def _those_that_run(self, vertices: Sequence[VertexDetail], parts: Parts, deadline: Deadline) -> _TaskManagers:
        """The TaskManagers of these vertices; none where Flink does not tell them."""
        managers = parts.ask("taskmanagers", lambda: self._taskmanagers(_taskmanagers_of(vertices), deadline))
        if managers is not None and managers.left_out:
            managers = parts.ask("taskmanagers", partial(self._with_most_gc, managers, deadline)) or managers
        return managers or _TaskManagers()

    def _taskmanagers(self, ours: frozenset[str], deadline: Deadline) -> "_TaskManagers":
        """Those that run the job; all where Flink does not say which. Only so many are asked one by one."""
        answer = self._client.get("/taskmanagers", wire_detail.taskmanagers, deadline).taskmanagers
        concerned = [each for each in answer if each.id in ours] or answer
        asked = tuple(self._taskmanager(each, deadline) for each in concerned[:MAX_TASKMANAGERS])
        return _TaskManagers(asked, max(0, len(concerned) - MAX_TASKMANAGERS))

    def _with_most_gc(self, managers: "_TaskManagers", deadline: Deadline) -> "_TaskManagers":
        """One request tells whether any TaskManager of the cluster collects garbage for long."""
        path = f"/taskmanagers/metrics?get={_GC_METRIC}&agg=max"
        answer = self._client.get(path, wire.aggregates, deadline)
        most = next((number for each in answer if (number := wire.number(each.max)) is not None), None)
        return managers._replace(most_gc_ratio=None if most is None or most < 0 else most / 1000)

    def _taskmanager(self, manager: wire_detail.TaskManager, deadline: Deadline) -> TaskManagerDetail:
        path = f"/taskmanagers/{quote(manager.id, safe='')}/metrics?get={','.join(_TASKMANAGER_METRICS)}"
        values = {each.id: wire.number(each.value) for each in self._client.get(path, wire.metric_values, deadline)}
        fields: dict[str, float | int] = {}
        for metric, field in _TASKMANAGER_METRICS.items():
            value = values.get(metric)
            if value is not None and value >= 0:
                fields[field] = round(value) if field.endswith("_bytes") else value
        if "gc_ratio" in fields:
            fields["gc_ratio"] /= 1000  # milliseconds a second
        return TaskManagerDetail(
            id=manager.id,
            slots=manager.slots_number,
            free_slots=manager.free_slots,
            last_heartbeat_ms=manager.time_since_last_heartbeat,
            **fields,  # type: ignore[arg-type]
        )

    def _partitions(self, job_path: str, vertex: wire.JobVertex, deadline: Deadline) -> tuple[PartitionDetail, ...]:
        """Of a Kafka source; none of any other. Raises errors.Unreachable when there are too many to ask."""
        path = f"{job_path}/vertices/{quote(vertex.id, safe='')}"
        known = self._client.get(f"{path}/subtasks/metrics", wire.metric_names, deadline)
        if not any(".KafkaSourceReader.topic." in each.id for each in known):
            return ()
        names = self._client.get(f"{path}/metrics", wire.metric_names, deadline)
        asked = partition_metrics(each.id for each in names)
        if asked.partitions > MOST_PARTITIONS:
            raise Unreachable(f"{asked.partitions} partitions: more than {MOST_PARTITIONS} are not asked one by one")
        values: dict[str, float] = {}
        for query in queries_of(asked.names):
            for each in self._client.get(f"{path}/metrics?get={query}", wire.metric_values, deadline):
                if (value := wire.number(each.value)) is not None:
                    values[each.id] = value
        return partition_details(vertex.name, values)

    def _plan(self, job_path: str, deadline: Deadline) -> dict[str, str]:
        nodes = self._client.get(f"{job_path}/plan", wire_detail.described_job, deadline).plan.nodes
        return {node.id: plain_description(node.description) for node in nodes}


def _taskmanagers_of(vertices: Sequence[VertexDetail]) -> frozenset[str]:
    return frozenset(each.taskmanager for vertex in vertices for each in vertex.subtasks if each.taskmanager)


def plain_description(description: str) -> str:
    r"""Flink's HTML description of a vertex as text, one operator a line.

    >>> plain_description("Source: a<br/>+- [2]:Calc(where=[(x &lt; 3)])<br/>")
    'Source: a\n+- [2]:Calc(where=[(x < 3)])'
    """
    return html.unescape(re.sub(r"<br\s*/?>", "\n", description)).strip()


def _subtask(
    subtask: wire_detail.Subtask, load: wire_detail.SubtaskBackpressure | None, watermark_ms: int | None
) -> SubtaskDetail:
    io = subtask.metrics
    return SubtaskDetail(
        index=subtask.subtask,
        status=subtask.status,
        attempt=subtask.attempt,
        endpoint=subtask.endpoint or subtask.host,
        taskmanager=subtask.taskmanager_id,
        started_ms=subtask.start_time if subtask.start_time > 0 else None,
        records_in=io.read_records if io.read_records_complete else None,
        records_out=io.write_records if io.write_records_complete else None,
        bytes_in=io.read_bytes if io.read_records_complete else None,
        bytes_out=io.write_bytes if io.write_records_complete else None,
        accumulated_busy_ms=wire.number(io.accumulated_busy_time),
        accumulated_backpressured_ms=wire.number(io.accumulated_backpressured_time),
        accumulated_idle_ms=wire.number(io.accumulated_idle_time),
        busy_ratio=wire.number(load.busy_ratio) if load else None,
        backpressured_ratio=wire.number(load.ratio) if load else None,
        idle_ratio=wire.number(load.idle_ratio) if load else None,
        watermark_ms=watermark_ms,
    )


def _frame(frame: wire_detail.Frame) -> FlameGraphNode:
    return FlameGraphNode(frame=frame.name, samples=frame.value, children=tuple(map(_frame, frame.children)))


def _job(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"
