"""backpressure: a vertex takes less than it is given; which one, and what kind of reason."""

from flinkops.diagnose.backlog_lines import backlog_lines
from flinkops.diagnose.case import BUSY_RATIO, HIGH_BACKPRESSURE_RATIO, Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.diagnose.state_access import ACCESS_RATIO, state_access
from flinkops.diagnose.waiting import CALL_RATIO, waits_outside
from flinkops.model.facts import VertexFacts
from flinkops.model.findings import EvidenceLine, Finding, NotAssessed, Remedy, Severity
from flinkops.model.numbers import least, total, worst
from flinkops.model.overrides import OVERRIDES

RECENT_POLLS = 2
"""At so many polls in a row it is high; Flink's own ratio is a mean over a minute."""
FIRST_STACKS_SECONDS = 90.0
"""By then Flink has sampled the stacks of a job, on a busy machine too."""
KEY_SKEW = "key-skew"
NETWORK = "network"
STATE_WRITES = "state writes"
IDLE_RATIO = 0.9
"""Each of its subtasks waits for records so much of its time."""
FULL_BUSY_RATIO = 0.9
"""A source that works so much of its time takes in as much as it can (as in key-skew)."""
CRITICAL_RATIO = 0.9
"""Nearly nothing moves, and what waits before the job grows."""


def judge(case: Case) -> Verdict:
    """High at the last polls."""
    ratio = case.held_ratio
    if ratio is None:
        return NotAssessed("backpressure", case.why_missing("backpressure", "Flink reports no backpressure"))
    if ratio <= HIGH_BACKPRESSURE_RATIO and (behind := _slow_source(case)) is not None:
        return [behind]
    held_up = case.above("backpressure of the worst subtask", ratio, HIGH_BACKPRESSURE_RATIO, "ratio")
    if not held_up or not case.holds("it was as high at the poll before, or the job starts up", not _is_new(case)):
        return ()
    held = case.evidence.assessment.backpressure
    named = held.bottleneck if held else None
    vertex = case.bottleneck
    kind = _kind(case, vertex, named.kind if named else "")
    severity: Severity = "critical" if ratio >= CRITICAL_RATIO and _waiting_grows(case) else "warning"
    if (too_early := _stacks_to_come(case, vertex, kind)) is not None:
        severity = "info"
    step = case.scaled_or_shown(None if kind in (KEY_SKEW, NETWORK) else vertex)
    blame = f'"{named.vertex}" holds the others up ({kind})' if named else "no vertex takes the blame at this poll"
    return [
        Finding(
            code="backpressure",
            severity=severity,
            confidence=0.9 if named else 0.5,
            title=f"Backpressure: {blame}",
            vertex=named.vertex if named else None,
            evidence=(
                *_evidence(case, vertex, ratio, named.why if named else "", kind),
                *([too_early] if too_early else []),
            ),
            remedy=tuple(_remedies(case, vertex, kind)),
            next=step.command,
            move=step.move,
            reference=FLINK_DOCS + "ops/monitoring/back_pressure/",
        )
    ]


def _slow_source(case: Case) -> Finding | None:
    """Nothing is held up, since the slow work is chained to the source: it takes in less than arrives."""
    held, vertex = case.evidence.assessment.backpressure, case.bottleneck
    named = held.bottleneck if held else None
    behind = vertex is not None and not case.graph.upstream[vertex.id]
    if not case.holds("a source takes in less than arrives", behind) or vertex is None or named is None:
        return None
    if not case.at_least("share of time that it works", worst(vertex.busy_ratio), FULL_BUSY_RATIO, "ratio"):
        return None
    step = case.scaled_or_shown(vertex)
    return Finding(
        code="backpressure",
        severity="warning" if case.unsettled is None else "info",
        confidence=0.8,
        title=f'Too slow a source: "{vertex.name}" takes in less than arrives',
        vertex=vertex.name,
        evidence=(
            line(named.why),
            line("share of time that it works", worst(vertex.busy_ratio), FULL_BUSY_RATIO, "ratio"),
            *backlog_lines(case),
        ),
        remedy=tuple(_remedies(case, vertex, named.kind)),
        next=step.command,
        move=step.move,
        reference=FLINK_DOCS + "ops/monitoring/back_pressure/",
    )


def _is_new(case: Case) -> bool:
    """It was not high at the poll before; of a job that starts up any poll counts, since it is held back anyway."""
    recent = [each.backpressured_ratio for each in case.past[-(RECENT_POLLS - 1) :]]
    known = [each for each in recent if each is not None]
    return case.unsettled is None and any(each <= HIGH_BACKPRESSURE_RATIO for each in known)


def _kind(case: Case, vertex: VertexFacts | None, kind: str) -> str:
    """A call that blocks its thread seems busy to Flink; only the stacks tell it from work."""
    if vertex is not None and _gets_nothing(case, vertex):
        return NETWORK
    if vertex is not None and kind == "capacity" and _writes_state(case, vertex):
        return STATE_WRITES
    share = waits_outside(case, vertex) if vertex else None
    return "external" if share is not None and share >= CALL_RATIO and kind == "capacity" else kind


def _writes_state(case: Case, vertex: VertexFacts) -> bool:
    """Its state backend makes it wait: what is written is not flushed and compacted as fast."""
    access, what = state_access(case, vertex), f'share of the samples of "{vertex.name}" that write its state'
    return access is not None and case.at_least(what, access.of_writing, ACCESS_RATIO, "ratio")


