"""Every action on a plain Flink cluster and through the operator, as commands, with the state each begins from."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.commands import Command, Ran, Runner
from tests.chaos.invariants import broken, left_over
from tests.chaos.living_flink import NAME, LivingFlink, Trap, World, copy_of
from tests.chaos.living_server import living

FLEET = "fleet"
QUICK = [{"name": "tests.chaos.hooks:quick"}]
SOON = ("--timeout", "12s")
AUTOSCALER = (
    "--set",
    "stabilization.interval=0s",
    "--set",
    "metrics.window=0.2s",
    "--set",
    "scale-down.interval=0s",
    "--set",
    "utilization.max=0.8",
)


@dataclass(frozen=True)
class Action:
    """A command that changes something. ``begins``: the state it needs; ``ends``: its exit code when all goes well."""

    name: str
    words: tuple[str, ...]
    begins: str = "upgraded"
    ends: int = 0
    leaves_running: bool = True


ACTIONS = (
    Action("upgrade", ("upgrade", NAME, "--savepoint", "--jar", "new.jar", "-p", "2", "--yes", *SOON)),
    Action("upgrade, jar refused", ("upgrade", NAME, "--savepoint", "--jar", "bad.jar", "--yes", *SOON), ends=1),
    Action("upgrade, restart loop", ("upgrade", NAME, "--savepoint", "--jar", "loop.jar", "--yes", *SOON), ends=1),
    Action("restart", ("restart", NAME, "--yes", *SOON)),
    Action("rescale", ("rescale", NAME, "-p", "3", "--yes", *SOON)),
    Action("rescale of a vertex", ("rescale", NAME, "--vertex", f"{'f' * 32}=2", "--yes", *SOON)),
    Action("rollback", ("rollback", NAME, "--yes", *SOON), begins="upgraded twice"),
    Action("suspend", ("suspend", NAME, "--yes", *SOON), leaves_running=False),
    Action("resume", ("resume", NAME, "--yes", *SOON), begins="suspended"),
    Action("savepoint create", ("savepoint", "create", NAME, "--yes", *SOON)),
    Action(
        "savepoint delete",
        ("savepoint", "delete", "s3://bucket/savepoints/savepoint-2", "--yes", *SOON),
        begins="many savepoints",
    ),
    Action("savepoint prune", ("savepoint", "prune", NAME, "--keep", "1", "--yes", *SOON), begins="many savepoints"),
    Action("apply", ("apply", "saved.plan", "--yes", *SOON), begins="planned"),
    Action("autoscale apply", ("autoscale", "apply", NAME, "--seconds", "0.5", "--yes", *AUTOSCALER, *SOON)),
    Action("autoscale run", ("autoscale", "run", NAME, "--seconds", "1.5", "--interval", "0.1s", "--yes", *AUTOSCALER)),
)


@dataclass
class Bench:
    """A place to run actions in: a zygote, and the states that actions begin from."""

    scratch: Path
    runner: Runner = field(default_factory=Runner)
    states: dict[str, tuple[World, Path]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make the states, each from the one before, by the commands themselves."""
        world = World()
        home = self.scratch / "home"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        steps: list[tuple[str, list[tuple[str, ...]]]] = [
            ("upgraded", [("upgrade", NAME, "--savepoint", "--jar", "old.jar", "--yes")]),
            (
                "planned",
                [("upgrade", NAME, "--savepoint", "--jar", "new.jar", "-p", "2", "--out", str(home / "saved.plan"))],
            ),
            ("many savepoints", [("savepoint", "create", NAME, "--yes")] * 2),
            ("upgraded twice", [("upgrade", NAME, "--savepoint", "--jar", "new.jar", "-p", "2", "--yes")]),
            ("suspended", [("suspend", NAME, "--yes")]),
        ]
        for name, calls in steps:
            flink = LivingFlink(copy_of(world))
            with living(flink):
                for words in calls:
                    ran = self.run(flink, home, words)
                    if ran.code != 0:
                        raise RuntimeError(f"{name}: {' '.join(words)}: exit {ran.code}: {ran.err}{ran.out}")
            if name == "planned":
                shutil.copyfile(home / "saved.plan", self.scratch / "saved.plan")
            else:
                world = flink.world
            kept = self.scratch / f"state {name}"
            shutil.copytree(home, kept)
            self.states[name] = (copy_of(world), kept)

    def run(self, flink: LivingFlink, home: Path, words: tuple[str, ...], **options: Any) -> Ran:
        """One command against a living Flink."""
        hooks = [*QUICK, *options.pop("hooks", [])]
        named = [one.replace("saved.plan", str(home / "saved.plan")) if one == "saved.plan" else one for one in words]
        argv = [*named, "--rest", FLEET]
        env = {**_settings(home, flink), **options.pop("env", {})}
        timeout = options.pop("timeout_seconds", 40.0)
        return self.runner.run(
            Command(argv, home, timeout_seconds=timeout, options={"hooks": hooks, **options}, env=env)
        )

    @contextmanager
    def stage(self, action: Action, number: int) -> Iterator["Stage"]:
        """A copy of the state that the action begins from, served."""
        world, kept = self.states[action.begins]
        home = self.scratch / f"case {number}"
        shutil.copytree(kept, home)
        flink = LivingFlink(copy_of(world))
        with living(flink):
            yield Stage(self, action, flink, home)
        shutil.rmtree(home, ignore_errors=True)


