"""managed-memory-full: RocksDB has no more room in memory and lives off the disk."""

from flinkops.diagnose.case import BUSY_RATIO, Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.diagnose.state_access import ACCESS_RATIO, state_access
from flinkops.model.detail import TaskManagerDetail
from flinkops.model.facts import VertexFacts
from flinkops.model.findings import EvidenceLine, Finding, NotAssessed
from flinkops.model.numbers import add_known, total, worst
from flinkops.model.option_names import STATE_BACKEND

CODE = "managed-memory-full"
STATE_TO_MEMORY_RATIO = 3.0
"""State on disk this many times the managed memory: most accesses miss the cache (own proposal)."""
BACKENDS = frozenset({"rocksdb", "forst"})
MANAGED = "state.backend.rocksdb.memory.managed"
"""false: each column family has buffers and caches of its own size, and managed memory is not used."""


def judge(case: Case) -> Verdict:
    """Info by size alone, since Flink reserves all managed memory at once; a warning where reading takes the time."""
    backend = (case.setting(*STATE_BACKEND) or "").lower()
    if not case.holds(f"the state backend is RocksDB or ForSt ({backend or 'none is set'})", backend in BACKENDS):
        return ()
    own = (case.setting(MANAGED) or "").lower() == "false"
    if not case.holds("its memory is Flink's managed memory", not own):
        return ()
    detail = case.evidence.detail
    if detail is not None and detail.taskmanagers_left_out:
        return NotAssessed(CODE, f"{detail.taskmanagers_left_out} of its TaskManagers were not asked for their memory")
    memory, state = _memory_bytes(case), _state_bytes(case)
    if not memory or state is None:
        return NotAssessed(CODE, case.why_missing("detail", "managed memory or the size of the state is not known"))
    if not case.above("bytes of state, against managed memory", state, STATE_TO_MEMORY_RATIO * memory, "bytes"):
        return ()
    lines = [line("bytes of state, against managed memory", state, STATE_TO_MEMORY_RATIO * memory, "bytes")]
    slowed = [(share, vertex) for vertex in case.job.vertices if (share := _slowed(case, vertex)) is not None]
    if not slowed:
        return [_finding(case, None, 0.5, lines)]
    share, vertex = max(slowed, key=lambda pair: pair[0])
    lines.append(
        line(
            f'share of the on-CPU samples of "{vertex.name}" that access its state, mostly to read',
            share,
            ACCESS_RATIO,
            "ratio",
        )
    )
    lines.append(line("share of time that its worst subtask is busy", worst(vertex.busy_ratio), BUSY_RATIO, "ratio"))
    return [_finding(case, vertex, min(0.95, 0.5 + share / 2), lines)]


def _memory_bytes(case: Case) -> float | None:
    """What the slots of this job have of the managed memory; all of it where Flink does not say which slots."""
    return add_known(_share_bytes(case, each) for each in case.taskmanagers)


def _share_bytes(case: Case, manager: TaskManagerDetail) -> float | None:
    detail, whole = case.evidence.detail, manager.managed_total_bytes
    vertices = detail.vertices if detail else ()
    used = max((sum(each.taskmanager == manager.id for each in vertex.subtasks) for vertex in vertices), default=0)
    if whole is None or not manager.slots or not used:
        return whole
    return whole * min(1.0, used / manager.slots)


def _state_bytes(case: Case) -> float | None:
    """On disk now, or in the last checkpoint, whichever is more: RocksDB tells of what it has flushed only."""
    known = (add_known(total(each.state_sst_bytes) for each in case.job.vertices), case.evidence.assessment.state_bytes)
    return max((float(each) for each in known if each is not None), default=None)


def _slowed(case: Case, vertex: VertexFacts) -> float | None:
    """The share of its samples in its state, where most of them read, it is much, and the vertex has no time left.

    What writes waits for flushes and compactions of the disk, however much is cached (see backpressure).
    """
    access, busy = state_access(case, vertex), worst(vertex.busy_ratio)
    if access is None or busy is None:
        return None
    share, what = access.of_reading, f'share of the samples of "{vertex.name}" that access its state, mostly to read'
    much = case.at_least(what, share, ACCESS_RATIO, "ratio")
    return share if much and (busy >= BUSY_RATIO or case.holds_up(vertex)) else None


def _finding(case: Case, vertex: VertexFacts | None, confidence: float, lines: list[EvidenceLine]) -> Finding:
    title = "The state is far larger than the memory of its state backend"
    step = case.scaled_or_shown(vertex)
    return Finding(
        code=CODE,
        severity="warning" if vertex else "info",
        confidence=confidence,
        title=f'{title}, and "{vertex.name}" spends its time on reading it' if vertex else title,
        vertex=vertex.name if vertex else None,
        evidence=tuple(lines),
        remedy=(
            remedy(
                "A larger share of the TaskManager's memory for RocksDB's caches; costs heap and a restart",
                key="taskmanager.memory.managed.fraction",
                value="0.6",
            ),
            remedy("Or more subtasks: each slot brings its share of the memory; costs slots and a restart"),
        ),
        next=step.command,
        move=step.move,
        reference=FLINK_DOCS + "ops/state/large_state_tuning/#tuning-rocksdb-memory",
    )


RULE = Rule(CODE, judge, steady=True)
