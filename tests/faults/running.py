"""Runs the matrix: injects each fault, watches for its symptoms, asks the doctor until it has named something."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from pathlib import Path
from typing import Protocol

import msgspec
import requests

from flinkops.errors import FlinkopsError, TimedOut
from flinkops.local import kafka
from tests.faults.cases import Case, Control, During, Job
from tests.faults.feeding import feeding, recreate
from tests.faults.lab import SLOTS, Lab
from tests.faults.results import WITHIN_SECONDS, Answer, Asked, CaseResult, ControlResult, Results, answered, telling
from tests.faults.surroundings import small_disk
from tests.faults.watching import Watcher

PATIENCE_SECONDS = 180.0
"""In which symptoms have to show, or the case is broken."""
ASK_SECONDS = 3.0
"""Between the starts of two questions about the same job."""
SHARED_AT_ONCE = 9
_SETTLED_SECONDS = 30.0
_SETTLED_GC_RATIO = 0.1
_SAVEPOINT_EVERY_SECONDS = 15.0


class Asks(Protocol):
    """The doctor of one job."""

    def ask(self) -> Asked:
        """All that it names, ranked."""
        ...

    def close(self) -> None:
        """The end."""
        ...


DoctorOf = Callable[[str, str], Asks]
"""Of a REST address and a job's name."""
Report = Callable[[str], None]


