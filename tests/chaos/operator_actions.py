"""The actions through the Flink operator, on an API server with an operator behind it: kills and refusals."""

import itertools
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.chaos.actions import QUICK, Outcome
from tests.chaos.commands import Command, Ran, Runner
from tests.chaos.invariants import broken
from tests.unit.fake_operator import BAD_IMAGE, RESOURCES, FakeOperator, operating, refusal
from tests.unit.kube_server import write_kubeconfig

NAME = "count"
QUICKLY = ("--yes", "--timeout", "15s")
ACTIONS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("upgrade", ("upgrade", NAME, "--savepoint", "--image", "count:2", "--watch-for", "0s", "--checkpoints", "1"), 0),
    ("upgrade, bad image", ("upgrade", NAME, "--savepoint", "--image", BAD_IMAGE, "--watch-for", "0s"), 1),
    ("restart", ("restart", NAME, "--watch-for", "0s", "--checkpoints", "1"), 0),
    ("suspend", ("suspend", NAME), 0),
    ("savepoint create", ("savepoint", "create", NAME), 0),
    ("settings", ("upgrade", NAME, "--set", "a.b=c", "--watch-for", "0s", "--checkpoints", "1"), 0),
    ("resume", ("resume", NAME, "--watch-for", "0s", "--checkpoints", "1"), 0),
    ("rollback", ("rollback", NAME, "--watch-for", "0s", "--checkpoints", "1"), 0),
    ("autoscale enable", ("autoscale", "enable", NAME), 0),
    ("autoscale disable", ("autoscale", "disable", NAME), 0),
)
BEFORE: dict[str, tuple[str, ...]] = {
    "resume": ("suspend", NAME),
    "rollback": ("upgrade", NAME, "--savepoint", "--image", "count:2", "--watch-for", "0s", "--checkpoints", "1"),
    "autoscale disable": ("autoscale", "enable", NAME),
}
"""What has to be done before, undisturbed."""
Trap = Callable[[int, str, str], str | None]


class TrappedOperator(FakeOperator):
    """Something goes wrong with the requests that a trap names."""

    def __init__(self, minor: int) -> None:
        super().__init__(minor)
        self.trap: Trap | None = None
        self.kill: Callable[[], None] = lambda: None
        self.count = 0

    def answer(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, Any]:
        """As the API server, unless the trap says else."""
        with self.lock:
            self.count += 1
            fault = self.trap(self.count, method, target) if self.trap else None
        if fault == "kill-before":
            self.kill()
            return refusal(503, "nobody hears this")
        if fault is not None and fault.isdigit():
            return refusal(int(fault), f"refused by the test: {fault}")
        path = urlsplit(target).path
        if path.endswith("/customresourcedefinitions/flinkdeployments.flink.apache.org"):
            return 200, self.crd()
        if method == "GET" and path == RESOURCES:
            with self.lock:
                found: tuple[int, Any] = (200, {"items": [] if self.resource is None else [self.resource]})
        else:
            found = super().answer(method, target, body)
        if fault == "kill-after":
            self.kill()
        return found


_ABOUT_REQUESTS = 40
"""Of an action that was not yet seen undisturbed; one with fewer is not disturbed then."""


