"""A Flink cluster as a state machine: what the executor asks for happens, and is remembered in a file.

The file outlives the process, so that a test can kill the executor and see what it had done.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec

from flinkops.act.control import JarRun, Load, Snapshots
from flinkops.errors import OperationFailed, Unreachable
from flinkops.model.detail import AsyncOutcome, ResourceRequirement
from flinkops.model.effect import RunsWith
from flinkops.model.facts import (
    CheckpointFacts,
    CheckpointsFacts,
    ClusterFacts,
    ExceptionFacts,
    JobFacts,
    RestoredFacts,
    VertexFacts,
)
from flinkops.model.plan import Plan
from flinkops.model.savepoint import SavepointFormat
from flinkops.plan.preconditions import unmet

NAME = "cluster.example:8081"
JOB_ID = "a" * 32
SAVEPOINTS = "s3://bucket/savepoints"
TOLD_OF_A_JOB = frozenset({"pipeline.object-reuse", "execution.checkpointing.interval"})


UNCOMPILABLE_JAR = "no-graph.jar"
"""Its main fails; that of ``bad.jar`` only when it is submitted."""


class FakeJob(msgspec.Struct):
    id: str
    name: str
    state: str = "RUNNING"
    parallelism: int = 1
    restarts: int = 0
    completed: int = 3
    savepoints: list[str] = []
    restored: str | None = None
    started_ms: int = 1
    starting_polls: int = 0  # polls until it is RUNNING
    cached_polls: int = 0  # polls at which it is not yet told from what it was restored
    loops: bool = False  # restarts at every poll
    own_settings: dict[str, str] = {}  # those that Flink tells of a job


class FakeTrigger(msgspec.Struct):
    job_id: str
    location: str
    stops: bool
    polls_left: int


class FakeState(msgspec.Struct):
    jobs: dict[str, FakeJob] = {}
    triggers: dict[str, FakeTrigger] = {}
    disposed: list[str] = []
    orders: list[str] = []  # what had an effect
    bad_jars: list[str] = []  # their jobs never come up
    looping_jars: list[str] = []
    slots_total: int = 4


class FakeCluster:
    """A JobControl."""

    def __init__(self, file: Path, *, polls: int = 1) -> None:
        self._file = file
        self._polls = polls
        self.unreachable_answers = 0
        self.savepoint_failure: str | None = None
        self.forgets = False
        self.load_now: Load | None = None
        self.swallows_answers = False  # of a submission that happens
        self.swallows_requests = False  # a submission that does not
        self.hides_savepoints = False
        self.checkpoints_known = True
        self.cached_polls = 0  # of a new job
        self.last_checkpoint: CheckpointFacts | None = None
        self.vertex_id = "v1"
        self.configuration = {"execution.checkpointing.savepoint-dir": SAVEPOINTS}
        if file.exists():
            self.state = msgspec.json.decode(file.read_bytes(), type=FakeState)
        else:
            self.state = FakeState(jobs={JOB_ID: FakeJob(JOB_ID, "prices")})
            self.save()

    def save(self) -> None:
        part = self._file.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(self.state))
        part.replace(self._file)

    @property
    def name(self) -> str:
        return NAME

    @property
    def poll_seconds(self) -> float:
        return 0.001

    @property
    def url(self) -> str:
        return f"http://{NAME}"

    def unmet(self, plan: Plan) -> tuple[str, ...]:
        return unmet(plan.preconditions, self.job(plan.target.job_id)) if plan.preconditions else ()

    def lock(self, _plan: Plan) -> AbstractContextManager[None]:
        return nullcontext()

    def held_savepoints(self) -> dict[str, str]:
        return {}

    def snapshots(self) -> Snapshots:
        return Snapshots()

    def load(self, job_id: str) -> Load:
        self._may_be_away()
        return Load(unknown="a fake has no records") if self.load_now is None else self.load_now

    def failures(self, job_id: str) -> tuple[ExceptionFacts, ...]:
        if not self.state.jobs[job_id].loops:
            return ()
        return (ExceptionFacts(at_ms=1, name="RuntimeException", message="the new program does not work"),)

    def jobs(self) -> tuple[JobFacts, ...]:
        self._may_be_away()
        return tuple(self._facts(job) for job in self.state.jobs.values())

    def job(self, job_id: str) -> JobFacts | None:
        self._may_be_away()
        job = self.state.jobs.get(job_id)
        if job is None:
            return None
        self._live(job)
        return self._facts(job)

    def runs_with(self, job_id: str) -> RunsWith:
        self._may_be_away()
        own = {"parallelism.default": str(self.state.jobs[job_id].parallelism), **self.state.jobs[job_id].own_settings}
        return RunsWith(settings=self.configuration, own=own, flink_version="2.3.0")

    def cluster(self) -> ClusterFacts:
        used = sum(job.parallelism for job in self.state.jobs.values() if job.state == "RUNNING")
        return ClusterFacts(
            name=NAME,
            flink_version="2.3.0",
            taskmanagers=1,
            slots_total=self.state.slots_total,
            slots_available=self.state.slots_total - used,
        )

    def trigger_savepoint(
        self, job_id: str, *, target_directory: str, savepoint_format: SavepointFormat, trigger_id: str
    ) -> None:
        self._trigger(job_id, target_directory, trigger_id, stops=False)

    def stop_with_savepoint(
        self, job_id: str, *, target_directory: str, savepoint_format: SavepointFormat, trigger_id: str
    ) -> None:
        self._trigger(job_id, target_directory, trigger_id, stops=True)

    def savepoint_status(self, job_id: str, trigger_id: str) -> AsyncOutcome | None:
        self._may_be_away()
        trigger = self.state.triggers.get(trigger_id)
        if trigger is None or self.forgets:
            return None
        if self.savepoint_failure is not None:
            return AsyncOutcome(done=True, failure=self.savepoint_failure)
        if trigger.polls_left > 0:
            trigger.polls_left -= 1
            self.save()
            return AsyncOutcome(done=False)
        return AsyncOutcome(done=True, location=trigger.location)

    def dispose_savepoint(self, path: str) -> str:
        self._may_be_away()
        self.state.disposed.append(path)
        self._did(f"dispose {path}")
        return "disposal"

    def disposal_status(self, trigger_id: str) -> AsyncOutcome | None:
        return AsyncOutcome(done=True, failure=self.savepoint_failure)

    def requirements(self, job_id: str) -> tuple[ResourceRequirement, ...]:
        return (ResourceRequirement(vertex="v1", lower=1, upper=self.state.jobs[job_id].parallelism),)

    def require(self, job_id: str, requirements: Sequence[ResourceRequirement]) -> None:
        self._may_be_away()
        self.state.jobs[job_id].parallelism = min(requirements[0].upper, self.state.slots_total)
        self._did(f"require {requirements[0].upper}")

    def cancel(self, job_id: str) -> None:
        self._may_be_away()
        self.state.jobs[job_id].state = "CANCELED"
        self._did(f"cancel {job_id[:4]}")

    def jars(self) -> tuple[str, ...]:
        return ("old.jar", "new.jar", "bad.jar", "loop.jar", UNCOMPILABLE_JAR)

    def settings(self) -> dict[str, str]:
        return {}

    def compile_jar(self, run: JarRun, *, parallelism: int | None, settings: dict[str, str]) -> None:
        self._may_be_away()
        if run.jar_id == UNCOMPILABLE_JAR:
            raise OperationFailed("The main method caused an error: no such topic")

    def upload_jar(self, path: str) -> str:
        self._may_be_away()
        self._did(f"upload {Path(path).name}")
        return f"given_{Path(path).name}"

    def run_jar(
        self, run: JarRun, *, job_id: str, savepoint: str | None, parallelism: int | None, settings: dict[str, str]
    ) -> None:
        self._may_be_away()
        if self.swallows_requests:
            raise Unreachable(f"{NAME} did not answer in full")
        if job_id in self.state.jobs:
            raise OperationFailed("Job has already been submitted.")
        if run.jar_id in self.state.bad_jars:
            raise OperationFailed("The main method caused an error")
        self.state.jobs[job_id] = FakeJob(
            job_id,
            "prices",
            state="INITIALIZING",
            parallelism=parallelism or 1,
            completed=0,
            restored=savepoint,
            started_ms=1000 + len(self.state.jobs),
            starting_polls=1,
            loops=run.jar_id in self.state.looping_jars,
            cached_polls=self.cached_polls,
            own_settings={key: value for key, value in settings.items() if key in TOLD_OF_A_JOB},
        )
        self._did(f"run {run.jar_id} from {savepoint}")
        if self.swallows_answers:
            raise Unreachable(f"{NAME} did not answer in full")

    def _trigger(self, job_id: str, directory: str, trigger_id: str, *, stops: bool) -> None:
        self._may_be_away()
        if trigger_id in self.state.triggers:
            return
        job = self.state.jobs[job_id]
        location = f"{directory}/savepoint-{len(self.state.triggers) + 1}"
        self.state.triggers[trigger_id] = FakeTrigger(job_id, location, stops, self._polls)
        if self.savepoint_failure is None:
            job.savepoints.append(location)
            if stops:
                job.state = "FINISHED"
        self._did("stop" if stops else "savepoint")

    def _live(self, job: FakeJob) -> None:
        if job.state == "INITIALIZING":
            job.starting_polls -= 1
            if job.starting_polls <= 0:
                job.state = "RUNNING"
        elif job.state == "RUNNING":
            job.cached_polls -= 1
            job.completed += 0 if job.loops else 1
            job.restarts += 1 if job.loops else 0
        self.save()

    def _may_be_away(self) -> None:
        if self.unreachable_answers > 0:
            self.unreachable_answers -= 1
            raise Unreachable(f"{NAME} refuses connections")

    def _did(self, order: str) -> None:
        self.state.orders.append(order)
        self.save()

    def _facts(self, job: FakeJob) -> JobFacts:
        saved = tuple(
            CheckpointFacts(
                id=100 + number, status="COMPLETED", is_savepoint=True, triggered_ms=10_000 + number, external_path=path
            )
            for number, path in enumerate(job.savepoints)
            if not self.hides_savepoints
        )
        checkpoints = CheckpointsFacts(
            enabled=True,
            interval_seconds=1.0,
            completed=job.completed,
            failed=0,
            latest_completed=self.last_checkpoint,
            latest_savepoint=saved[-1] if saved else None,
            history=tuple(reversed(saved)),
            restored=RestoredFacts(id=1, at_ms=1, is_savepoint=True, external_path=job.restored)
            if job.restored and job.cached_polls <= 0
            else None,
        )
        vertex = VertexFacts(
            id=self.vertex_id, name="all of it", parallelism=job.parallelism, max_parallelism=128, status="RUNNING"
        )
        return JobFacts(
            id=job.id,
            name=job.name,
            cluster=NAME,
            seen_ms=1,
            state=job.state,
            started_ms=job.started_ms,
            ended_ms=9 if job.state in ("FINISHED", "CANCELED", "FAILED") else None,
            scheduler="Adaptive",
            restarts=job.restarts,
            vertices=(vertex,),
            checkpoints=checkpoints if self.checkpoints_known else None,
            configuration=self.configuration,
        )