def _settings(home: Path, flink: LivingFlink) -> dict[str, str]:
    """The cluster by a name: plans and journals know it by that, whatever its port is."""
    file = home / "settings.toml"
    file.write_text(f'[[sources]]\nname = "{FLEET}"\nrest = "{flink.url}"\n', encoding="utf-8")
    return {"FLINKOPS_CONFIG": str(file)}


@dataclass
class Stage:
    """One action in its own copy of the world."""

    bench: Bench
    action: Action
    flink: LivingFlink
    home: Path

    def act(self, trap: Trap | None = None, **options: Any) -> Ran:
        """Run the action; `trap` is what goes wrong with its requests."""
        pid_file = self.home / "pid"
        pid_file.unlink(missing_ok=True)
        self.flink.kill = lambda: send(pid_file, signal.SIGKILL)
        self.flink.set_trap(trap)
        return self.bench.run(self.flink, self.home, self.action.words, pid_file=str(pid_file), **options)

    def command(self, *words: str, **options: Any) -> Ran:
        """Another command on the same cluster."""
        return self.bench.run(self.flink, self.home, words, **options)

    def resume(self) -> Ran:
        """What the message of an interrupted action says."""
        self.flink.set_trap(None)
        return self.command("action", "resume", *SOON)

    @property
    def unfinished(self) -> list[str]:
        """The ids of the actions that the journal has open."""
        from flinkops.act.journal import Journal
        from flinkops.clock import SystemClock

        journal = Journal(self.home / "journal", SystemClock())
        return [record.plan.id for record in journal.records() if record.resumable]

    def problems(self, *, running: bool) -> list[str]:
        """What is wrong with the world: no job, two of them, state that is lost, orders given twice."""
        world = self.flink.world
        live = world.live()
        found = []
        if running and len(live) != 1:
            found.append(
                f"{len(live)} jobs named {NAME} live: {[(job.id[:4], job.state) for job in world.jobs.values()]}"
            )
        if not running and live:
            found.append("the job runs though it was suspended")
        found += [
            f"state lost: job {job.id[:4]} has {job.records} records, a savepoint has {world.most_saved}"
            for job in live
            if job.records < world.most_saved
        ]
        found += left_over(self.home)
        from flinkops.act.journal import Journal
        from flinkops.clock import SystemClock

        found += [f"the journal is damaged: {one}" for one in Journal(self.home / "journal", SystemClock()).damage()]
        return found


def send(pid_file: Path, number: int) -> None:
    """A signal to the command that runs."""
    with suppress(OSError, ValueError):
        os.kill(int(pid_file.read_text(encoding="ascii")), number)


@dataclass
class Outcome:
    """One thing that was tried: what sort, and what did not hold."""

    kind: str
    title: str
    problems: list[str]
    seconds: float = 0.0


Report = Callable[[Outcome], None]


def settle(stage: Stage, ran: Ran) -> list[str]:
    """Go on as the message says until the action has ended; what did not hold on the way."""
    found = broken(ran, may_be_killed=True)
    running = stage.action.leaves_running
    stage.flink.set_trap(None)
    again = ran
    for _ in range(3):
        if stage.unfinished:
            again = stage.resume()
        elif again.code in (-9, 3, 5, 130) or (again is ran and ran.code not in (0, stage.action.ends)):
            if stage.action.name == "suspend" and not stage.flink.world.live():
                break
            again = stage.act()
        else:
            break
        found += broken(again, may_be_killed=True)
    if stage.unfinished:
        found.append(f"the action does not come to an end: exit {again.code}: {again.err[-300:]}")
    found += stage.problems(running=running or bool(stage.flink.world.live()))
    return found
