"""managed-memory-full: RocksDB has no more room in memory and lives off the disk."""

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.findings import Finding, NotAssessed
from flinkops.model.numbers import add_known, total

CODE = "managed-memory-full"
STATE_TO_MEMORY_RATIO = 3.0
"""State on disk this many times the managed memory: most accesses miss the cache (own proposal)."""


def judge(case: Case) -> Verdict:
    """Info: Flink reserves all managed memory at once for RocksDB, so only the size of the state says more."""
    backend = (case.setting("state.backend.type", "state.backend") or "").lower()
    if backend not in ("rocksdb", "forst"):
        return ()
    memory = add_known(each.managed_total_bytes for each in case.taskmanagers)
    state = add_known(total(each.state_sst_bytes) for each in case.job.vertices)
    if state is None:
        size = case.evidence.assessment.state_bytes
        state = None if size is None else float(size)
    if not memory or state is None:
        return NotAssessed(CODE, case.why_missing("detail", "managed memory or the size of the state is not known"))
    if state <= STATE_TO_MEMORY_RATIO * memory:
        return ()
    return [
        Finding(
            code=CODE,
            severity="info",
            confidence=0.5,
            title="The state is far larger than the memory of its state backend",
            evidence=(line("bytes of state, against managed memory", state, STATE_TO_MEMORY_RATIO * memory),),
            remedy=(
                remedy(
                    "A larger share of the TaskManager's memory for RocksDB's caches; costs heap and a restart",
                    key="taskmanager.memory.managed.fraction",
                    value="0.6",
                ),
            ),
            next=f"flinkops status {case.selector}",
            reference=FLINK_DOCS + "ops/state/large_state_tuning/#tuning-rocksdb-memory",
        )
    ]


RULE = Rule(CODE, judge, steady=True)
