"""A source that can be asked for details, with answers of a fixed shape."""

from flinkops.errors import Unreachable
from flinkops.model.detail import (
    FlameGraph,
    FlameGraphKind,
    FlameGraphNode,
    JobDetail,
    LogFile,
    SubtaskDetail,
    TaskManagerDetail,
    VertexDetail,
)
from flinkops.model.endpoint import RestEndpoint, parse_endpoint
from flinkops.model.facts import NO_WATERMARK_MS, CheckpointPhases
from tests.tui.fleet import T0_MS


class FakeSource:
    """Answers at once, or fails."""

    def __init__(self, name: str, *, failing: bool = False, url: str = "http://127.0.0.1:9") -> None:
        self.name = name
        self.failing = failing
        self.backend = "rest"
        self.endpoint: RestEndpoint = parse_endpoint(url, name=name)

    def _answer(self) -> None:
        if self.failing:
            raise Unreachable(f"{self.name} gave no answer within 10 s")

    def detail(self, job_id: str, *, deadline_seconds: float = 10.0) -> JobDetail:
        self._answer()
        return JobDetail(id=job_id, seen_ms=T0_MS, taskmanagers=(TaskManagerDetail("tm-1"), TaskManagerDetail("tm-2")),
            phases_of=1199, checkpoint_phases=(
                CheckpointPhases("Window(5 min)", 0.2, 310.0, 0.4, 12.0, 330.0, acknowledged=3, subtasks=4),
                CheckpointPhases("Sink: table", 0.1, 0.0, 0.1, 1.0, 1.5, acknowledged=2, subtasks=2),
            ))  # fmt: skip

    def subtasks(self, job_id: str, vertex_id: str) -> VertexDetail:
        self._answer()
        return VertexDetail(vertex_id, "v", 4, tuple(
            SubtaskDetail(
                index=index, status="RUNNING", endpoint=f"10.0.0.{index}:41", taskmanager=f"tm-{1 + index % 2}",
                started_ms=T0_MS - 3_600_000, records_in=9000 if index == 2 else 1000, records_out=900, bytes_in=10**6,
                busy_ratio=0.9 if index == 2 else 0.1, backpressured_ratio=0.0, idle_ratio=0.1 if index == 2 else 0.9,
                watermark_ms=NO_WATERMARK_MS if index == 3 else T0_MS - 4_000,
            )
            for index in range(4)
        ))  # fmt: skip

    def flame_graph(
        self, job_id: str, vertex_id: str, kind: FlameGraphKind = "on_cpu", *, deadline_seconds: float = 10.0
    ) -> FlameGraph:
        self._answer()
        deep = FlameGraphNode("org.rocksdb.RocksDB.get(RocksDB.java:10)", 60)
        work = FlameGraphNode("org.apache.flink.table.Dedup.processElement(Dedup.java:41)", 80, (deep,))
        read = FlameGraphNode("java.net.SocketInputStream.read(Native Method)", 20)
        return FlameGraph(at_ms=T0_MS, root=FlameGraphNode("root", 100, (work, read)))

    def taskmanager_logs(self, taskmanager_id: str) -> tuple[LogFile, ...]:
        self._answer()
        return (LogFile("taskmanager.log", 12_000, T0_MS),)

    def taskmanager_log(self, taskmanager_id: str, file_name: str) -> str:
        self._answer()
        return (
            "2026-11-23 14:00:00,000 INFO  o.a.f.Task - starting\n"
            "2026-11-23 14:01:00,000 WARN  o.a.f.Checkpoint - Checkpoint 12 expired\n"
            "2026-11-23 14:02:00,000 ERROR o.a.f.Task - \x1b[31mfailed\x1b[0m\n"
        )

    def jobmanager_log(self) -> str:
        self._answer()
        return "2026-11-23 14:00:00,000 INFO  o.a.f.JobMaster - here\n"
