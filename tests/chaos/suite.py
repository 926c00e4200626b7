"""The whole suite: bad inputs, kills, signals and faults, with a seed; what was tried and what held, as a table."""

import itertools
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.chaos import faults, kills, operator_actions
from tests.chaos.actions import ACTIONS, Bench, Outcome
from tests.chaos.commands import Runner
from tests.chaos.inputs import Case, Inputs, prepare
from tests.chaos.invariants import broken, left_over
from tests.chaos.living_flink import LivingFlink
from tests.chaos.living_server import living

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Amounts:
    """How much of each; ``workers`` run side by side."""

    inputs: int = 1_000
    kills: int = 120
    signals: int = 45
    faults: int = 120
    operator: int = 160
    seed: int = 16
    workers: int = 2


@dataclass
class Tally:
    """Of each sort: how many were tried, how many held, and the others in words."""

    tried: dict[str, int] = field(default_factory=dict)
    broken: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.tried[outcome.kind] = self.tried.get(outcome.kind, 0) + 1
        if outcome.problems:
            self.broken.setdefault(outcome.kind, []).append(f"{outcome.title}: {'; '.join(outcome.problems)}")

    @property
    def problems(self) -> list[str]:
        """All of them."""
        return [f"{kind}: {one}" for kind, found in self.broken.items() for one in found]

    def table(self) -> str:
        """Class, tried, survived."""
        rows = [("class", "tried", "survived")]
        for kind, tried in self.tried.items():
            rows.append((kind, str(tried), str(tried - len(self.broken.get(kind, ())))))
        total = sum(self.tried.values())
        rows.append(("all", str(total), str(total - sum(map(len, self.broken.values())))))
        width = max(len(row[0]) for row in rows)
        return "\n".join(f"{name:<{width}}  {tried:>6}  {held:>8}" for name, tried, held in rows)


def run(amounts: Amounts, say: Say = lambda _: None) -> Tally:
    """Everything, in parts that run side by side."""
    begun = time.monotonic()
    tally = Tally()
    parts: list[Callable[[Path], Iterator[Outcome]]] = []
    workers = max(1, amounts.workers)
    for number in range(workers):
        parts.append(lambda folder, n=number: _inputs(folder, amounts, n, workers))  # type: ignore[misc]
        parts.append(lambda folder, n=number: _rest(folder, amounts, n, workers))  # type: ignore[misc]
    parts.append(lambda folder: operator_actions.run(folder, amounts.operator, amounts.seed))
    with ThreadPoolExecutor(workers) as pool:
        for outcomes in pool.map(_in_folder, parts):
            for outcome in outcomes:
                tally.add(outcome)
                if outcome.problems:
                    say(f"{outcome.kind}: {outcome.title}: {'; '.join(outcome.problems)}")
    tally.seconds = time.monotonic() - begun
    return tally


def _in_folder(part: Callable[[Path], Iterator[Outcome]]) -> list[Outcome]:
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o755)  # a child that is another user has to get in
    try:
        return list(part(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _share(count: int, number: int, workers: int) -> int:
    return count // workers + (number < count % workers)


def _inputs(folder: Path, amounts: Amounts, number: int, workers: int) -> Iterator[Outcome]:
    scratch = folder / "home"
    prepare(scratch)
    scratch.chmod(0o755)
    flink, runner = LivingFlink(), Runner()
    try:
        with living(flink):
            made = Inputs(amounts.seed * 1_000 + number, scratch, flink.url).cases()
            for case in itertools.islice(made, _share(amounts.inputs, number, workers)):
                yield _tried(case, runner, scratch)
    finally:
        runner.close()


def _tried(case: Case, runner: Runner, scratch: Path) -> Outcome:
    ran = runner.run(case.command)
    problems = broken(ran) + left_over(scratch)
    if (scratch / "pwned").exists():
        problems.append("something from outside was carried out")
        (scratch / "pwned").unlink()
    title = f"{case.command.words[:300]} {dict(case.command.options) or ''} {dict(case.command.env) or ''}".strip()
    return Outcome(f"bad input: {case.kind}", title, problems, ran.seconds)


def _rest(folder: Path, amounts: Amounts, number: int, workers: int) -> Iterator[Outcome]:
    bench = Bench(folder)
    seed = amounts.seed * 1_000 + number
    rng = random.Random(seed)
    numbers = itertools.count(1)
    try:
        bench.prepare()
        for point in _take(kills.points(bench, seed), _share(amounts.kills, number, workers)):
            yield kills.kill_at(bench, point, next(numbers))
        for action in _take(itertools.cycle(ACTIONS), _share(amounts.signals, number, workers)):
            yield kills.signalled(bench, action, next(numbers), rng)
        for fault in _take(faults.faults(seed), _share(amounts.faults, number, workers)):
            yield faults.happens(bench, fault, next(numbers), rng)
    finally:
        bench.runner.close()


def _take(every: Iterable[T], count: int) -> Iterator[T]:
    return itertools.islice(iter(every), count)