class Runner:
    """One cluster, one watcher; first the healthy ones, then faults that do not disturb each other, then the rest.

    ``to_the_end``: the doctor is asked for as long as the case lasts, else until it has named what it has to.
    """

    def __init__(
        self, lab: Lab, watcher: Watcher, doctor_of: DoctorOf, report: Report, *, to_the_end: bool = False
    ) -> None:
        self._lab = lab
        self._watcher = watcher
        self._doctor_of = doctor_of
        self._report = report
        self._to_the_end = to_the_end
        self._stop = threading.Event()

    def run(self, cases: Sequence[Case], controls: Sequence[Control]) -> Results:
        """All of it; a case that breaks is a result with its problem."""
        with ThreadPoolExecutor(SHARED_AT_ONCE) as workers:
            try:
                healthy = list(workers.map(self._control, controls))
                shared = list(workers.map(self._case, [case for case in cases if not case.alone]))
            except BaseException:  # Ctrl-C too: nobody waits for the jobs that go on
                self._stop.set()
                raise
        alone = [self._case(case) for case in cases if case.alone]
        by_name = {(each.case, each.strength): each for each in (*alone, *shared)}
        return Results(tuple(by_name[case.name, case.strength] for case in cases), tuple(healthy))

    def _case(self, case: Case) -> CaseResult:
        try:
            with ExitStack() as fed:
                for job in (*case.beside, case.job):
                    fed.enter_context(self._fed(job))
                if (megabytes := case.job.small_disk_megabytes) is not None:
                    fed.enter_context(small_disk(self._small_disk_of(case.job), megabytes))
                result = self._injected(case)
        except (FlinkopsError, requests.RequestException) as problem:
            result = CaseResult(
                case.code,
                case.strength,
                None,
                None,
                case.name,
                problem=str(problem),
                also=case.codes[1:],
                unnamed=case.codes,
            )
        self._report(
            f"{case.name} {case.strength}: symptoms after {result.symptoms_after_seconds} s, "
            f"named first {result.named_first}, {result.seconds} s later"
            + (f", not named: {', '.join(result.unnamed)}" if result.unnamed else "")
            + (f", {result.problem}" if result.problem else "")
        )
        return result

    def _injected(self, case: Case) -> CaseResult:
        started: list[str] = []
        try:
            if case.alone:
                self._lab.ensure_taskmanager()
                self._settle()
            if case.fills_slots:
                started.append(self._fill(f"{case.job.name}-filler"))
            with ExitStack() as around:
                if case.second_taskmanager:
                    around.enter_context(self._lab.second_taskmanager(case.second_taskmanager))
                return self._inject(case, started, around)
        finally:
            for job_id in started:
                self._lab.cancel(job_id)

    def _small_disk_of(self, job: Job) -> Path:
        return self._lab.home / "small disks" / job.name

    def _prepared(self, job: Job) -> Job:
        """With the folder of its small disk among its settings."""
        if job.small_disk_megabytes is None:
            return job
        folder = {"state.backend.rocksdb.localdir": str(self._small_disk_of(job))}
        return msgspec.structs.replace(job, configuration={**job.configuration, **folder})

    def _settle(self) -> None:
        """Until the garbage of the case before is gone; Flink's rate is over a minute."""
        ends = time.time() + PATIENCE_SECONDS
        while (self._lab.gc_ratio() or 0.0) > _SETTLED_GC_RATIO and time.time() < ends:
            self._stop.wait(ASK_SECONDS)

    def _inject(self, case: Case, started: list[str], around: ExitStack) -> CaseResult:
        started.extend(self._lab.submit(each) for each in case.beside)
        submitted = time.time()
        job = self._prepared(case.job)
        started.extend(self._lab.submit(job) for _ in range(2 if case.twice else 1))
        if case.job.rescaled_to is not None:
            self._await_placed(case.job.name)
            self._lab.rescale(started[-1], case.job.rescaled_to)
        progress = _Progress(case, submitted)
        disturbed = 0.0
        with closing(self._doctor_of(self._lab.url, case.job.name)) as doctor:
            while self._goes_on(progress):
                asked = time.monotonic()
                if case.during and progress.disturb_due(disturbed):
                    around.enter_context(self._disturbed(case.during, case.job, started[-1]))
                    disturbed = time.time()
                progress.heard(doctor.ask())
                if progress.begun is None:
                    progress.begun = self._begun_at(case, submitted)
                self._stop.wait(max(0.0, ASK_SECONDS - (time.monotonic() - asked)))
        return progress.result()

    def _begun_at(self, case: Case, submitted: float) -> float | None:
        return submitted if case.symptom is None else self._watcher.begun_at(case.job.name, case.symptom)

    def _goes_on(self, progress: "_Progress") -> bool:
        """To the end of its time, or until both the symptoms and the right names have come."""
        if not self._to_the_end and progress.done:
            return False
        begun, watched = progress.begun, progress.case.watch_seconds or WITHIN_SECONDS
        ends = progress.submitted + max(PATIENCE_SECONDS, watched) if begun is None else begun + watched
        return time.time() < ends and not self._stop.is_set()

    def _fed(self, job: Job) -> AbstractContextManager[None]:
        if (onward := job.options.get("onward")) is not None:
            kafka.create_topic(self._lab.bootstrap, onward, like=kafka.ALERTS_TOPIC)
        return nullcontext() if job.feed is None else feeding(self._lab.bootstrap, job.name, job.feed)

    def _fill(self, name: str) -> str:
        job_id = self._lab.submit(Job(name, {"for-seconds": "0"}, {}, SLOTS))
        try:
            self._await_placed(name)
        except TimedOut:
            self._lab.cancel(job_id)
            raise
        return job_id

    def _await_placed(self, name: str) -> None:
        ends = time.time() + PATIENCE_SECONDS
        while not self._watcher.placed(name):
            if time.time() > ends or self._stop.is_set():
                raise TimedOut(f"{name} has not got its slots")
            self._stop.wait(1.0)

    def _control(self, control: Control) -> ControlResult:
        answers: list[Answer] = []
        problem = None
        try:
            with self._fed(control.job):
                self._run_control(control, answers)
        except (FlinkopsError, requests.RequestException) as error:
            problem = str(error)
        found = tuple(dict.fromkeys(code for answer in answers for code in answer.codes))
        told = f"{len(answers)} asks, above info: {', '.join(found) or 'none'} {problem or ''}"
        self._report(f"control {control.name}: {told}")
        return ControlResult(control.name, found, len(answers), problem, tuple(answers))

    def _run_control(self, control: Control, answers: list[Answer]) -> None:
        job_id = self._lab.submit(control.job)
        try:
            if control.during:
                self._stop.wait(_SETTLED_SECONDS)
            self._watch(control, job_id, answers)
        finally:
            with suppress(FlinkopsError, requests.RequestException):  # it ends with the lab then
                self._lab.cancel(job_id)

    def _watch(self, control: Control, job_id: str, answers: list[Answer]) -> None:
        begun = time.monotonic()
        ends, disturbed = begun + control.watch_seconds, 0.0
        with closing(self._doctor_of(self._lab.url, control.job.name)) as doctor:
            while (now := time.monotonic()) < ends and not self._stop.is_set():
                due = control.during == "savepoint" and now - disturbed > _SAVEPOINT_EVERY_SECONDS
                if control.during and (not disturbed or due):
                    with self._disturbed(control.during, control.job, job_id):
                        disturbed = now
                answers.append(answered(now - begun, doctor.ask()))
                self._stop.wait(max(0.0, ASK_SECONDS - (time.monotonic() - now)))

    def _disturbed(self, how: During, job: Job, job_id: str) -> AbstractContextManager[None]:
        if how == "network-cut":
            return self._lab.network_cut()
        self._disturb(how, job, job_id)
        return nullcontext()

    def _disturb(self, how: During, job: Job, job_id: str) -> None:
        if how == "savepoint":
            self._lab.trigger_savepoint(job_id)
        elif how == "topic-deleted":
            kafka.delete_topic(self._lab.bootstrap, job.name)
        elif how == "topic-recreated":
            recreate(self._lab.bootstrap, job.name)
        else:
            self._lab.rescale(job_id, job.parallelism + 1)


