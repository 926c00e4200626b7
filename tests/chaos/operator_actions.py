"""The actions through the Flink operator, on an API server with an operator behind it: kills and refusals."""

import itertools
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flinkops.errors import ExitCode
from tests.chaos.actions import AUTOSCALER, QUICK, Outcome, send
from tests.chaos.commands import Command, Ran, Runner
from tests.chaos.invariants import broken
from tests.chaos.operator_fakes import (
    NAME,
    SNAPSHOTS,
    Trap,
    TrappedOperator,
    TrappedScaling,
    TrappedSnapshots,
    TrappedWave,
)
from tests.unit.fake_operator import BAD_IMAGE, served_operator
from tests.unit.kube_server import write_kubeconfig

QUICKLY = ("--yes", "--timeout", "15s")
_SOON = ("--watch-for", "0s", "--checkpoints", "1")


@dataclass(frozen=True)
class Action:
    """A command through the operator. ``before``: what has to be done before, undisturbed; ``ends``: its exit code."""

    name: str
    words: tuple[str, ...]
    ends: int = 0
    before: tuple[str, ...] = ()
    fake: type[TrappedOperator | TrappedWave] = TrappedOperator


_UPGRADE = ("upgrade", NAME, "--savepoint", "--image", "count:2", *_SOON)
_WAVES = ("upgrade", "-l", "team=pricing", "--savepoint", "--image", "count:2", *_SOON)
_ENABLE = ("autoscale", "enable", NAME)
ACTIONS = (
    Action("upgrade", _UPGRADE),
    Action("upgrade, bad image", ("upgrade", NAME, "--savepoint", "--image", BAD_IMAGE, "--watch-for", "0s"), ends=1),
    Action("restart", ("restart", NAME, *_SOON)),
    Action("suspend", ("suspend", NAME)),
    Action("savepoint create", ("savepoint", "create", NAME)),
    Action("settings", ("upgrade", NAME, "--set", "a.b=c", *_SOON)),
    Action("resume", ("resume", NAME, *_SOON), before=("suspend", NAME)),
    Action("rollback", ("rollback", NAME, *_SOON), before=_UPGRADE),
    Action("autoscale enable", _ENABLE),
    Action("autoscale disable", ("autoscale", "disable", NAME), before=_ENABLE),
    Action("autoscale apply", ("autoscale", "apply", NAME, "--seconds", "2", *AUTOSCALER), fake=TrappedScaling),
    Action(
        "autoscale run",
        ("autoscale", "run", NAME, "--seconds", "1.5", "--interval", "0.1s", *AUTOSCALER),
        fake=TrappedScaling,
    ),
    Action("savepoint prune", ("savepoint", "prune", NAME, "--keep", "1"), fake=TrappedSnapshots),
    Action("savepoint delete", ("savepoint", "delete", SNAPSHOTS[1], "--job", NAME), fake=TrappedSnapshots),
    Action("waves", (*_WAVES, "--max-unavailable", "2"), fake=TrappedWave),
    Action("waves, canary", (*_WAVES, "--max-unavailable", "100%", "--canary"), fake=TrappedWave),
)
_ABOUT_REQUESTS = 40
"""Of an action that was not yet seen undisturbed; one with fewer is not disturbed then."""


