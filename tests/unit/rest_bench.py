"""A fake cluster without an operator, whose job came from a known jar, and a journal: for tests of redeployments."""

from collections.abc import Callable
from pathlib import Path

from flinkops.act.executor import Executor, Progress
from flinkops.act.journal import Journal
from flinkops.clock import SystemClock
from flinkops.model.launch import Launch
from flinkops.model.plan import Plan, Result
from flinkops.model.request import Change, Terms
from flinkops.plan.identity import Stamp, derived_id
from flinkops.plan.launch_change import changed_launch
from flinkops.plan.redeploy import RedeployVerb, plan_redeploy
from flinkops.plan.rescale import plan_rescale
from tests.patience import polled_clock
from tests.unit.fake_cluster import JOB_ID, SAVEPOINTS, FakeCluster

NO_TERMS = Terms()


OLD = Launch("jar", ("--topic", "prices"), jar_id="old.jar", parallelism=1)


class Bench:
    """A fake cluster whose job came from a known jar."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = FakeCluster(folder / "cluster.json")
        self.clock = polled_clock()
        self.journal = Journal(folder / "journal", SystemClock())

    def executor(
        self, progress: Callable[[Progress], None] = lambda _progress: None, seconds: float = 10.0
    ) -> Executor:
        return Executor(
            self.cluster,
            self.journal,
            self.clock,
            timeout_seconds=seconds,
            poll_seconds=0.001,
            progress=progress,
        )

    def plan(
        self,
        change: Change,
        *,
        plan_id: str = "p1",
        old: Launch | None = OLD,
        verb: RedeployVerb = "upgrade",
        job_id: str = JOB_ID,
        terms: Terms = NO_TERMS,
    ) -> Plan:
        facts = self.cluster.job(job_id)
        assert facts is not None
        new = changed_launch(old, change)
        return plan_redeploy(verb, facts, old, new, self.cluster.cluster(), Stamp(plan_id, 10_000), terms)

    def live(self) -> list[str]:
        return [job.id for job in self.cluster.state.jobs.values() if job.state in ("RUNNING", "INITIALIZING")]


def rolled_back(bench: Bench, result: Result) -> None:
    assert result.outcome == "rolled-back"
    assert bench.live() == [derived_id("p1", "old job")]
    back = bench.cluster.state.jobs[derived_id("p1", "old job")]
    assert back.restored == f"{SAVEPOINTS}/savepoint-1"
    assert bench.cluster.state.orders.count("stop") == 1


def rescale(bench: Bench, parallelism: int) -> Plan:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    return plan_rescale(
        facts,
        bench.cluster.requirements(JOB_ID),
        bench.cluster.cluster(),
        Stamp("x1", 1),
        parallelism=parallelism,
    )