def run(folder: Path, count: int, seed: int) -> Iterator[Outcome]:
    """Kills and refusals over all actions in turn."""
    rng = random.Random(seed)
    runner = Runner()
    requests: dict[tuple[str, int], int] = {}
    try:
        for number, (title, words, ends) in zip(range(count), itertools.cycle(ACTIONS), strict=False):
            minor = (7, 15)[number // len(ACTIONS) % 2]
            with _stage(folder / f"case {number}", minor, runner, words) as stage:
                if title in BEFORE:
                    made = stage.command(*BEFORE[title], *QUICKLY)
                    if made.code != 0:
                        raise RuntimeError(f"before {title}: exit {made.code}: {made.err}{made.out}")
                if (title, minor) not in requests and number % 2 == 0:
                    ran = stage.act()
                    requests[title, minor] = stage.fake.count
                    yield Outcome("operator", f"{title} on 1.{minor}", _judged(stage, ran, ends))
                    continue
                yield _one(stage, title, ends, rng, requests.get((title, minor), _ABOUT_REQUESTS))
    finally:
        runner.close()


def _one(stage: "Stage", title: str, ends: int, rng: random.Random, requests: int) -> Outcome:
    begun = time.monotonic()
    at, fault = (
        rng.randrange(1, requests + 1),
        rng.choice(("kill-before", "kill-after", "kill-after", "500", "503", "409")),
    )
    ran = stage.act(lambda number, _method, _path: fault if number == at else None)
    kind = "operator: kill -9" if fault.startswith("kill") else "operator: network"
    problems = _judged(stage, ran, ends)
    return Outcome(
        kind, f"{title} on 1.{stage.fake.minor}: {fault} at request {at}", problems, time.monotonic() - begun
    )


def _judged(stage: "Stage", ran: Ran, ends: int) -> list[str]:
    found = broken(ran, may_be_killed=True)
    stage.fake.trap = None
    again, resumed = ran, False
    for _ in range(3):
        if stage.unfinished:
            resumed = True
            again = stage.command("action", "resume", "--timeout", "15s")
        elif again.code in (-9, 3, 5, 130) or (again is ran and again.code not in (0, ends)):
            if stage.words[0] == "suspend" and stage.fake.job is None:
                break
            again = stage.act()
        else:
            break
        found += broken(again, may_be_killed=True)
    if stage.unfinished:
        found.append(f"the action does not come to an end: exit {again.code}: {again.err[-300:]}")
    return found + stage.problems(suspended=stage.words[0] == "suspend", died_at_its_end=ran.code == -9 and not resumed)


class Stage:
    """One action on an operator of its own."""

    def __init__(self, fake: TrappedOperator, home: Path, url: str, runner: Runner, words: tuple[str, ...]) -> None:
        self.fake, self.home, self.words = fake, home, words
        self._runner = runner
        self._kubeconfig = write_kubeconfig(url, home)

    def act(self, trap: Trap | None = None) -> Ran:
        """Run the action."""
        pid_file = self.home / "pid"
        pid_file.unlink(missing_ok=True)
        from tests.chaos.actions import _kill

        self.fake.kill = lambda: _kill(pid_file)
        self.fake.trap, self.fake.count = trap, 0
        return self.command(*self.words, *QUICKLY, pid_file=str(pid_file))

    def command(self, *words: str, **options: Any) -> Ran:
        """Another command on the same cluster."""
        argv = [*words, "--kubeconfig", self._kubeconfig]
        return self._runner.run(Command(argv, self.home, timeout_seconds=45.0, options={"hooks": QUICK, **options}))

    @property
    def unfinished(self) -> list[str]:
        """The ids of the actions that the journal has open."""
        from flinkops.act.journal import Journal
        from flinkops.clock import SystemClock

        return [one.plan.id for one in Journal(self.home / "journal", SystemClock()).records() if one.resumable]

    def problems(self, *, suspended: bool, died_at_its_end: bool) -> list[str]:
        """No job, or one that started behind what had been kept; a Lease that was not given back."""
        fake = self.fake
        found = []
        if fake.job is None and not suspended:
            found.append(f"no job runs: {fake.orders}")
        found += [f"state lost: {one}" for one in fake.losses]
        left = [lease["spec"] for lease in fake.leases.values()]
        # Killed before its plan was noted, or after its end: nothing resumes it, and the Lease runs out by itself.
        if left and not (died_at_its_end and all(lease["leaseDurationSeconds"] <= 75 for lease in left)):
            found.append(f"the lease was not given back: {list(fake.leases)}")
        return found


@contextmanager
def _stage(home: Path, minor: int, runner: Runner, words: tuple[str, ...]) -> Iterator[Stage]:
    home.mkdir(mode=0o700, parents=True)
    fake = TrappedOperator(minor)
    with operating(fake) as url:
        yield Stage(fake, home, url, runner, words)
    shutil.rmtree(home, ignore_errors=True)