def run(folder: Path, count: int, seed: int) -> Iterator[Outcome]:
    """Kills and refusals over all actions in turn."""
    rng = random.Random(seed)
    runner = Runner()
    requests: dict[tuple[str, int], int] = {}
    try:
        for number, action in zip(range(count), itertools.cycle(ACTIONS), strict=False):
            minor = (7, 15)[number // len(ACTIONS) % 2]
            with _stage(folder / f"case {number}", minor, runner, action) as stage:
                if action.before:
                    made = stage.command(*action.before, *QUICKLY)
                    if made.code != 0:
                        raise RuntimeError(f"before {action.name}: exit {made.code}: {made.err}{made.out}")
                if (action.name, minor) not in requests and number % 2 == 0:
                    ran = stage.act()
                    requests[action.name, minor] = stage.fake.count
                    yield Outcome("operator", f"{action.name} on 1.{minor}", _undisturbed(stage, ran))
                    continue
                yield _one(stage, rng, requests.get((action.name, minor), _ABOUT_REQUESTS), minor)
    finally:
        runner.close()


def _undisturbed(stage: "Stage", ran: Ran) -> list[str]:
    found = [] if ran.code == stage.action.ends else [f"exit {ran.code}: {ran.err[-300:]}{ran.out[-300:]}"]
    return found + _judged(stage, ran)


def _one(stage: "Stage", rng: random.Random, requests: int, minor: int) -> Outcome:
    begun = time.monotonic()
    at, fault = (
        rng.randrange(1, requests + 1),
        rng.choice(("kill-before", "kill-after", "kill-after", "500", "503", "409", "SIGINT", "SIGTERM", "SIGHUP")),
    )
    ran = stage.act(lambda number, _method, _path: fault if number == at else None)
    sort = "signals" if fault.startswith("SIG") else "kill -9" if fault.startswith("kill") else "network"
    kind = f"operator: {sort}"
    problems = []
    if ran.code == ExitCode.INTERRUPTED and stage.action.name != "autoscale run":
        unsaid = [one for one in stage.unfinished if one not in ran.err]
        problems += [f"{fault}: the line does not say how to resume {one}: {ran.err[-300:]}" for one in unsaid]
    problems += _judged(stage, ran)
    title = f"{stage.action.name} on 1.{minor}: {fault} at request {at}"
    return Outcome(kind, title, problems, time.monotonic() - begun)


def _judged(stage: "Stage", ran: Ran) -> list[str]:
    """Go on as the message says until the action has ended; what did not hold on the way."""
    found = broken(ran, may_be_killed=True)
    stage.fake.trap = None
    again, resumed = ran, False
    for _ in range(6):
        if open_ones := stage.unfinished:
            resumed = True
            again = stage.command("action", "resume", open_ones[0], "--timeout", "15s")
        elif again.code in (-9, 3, 5, 130) or (again is ran and again.code not in (0, stage.action.ends)):
            if stage.suspends and stage.fake.jobs[NAME].job is None:
                break
            again = stage.act()
        else:
            break
        found += broken(again, may_be_killed=True)
    if stage.unfinished:
        found.append(f"the action does not come to an end: exit {again.code}: {again.err[-300:]}")
    return found + stage.problems(died_at_its_end=ran.code == -9 and not resumed)


class Stage:
    """One action on an operator of its own."""

    def __init__(
        self, fake: TrappedOperator | TrappedWave, home: Path, url: str, runner: Runner, action: Action
    ) -> None:
        self.fake, self.home, self.action = fake, home, action
        self.suspends = action.name == "suspend"
        self._runner = runner
        self._kubeconfig = write_kubeconfig(url, home)

    def act(self, trap: Trap | None = None) -> Ran:
        """Run the action."""
        pid_file = self.home / "pid"
        pid_file.unlink(missing_ok=True)
        self.fake.send = lambda number: send(pid_file, number)
        self.fake.trap, self.fake.count = trap, 0
        return self.command(*self.action.words, *QUICKLY, pid_file=str(pid_file))

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

    def problems(self, *, died_at_its_end: bool) -> list[str]:
        """No job, or one that started behind what had been kept; a Lease that was not given back."""
        found = []
        for name, fake in self.fake.jobs.items():
            if fake.job is None and not self.suspends:
                found.append(f"{name}: no job runs: {fake.orders}")
            found += [f"{name}: state lost: {one}" for one in fake.losses]
        left = [lease["spec"] for lease in self.fake.leases.values()]
        # Killed before its plan was noted, or after its end: nothing resumes it, and the Lease runs out by itself.
        if left and not (died_at_its_end and all(lease["leaseDurationSeconds"] <= 75 for lease in left)):
            found.append(f"the lease was not given back: {list(self.fake.leases)}")
        return found


@contextmanager
def _stage(home: Path, minor: int, runner: Runner, action: Action) -> Iterator[Stage]:
    home.mkdir(mode=0o700, parents=True)
    fake = action.fake(minor)
    with served_operator(fake) as url:
        yield Stage(fake, home, url, runner, action)
    shutil.rmtree(home, ignore_errors=True)
