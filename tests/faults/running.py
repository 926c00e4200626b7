"""Runs the matrix: injects each fault, watches for its symptoms, asks the doctor until it has named something."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import Protocol

import requests

from flinkops.errors import FlinkopsError, TimedOut
from tests.faults.cases import Case, Control, Job
from tests.faults.feeding import feeding
from tests.faults.lab import SLOTS, Lab
from tests.faults.results import WITHIN_SECONDS, Answer, CaseResult, ControlResult, Results
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

    def ask(self) -> tuple[str, ...]:
        """The codes above info, ranked."""
        ...

    def close(self) -> None:
        """The end."""
        ...


DoctorOf = Callable[[str, str], Asks]
"""Of a REST address and a job's name."""
Report = Callable[[str], None]


class Runner:
    """One cluster, one watcher; first the healthy ones, then faults that do not disturb each other, then the rest."""

    def __init__(self, lab: Lab, watcher: Watcher, doctor_of: DoctorOf, report: Report) -> None:
        self._lab = lab
        self._watcher = watcher
        self._doctor_of = doctor_of
        self._report = report
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
            with self._fed(case.job):
                result = self._injected(case)
        except (FlinkopsError, requests.RequestException) as problem:
            result = CaseResult(case.code, case.strength, None, None, case.name, problem=str(problem))
        self._report(
            f"{case.name} {case.strength}: symptoms after {result.symptoms_after_seconds} s, "
            f"named first {result.named_first}, {result.seconds} s later {result.problem or ''}"
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
            return self._inject(case, started)
        finally:
            for job_id in started:
                self._lab.cancel(job_id)

    def _settle(self) -> None:
        """Until the garbage of the case before is gone; Flink's rate is over a minute."""
        ends = time.time() + PATIENCE_SECONDS
        while (self._lab.gc_ratio() or 0.0) > _SETTLED_GC_RATIO and time.time() < ends:
            self._stop.wait(ASK_SECONDS)

    def _inject(self, case: Case, started: list[str]) -> CaseResult:
        submitted = time.time()
        started.append(self._lab.submit(case.job))
        if case.job.rescaled_to is not None:
            self._await_placed(case.job.name)
            self._lab.rescale(started[-1], case.job.rescaled_to)
        doctor = self._doctor_of(self._lab.url, case.job.name)
        answers: list[Answer] = []
        begun: float | None = None
        named: float | None = None
        try:
            while self._goes_on(submitted, begun, named):
                asked = time.monotonic()
                codes = doctor.ask()
                answers.append(Answer(round(time.time() - submitted, 1), codes))
                if named is None and codes[:1] == (case.code,):
                    named = time.time()
                begun = begun or self._watcher.begun_at(case.job.name, case.symptom)
                self._stop.wait(max(0.0, ASK_SECONDS - (time.monotonic() - asked)))
        finally:
            doctor.close()
        claims = [answer.codes[0] for answer in answers if answer.codes]
        return CaseResult(
            injected=case.code,
            strength=case.strength,
            named_first=claims[0] if claims else None,
            seconds=None if named is None or begun is None else round(named - begun, 1),
            case=case.name,
            symptoms_after_seconds=None if begun is None else round(begun - submitted, 1),
            answers=tuple(answers),
            problem="its symptoms did not show" if begun is None else None,
        )

    def _goes_on(self, submitted: float, begun: float | None, named: float | None) -> bool:
        """Until both the symptoms and the right name have come, or it is too late for that."""
        if begun is not None and named is not None:
            return False
        ends = submitted + PATIENCE_SECONDS if begun is None else begun + WITHIN_SECONDS
        return time.time() < ends and not self._stop.is_set()

    def _fed(self, job: Job) -> AbstractContextManager[None]:
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
        answers: list[tuple[str, ...]] = []
        job_id, problem = "", None
        try:
            job_id = self._lab.submit(control.job)
            if control.during:
                self._stop.wait(_SETTLED_SECONDS)
            self._watch(control, job_id, answers)
        except (FlinkopsError, requests.RequestException) as error:
            problem = str(error)
        finally:
            if job_id:
                with suppress(FlinkopsError, requests.RequestException):  # it ends with the lab then
                    self._lab.cancel(job_id)
        found = tuple(dict.fromkeys(code for codes in answers for code in codes))
        told = f"{len(answers)} asks, above info: {', '.join(found) or 'none'} {problem or ''}"
        self._report(f"control {control.name}: {told}")
        return ControlResult(control.name, found, len(answers), problem)

    def _watch(self, control: Control, job_id: str, answers: list[tuple[str, ...]]) -> None:
        ends, disturbed = time.monotonic() + control.watch_seconds, 0.0
        with closing(self._doctor_of(self._lab.url, control.job.name)) as doctor:
            while (now := time.monotonic()) < ends and not self._stop.is_set():
                due = control.during == "savepoint" and now - disturbed > _SAVEPOINT_EVERY_SECONDS
                if control.during and (not disturbed or due):
                    self._disturb(control, job_id)
                    disturbed = now
                answers.append(doctor.ask())
                self._stop.wait(max(0.0, ASK_SECONDS - (time.monotonic() - now)))

    def _disturb(self, control: Control, job_id: str) -> None:
        if control.during == "savepoint":
            self._lab.trigger_savepoint(job_id)
        else:
            self._lab.rescale(job_id, control.job.parallelism + 1)


def capture_file(folder: Path | None, job: str) -> Path | None:
    """Where the evidence of one job goes."""
    return None if folder is None else folder / f"{job.removeprefix('orders-')}.jsonl"