class _Progress:
    """What has been seen of one case so far; times are epoch seconds."""

    def __init__(self, case: Case, submitted: float) -> None:
        self.case = case
        self.submitted = submitted
        self.begun: float | None = None
        self._named: dict[str, float] = {}
        self._answers: list[Answer] = []

    def heard(self, asked: Asked) -> None:
        """One more answer, of now."""
        answer = answered(time.time() - self.submitted, asked)
        self._answers.append(answer)
        first, *others = self.case.codes
        said = [*(each for each in others if each in answer.codes), *([first] if answer.codes[:1] == (first,) else [])]
        for code in said:
            self._named.setdefault(code, time.time())

    @property
    def done(self) -> bool:
        """Its symptoms show, and all that has to be named was."""
        return self.begun is not None and self._named.keys() >= set(self.case.codes)

    def disturb_due(self, last: float) -> bool:
        """A savepoint again and again, a rescale once, when the job has settled."""
        if not last:
            return time.time() - self.submitted > _SETTLED_SECONDS
        return self.case.during == "savepoint" and time.time() - last > _SAVEPOINT_EVERY_SECONDS

    def result(self) -> CaseResult:
        """What became of it."""
        case, begun, named = self.case, self.begun, self._named.get(self.case.code)
        said = {code for answer in self._answers for code in answer.codes}
        tells = telling(self._answers, case.codes)
        return CaseResult(
            injected=case.code,
            strength=case.strength,
            named_first=tells.codes[0] if tells else None,
            seconds=None if named is None or begun is None else round(named - begun, 1),
            case=case.name,
            symptoms_after_seconds=None if begun is None else round(begun - self.submitted, 1),
            answers=tuple(self._answers),
            problem="its symptoms did not show" if begun is None else None,
            also=case.codes[1:],
            unnamed=tuple(code for code in case.codes if code not in said),
            top3=tells is not None and case.code in tells.codes[:3],
        )


def capture_file(folder: Path | None, job: str) -> Path | None:
    """Where the evidence of one job goes."""
    return None if folder is None else folder / f"{job.removeprefix('orders-')}.jsonl"