def _gets_nothing(case: Case, vertex: VertexFacts) -> bool:
    """It waits for records while all before it cannot send theirs: with free buffers, only the way between is left.

    Not where all runs in one TaskManager, nor where another vertex is busy: a barrier that comes late from there has
    the inputs wait that have theirs.
    """
    ups = [case.graph.by_id[each] for each in case.graph.upstream[vertex.id]]
    held = [worst(each.backpressured_ratio) or 0.0 for each in ups]
    busiest = max((busy for each in case.job.vertices if (busy := worst(each.busy_ratio)) is not None), default=None)
    return (
        bool(held)
        and min(held) > HIGH_BACKPRESSURE_RATIO
        and case.above("its idlest time, of the vertex to blame", least(vertex.idle_ratio), IDLE_RATIO, "ratio")
        and case.at_most("busiest subtask of the job", busiest, BUSY_RATIO, "ratio")
        and case.above("TaskManagers that run it", _taskmanagers(case), 1, "count")
    )


def _taskmanagers(case: Case) -> int | None:
    detail = case.evidence.detail
    if detail is None:
        return None
    return len({each.taskmanager for vertex in detail.vertices for each in vertex.subtasks if each.taskmanager})


def _stacks_to_come(case: Case, vertex: VertexFacts | None, kind: str) -> EvidenceLine | None:
    """Of a young job: it works, but on what its first stacks will say, and these may be the cause."""
    uptime = case.uptime_seconds
    graph = case.flame_graph(vertex.id) if vertex else None
    if graph is None or graph.root is not None or kind != "capacity" or uptime is None:
        return None
    if uptime >= FIRST_STACKS_SECONDS or not graph.pending:
        return None
    return line("its stacks are still being sampled: what it spends its time on is not known yet")


def _evidence(case: Case, vertex: VertexFacts | None, ratio: float, why: str, kind: str) -> list[EvidenceLine]:
    lines = [line("share of time that the worst subtask is backpressured", ratio, HIGH_BACKPRESSURE_RATIO, "ratio")]
    if vertex is not None:
        lines.append(
            line(
                "share of time that the busiest subtask of the vertex to blame works",
                worst(vertex.busy_ratio),
                unit="ratio",
            )
        )
        lines.append(line(f'"{vertex.name}": {why}'))
        if kind == NETWORK:
            lines.append(line("it waits for records, and all before it cannot send theirs: they do not get through"))
        if kind == STATE_WRITES and (access := state_access(case, vertex)):
            lines.append(line("share of its samples that write its state", access.writes, ACCESS_RATIO, "ratio"))
        share = waits_outside(case, vertex)
        if share is not None and share >= CALL_RATIO:
            lines.append(line("share of its samples that wait for something outside", share, CALL_RATIO, "ratio"))
    lines += backlog_lines(case)
    return lines


def _remedies(case: Case, vertex: VertexFacts | None, kind: str) -> list[Remedy]:
    if vertex is None:
        return [remedy("Run it again while it lasts: the vertex to scale shows in a poll where one is the slowest")]
    more = case.more_subtasks(vertex)
    if kind == NETWORK:
        return [_NETWORK]
    scale = remedy(
        f'Scale "{vertex.name}" from {vertex.parallelism} to {more} subtasks; costs {more - vertex.parallelism} slots '
        "and a restart from the last checkpoint",
        key=OVERRIDES,
        value=f"{vertex.id}:{more}",
    )
    if kind == STATE_WRITES:
        return [_WRITES, scale]
    if kind == "external":
        wait = remedy(
            f'"{vertex.name}" waits for something outside (a database, a service, a disk): call it asynchronously '
            "(AsyncDataStream, table async lookup) or in batches; costs a buffer of requests in the state",
            key="table.exec.async-lookup.buffer-capacity",
            value="100",
        )
        return [wait, scale]
    debloat = remedy(
        "Until then, let less data wait in the network, so that checkpoints pass; costs a little throughput",
        key="taskmanager.network.memory.buffer-debloat.enabled",
        value="true",
    )
    return [scale, debloat] if more > vertex.parallelism and kind != KEY_SKEW else [debloat]


_WRITES = remedy(
    "RocksDB flushes and compacts more slowly than it is written to, and makes its writers wait: give it more threads, "
    "larger write buffers (state.backend.rocksdb.writebuffer.size, or more managed memory), a faster disk; or write "
    "less: smaller values, fewer updates of a key; costs cores and memory",
    key="state.backend.rocksdb.thread.num",
    value="4",
)
_NETWORK = remedy(
    "Check the network between the machines of these TaskManagers: their data ports (taskmanager.data.port), network "
    "policies, firewalls, a full link. Heartbeats go another way, so that Flink notes nothing for many minutes; a "
    "restart may move the job to other machines"
)


def _pending(case: Case) -> float | None:
    known = [value for each in case.graph.sources if (value := total(each.pending_records)) is not None]
    return sum(known) if known else None


def _waiting_grows(case: Case) -> bool:
    now = _pending(case)
    before = [each.pending_records for each in case.past if each.pending_records is not None]
    return bool(now and before and now > before[0])


RULE = Rule("backpressure", judge, steady=True)
