"""Mutants against the tests that run their lines, side by side; each result is written down at once."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from devtools.bootstrap import REPOSITORY
from devtools.mutation.covering import Covering, module_of
from devtools.mutation.mutants import Mutant, changed_lines
from devtools.mutation.report import Result
from flinkops.errors import OperationFailed

_RESULTS = "results.jsonl"
_CPU_SECONDS_MORE = 15.0
"""For imports and fixtures, and for a mutant that makes the tests slower but not endless."""
_KILLERS_AT_ONCE = 20
_FIRST_MODULES, _FIRST_TESTS, _NEAREST = 2, 60, 200
"""Most mutants are killed by the first: 60 of the 200 nearest tests, from the two modules with the most of these. Where
all is imported anew, to import few modules is most of its time."""
_LAST = 3
"""A mutant that the nearest tests let live has so many times their seconds of all others, of each module in turn."""


def killed_before(work: Path) -> dict[tuple[str, str], Result]:
    """What earlier runs killed, by key and operator."""
    path = work / _RESULTS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    documents = [json.loads(line) for line in lines]
    results = [Result(**(document | {"change": tuple(document["change"])})) for document in documents]
    return {(result.key, result.operator): result for result in results if result.killed}


def environment(tree: Path) -> dict[str, str]:
    """Of a process that shall import our code from the tree, and from nowhere else."""
    path = os.pathsep.join([str(tree), *(part for part in sys.path if part and Path(part) != REPOSITORY)])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLINKOPS_")}
    return kept | {"PYTHONPATH": path}


class Runs:
    """`workers` processes, each with its own copy of the tree; `seconds` of tests for one mutant."""

    def __init__(self, known: Covering, work: Path, seconds: float, workers: int) -> None:
        self._known = known
        self._work = work
        self._seconds = seconds
        self._workers = workers
        self._results: dict[Mutant, Result] = {}
        self._unreliable: set[str] = set()
        self._checked: set[str] = set()
        self._lock = threading.Lock()

    def results(self, mutants: list[Mutant], kept: dict[tuple[str, str], Result]) -> dict[Mutant, Result]:
        """Of every mutant; those that are kept are not run."""
        before = {
            mutant: kept[mutant.key, mutant.operator] for mutant in mutants if (mutant.key, mutant.operator) in kept
        }
        self._results |= before
        (self._work / _RESULTS).write_text("".join(map(_line, kept.values())), encoding="utf-8")
        while todo := [mutant for mutant in mutants if mutant not in self._results]:
            random.Random(len(mutants)).shuffle(todo)  # what is known half-way is a sample, too
            _say(f"{len(todo)} mutants to run, {len(self._results)} known")
            self._work_off(todo)
            self._results = {
                mutant: result for mutant, result in self._results.items() if result.killed_by not in self._unreliable
            }
        return self._results

    def _work_off(self, todo: list[Mutant]) -> None:
        waiting: Queue[Mutant] = Queue()
        for mutant in todo:
            waiting.put(mutant)

        def work_off(number: int) -> None:
            with _Workers(self._known, self._work / f"worker-{number}") as worker:
                while True:
                    try:
                        mutant = waiting.get_nowait()
                    except Empty:
                        self._check_killers(worker)
                        return
                    self._keep(mutant, self._result(mutant, worker))
                    _say(f"{len(todo) - waiting.qsize()} of {len(todo)} {_told(self._results[mutant])}")

        with ThreadPoolExecutor(self._workers) as pool:
            for done in [pool.submit(work_off, number) for number in range(self._workers)]:
                done.result()

    def _keep(self, mutant: Mutant, result: Result) -> None:
        self._results[mutant] = result
        with (self._work / _RESULTS).open("a", encoding="utf-8") as file:
            file.write(_line(result))

    def _check_killers(self, worker: "_Workers") -> None:
        """A test that fails without a change, too, has killed nothing. Every worker takes its share of them."""
        while tests := self._next_killers():
            while tests:
                answer = worker.ask({"tests": tests, "cpu_seconds": 1000})
                if answer["end"] == "survived":
                    break
                if answer["killed_by"] not in tests:
                    _say(f"whether these also fail without a change is not known ({answer['end']}): {', '.join(tests)}")
                    break
                self._unreliable.add(answer["killed_by"])
                tests = tests[tests.index(answer["killed_by"]) + 1 :]  # those before it have passed

    def _next_killers(self) -> list[str]:
        with self._lock:
            # A case that only the change made, or that it renamed, cannot be run without it.
            killers = {result.killed_by for result in tuple(self._results.values())} & self._known.seconds.keys()
            tests = sorted(killers - self._checked)[:_KILLERS_AT_ONCE]
            self._checked.update(tests)
        return tests

    def _result(self, mutant: Mutant, worker: "_Workers") -> Result:
        root = self._known.root
        before, source = (root / mutant.path).read_text(encoding="utf-8"), mutant.source(root)
        found = [test for test in self._known.tests(mutant.path, mutant.line) if test not in self._unreliable]
        end, killed_by, ran = "survived", "", 0
        for tests in filter(None, _stages(found, self._known.seconds, self._seconds)):
            end, killed_by = self._verdict(mutant, source, tests, worker)
            ran += len(tests)
            if end != "survived":
                break
        change = tuple(changed_lines(before, source))
        return Result(mutant.path, mutant.line, mutant.operator, mutant.key, change, end, killed_by, ran, len(found))

    def _verdict(self, mutant: Mutant, source: str, tests: list[str], worker: "_Workers") -> tuple[str, str]:
        limit = _CPU_SECONDS_MORE + max(self._seconds, sum(self._known.seconds.get(test, 0.0) for test in tests))
        task: dict[str, Any] = {"path": mutant.path, "source": source, "tests": tests, "cpu_seconds": limit}
        task["cold"] = mutant.line in self._known.at_import[mutant.path]  # its result is in place already
        answer = worker.ask(task)
        if answer["end"] == "not found":  # the change has renamed a case of a test
            tests = list(dict.fromkeys(test.partition("[")[0] for test in tests))
            answer = worker.ask(task | {"tests": tests})
        if answer["end"] in {"error", "not found"}:  # or pytest itself could not import what it needs
            if worker.ask({"tests": tests, "cpu_seconds": limit})["end"] != "survived":
                raise OperationFailed(f"pytest cannot run {tests[0]}", next_step="see the worker's .last-output")
            return "killed", "the import"
        return answer["end"], answer["killed_by"]


def _stages(tests: list[str], seconds: dict[str, float], limit: float) -> Iterator[list[str]]:
    """The nearest of few modules, then all others while they stay within the limit, then more of all modules."""
    modules = [name for name, _ in Counter(map(module_of, tests[:_NEAREST])).most_common(_FIRST_MODULES)]
    first = _within([test for test in tests if module_of(test) in modules][:_FIRST_TESTS], seconds, limit)
    yield first
    ran = set(first)
    more = _within([test for test in tests if test not in ran], seconds, limit)
    yield more
    ran.update(more)
    yield _within(_in_turn([test for test in tests if test not in ran]), seconds, _LAST * limit)


def _in_turn(tests: list[str]) -> list[str]:
    """The first of each module, then the second of each."""
    taken: Counter[str] = Counter()
    turns = []
    for test in tests:
        taken[module_of(test)] += 1
        turns.append((taken[module_of(test)], test))
    return [test for _, test in sorted(turns, key=lambda turn: turn[0])]


def _within(tests: list[str], seconds: dict[str, float], limit: float) -> list[str]:
    """The first tests that take no longer than the limit together, one at least."""
    chosen: list[str] = []
    for test in tests:
        limit -= seconds.get(test, 0.0)
        if chosen and limit < 0:
            break
        chosen.append(test)
    return chosen


def _line(result: Result) -> str:
    return f"{json.dumps(asdict(result))}\n"


class _Workers:
    """Two processes with a copy of the tree: one has all tests imported, one imports them anew for each mutant."""

    def __init__(self, known: Covering, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(known.root, folder, symlinks=True)
        modules = sorted({module_of(test) for test in known.seconds})
        self._folder = folder
        self._warm = _started(folder, ["--warm", *modules])
        self._cold: subprocess.Popen[str] | None = None

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._warm, self._cold):
            if process is not None:
                process.communicate()

    def ask(self, task: dict[str, Any]) -> dict[str, Any]:
        """Run one mutant, or the tests without a change."""
        if not task.get("cold"):
            answer = _answer(self._warm, task)
            if answer["end"] != "cold":
                return answer
        self._cold = self._cold or _started(self._folder, [])
        return _answer(self._cold, task)


def _started(folder: Path, arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "devtools.mutation.worker", *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _answer(process: "subprocess.Popen[str]", task: dict[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018
    process.stdin.write(json.dumps(task) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise OperationFailed("a worker of the mutation run has ended", next_step="see its message above")
    return dict(json.loads(answer))


def _told(result: Result) -> str:
    return f"{result.end:8} {result.path}:{result.line} {result.change[-1]} ({result.tests} of {result.covering} tests)"


def _say(text: str) -> None:
    print(f"dev mutation: {text}", file=sys.stderr, flush=True)
