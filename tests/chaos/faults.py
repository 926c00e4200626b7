"""Faults of disk, clock, network and cluster in the middle of an action, and answers without end."""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flinkops.errors import ExitCode
from tests.chaos.actions import ACTIONS, Action, Bench, Outcome, Stage, settle
from tests.chaos.invariants import broken
from tests.chaos.living_flink import NAME, Living, LivingFlink, World, restarted
from tests.chaos.living_server import ANSWERS, REFUSALS

Act = Callable[[Stage], list[str]]


@dataclass(frozen=True)
class Fault:
    """What goes wrong, of which sort, and with which actions it can."""

    kind: str
    title: str
    do: Act
    actions: tuple[Action, ...]


_STOPS = tuple(
    one for one in ACTIONS if one.name in ("upgrade", "upgrade, jar refused", "restart", "rollback", "suspend", "apply")
)
_UPGRADES = tuple(one for one in _STOPS if one.name != "suspend")
_ALL = tuple(one for one in ACTIONS if one.name != "autoscale run")
NETWORK = (*REFUSALS, *ANSWERS, "hang-up-before", "hang-up-after", "slow", "truncated")
_STEPS = (
    "prepare",
    "measure",
    "compile",
    "stop",
    "savepoint",
    "stopped",
    "check",
    "submit",
    "running",
    "stable",
    "flow",
)


def faults(seed: int) -> Iterator[Fault]:
    """Each fault once, in an order by the seed, then all again with other requests."""
    rng = random.Random(seed)
    while True:
        every = [*_network(rng), *_endless(rng), *_disk(rng), *_clock(rng), *_cluster(rng)]
        rng.shuffle(every)
        yield from every


def happens(bench: Bench, fault: Fault, number: int, rng: random.Random) -> Outcome:
    """One fault in one action."""
    action = rng.choice(fault.actions)
    begun = time.monotonic()
    with bench.stage(action, number) as stage:
        problems = fault.do(stage)
    return Outcome(fault.kind, f"{action.name}: {fault.title}", problems, time.monotonic() - begun)


# ---- network


def _network(rng: random.Random) -> list[Fault]:
    found = [
        Fault("network", f"{kind} once, at request {at}", _answered(kind, at, 1), _ALL)
        for kind in NETWORK
        for at in (rng.randrange(1, 20), rng.randrange(20, 60))
    ]
    found += [
        Fault("network", f"{kind} for {length} requests from {at}", _answered(kind, at, length), _ALL)
        for kind in ("503", "500", "hang-up-before", "truncated", "not-json")
        for at, length in ((rng.randrange(1, 50), 12),)
    ]
    return found


def _answered(kind: str, first: int, length: int) -> Act:
    def act(stage: Stage) -> list[str]:
        ran = stage.act(lambda number, _method, _path: kind if first <= number < first + length else None)
        return settle(stage, ran)

    return act


def _endless(rng: random.Random) -> list[Fault]:
    return [
        Fault("endless answers", f"{kind} at request {at}", _answered(kind, at, 1), _ALL)
        for kind, times in (("endless", 3), ("huge", 3))
        for at in (rng.randrange(1, 40) for _ in range(times))
    ]


# ---- disk


def _disk(rng: random.Random) -> list[Fault]:
    found = [
        Fault("disk", f"the journal's disk is full from step {step!r} on", _full_at(step), _STOPS)
        for step in _STEPS
        if step not in ("prepare", "measure", "compile")
    ]
    found += [Fault("disk", "no room for the whole action", _no_room, _ALL)]
    found += [
        Fault("disk", f"the journal is {how} at step {step!r}", _journal(step, how), _STOPS)
        for how in ("gone", "torn", "garbage")
        for step in rng.sample(_STEPS, 3)
    ]
    return found


def _full_at(step: str) -> Act:
    def act(stage: Stage) -> list[str]:
        hook = {"name": "tests.chaos.hooks:file_limit_at", "arguments": {"step": step}}
        ran = stage.act(hooks=[hook])
        problems = settle(stage, ran)
        if ran.code != stage.action.ends:
            problems.append(f"exit {ran.code}, though space was reserved: {ran.err[-300:]}")
        return problems

    return act


def _no_room(stage: Stage) -> list[str]:
    before = list(stage.flink.world.orders)
    ran = stage.act(limits={"RLIMIT_FSIZE": 2_000})
    problems = broken(ran)
    if ran.code != ExitCode.REFUSED or stage.flink.world.orders != before:
        problems.append(f"exit {ran.code}, orders {stage.flink.world.orders[len(before) :]}: {ran.err[-200:]}")
    return problems + settle(stage, ran)


def _journal(step: str, how: str) -> Act:
    def act(stage: Stage) -> list[str]:
        hook = {"name": "tests.chaos.hooks:journal_breaks_at", "arguments": {"step": step, "how": how}}
        ran = stage.act(hooks=[hook])
        problems = broken(ran)
        if how == "gone":
            # Nothing is left to resume from: the line has to say how the job is.
            stopped = not stage.flink.world.live()
            if stopped and stage.action.leaves_running and not ("stopped since step" in ran.err and NAME in ran.err):
                problems.append(f"the job is down and the line does not say so: {ran.err[-300:]}")
            if stopped and "savepoint" not in ran.err:
                problems.append(f"the job is down and the line names no savepoint: {ran.err[-300:]}")
            return problems
        repaired = stage.command("action", "repair")
        problems += broken(repaired)
        return problems + settle(stage, ran)

    return act


# ---- clock


def _clock(rng: random.Random) -> list[Fault]:
    return [
        Fault("clock", f"set by {by:+d} s", _jump(by, rng.uniform(0.02, 0.3)), _ALL)
        for by in (-3600, 3600, -86_400, 31_536_000, -5)
    ]


def _jump(by_seconds: int, after_seconds: float) -> Act:
    def act(stage: Stage) -> list[str]:
        arguments = {"after_seconds": after_seconds, "by_seconds": float(by_seconds)}
        ran = stage.act(hooks=[{"name": "tests.chaos.hooks:clock_jumps", "arguments": arguments}])
        problems = settle(stage, ran)
        if ran.code not in (stage.action.ends, ExitCode.REFUSED):
            problems.append(f"exit {ran.code} because the clock was set: {ran.err[-200:]}{ran.out[-200:]}")
        return problems

    return act


# ---- cluster


PHASES: tuple[tuple[str, str, str, int], ...] = (
    ("before the stop", "POST", "/stop", 1),
    ("while the savepoint is taken", "GET", "/savepoints/", 1),
    ("as the savepoint ends", "GET", "/savepoints/", 2),
    ("after the stop", "GET", "/jobs/", 30),
    ("before the submission", "POST", "/run", 1),
    ("after the submission", "AFTER", "/run", 2),
    ("while the new job is watched", "AFTER", "/run", 14),
)
"""Name, method, part of the path, and the how-manieth such request; AFTER: so many requests after that one."""


def _cluster(rng: random.Random) -> list[Fault]:
    worlds: tuple[tuple[str, Callable[[World], None], tuple[Action, ...], dict[str, bool]], ...] = (
        ("the savepoint fails", _fails_savepoints, _STOPS, {}),
        ("Flink forgets the trigger", _forgets, _STOPS, {}),
        ("somebody cancels the job", _cancelled, _STOPS, {"may_end": True}),
        ("the job fails", _failed, _STOPS, {"may_end": True}),
        ("somebody starts it by hand", _by_hand, _UPGRADES, {"may_double": True}),
        ("the slots are gone", _no_slots, _ALL, {}),
        ("the JobManager restarts with its jobs", restarted, _STOPS, {}),
        ("the JobManager loses all jobs", _lost, _STOPS, {"may_end": True}),
        ("the job runs again from empty state", _emptied, _STOPS, {"may_end": True}),
    )
    found = [
        Fault("cluster", f"{title} {phase[0]}", _world(phase, change, **may), actions)
        for title, change, actions, may in worlds
        for phase in rng.sample(PHASES, 3)
    ]
    return [
        *found,
        Fault("cluster", "the API is away for 30 requests", _answered("503", rng.randrange(8, 40), 30), _ALL),
        Fault("cluster", "the API is away for good", _gone_for_good, _ALL),
    ]


def _at(phase: tuple[str, str, str, int], change: Callable[[], None]) -> Callable[[int, str, str], str | None]:
    _, wanted, part, nth = phase
    seen = 0

    def trap(_number: int, method: str, path: str) -> str | None:
        nonlocal seen
        if wanted == "AFTER":
            seen += 1 if seen or part in path else 0
        elif method == wanted and part in path:
            seen += 1
        if seen == nth:
            seen += 1_000_000
            change()
        return None

    return trap


def _world(
    phase: tuple[str, str, str, int],
    change: Callable[[World], None],
    *,
    may_end: bool = False,
    may_double: bool = False,
) -> Act:
    """The world changes just before a request; `may_end`: no job may be left, then the message has to say how it is."""

    def act(stage: Stage) -> list[str]:
        flink = stage.flink
        happened: list[str] = []

        def now() -> None:
            change(flink.world)
            happened.append("yes")

        ran = stage.act(_at(phase, now))
        flink.world.savepoint_failure = None
        flink.world.forgets_triggers = False
        flink.world.slots = 4
        problems = settle(stage, ran)
        if may_double:
            problems = [one for one in problems if "live:" not in one]
            if len(flink.world.live()) > 1:
                problems.append(f"two jobs run: {flink.world.orders}")
        if may_end and happened:
            if not flink.world.live():
                problems = [one for one in problems if not one.startswith("0 jobs")]
                problems += _says_how_it_is(stage, ran.err + ran.out)
            # What the cluster has lost was not lost by us: but it has to be said.
            lost = [one for one in problems if one.startswith("state lost")]
            problems = [one for one in problems if one not in lost]
            if lost and ran.code == 0:
                problems.append(f"called done though {lost[0]}")
        return problems

    return act


def _says_how_it_is(stage: Stage, said: str) -> list[str]:
    words = (
        "stopped since",
        "cancelled",
        "CANCELED",
        "FAILED",
        "gone",
        "suspended",
        "disappeared",
        "no job",
        "not RUNNING",
    )
    if any(word in said for word in (*words, "has to be RUNNING", "moved since")):
        return []
    return [f"no job runs and nothing says so: {said[-300:]}"] if stage.action.leaves_running else []


def _fails_savepoints(world: World) -> None:
    world.savepoint_failure = "java.io.IOException: Failed to create savepoint directory"


def _forgets(world: World) -> None:
    world.forgets_triggers = True


def _end(world: World, state: str) -> None:
    for job in world.live():
        job.state, job.ended_ms = state, world.clock_ms


def _cancelled(world: World) -> None:
    _end(world, "CANCELED")


def _failed(world: World) -> None:
    _end(world, "FAILED")


def _by_hand(world: World) -> None:
    if not world.live():
        newest = max(world.held, key=lambda path: world.held[path])
        world.jobs["e" * 32] = Living("e" * 32, records=world.held[newest], restored=newest)


def _no_slots(world: World) -> None:
    world.slots = 1


def _lost(world: World) -> None:
    world.jobs, world.triggers = {}, {}


def _emptied(world: World) -> None:
    for job in world.live():
        job.records, job.completed, job.restored, job.savepoints = 0, 0, None, []
        job.started_ms = world.clock_ms
    world.triggers = {}


def _gone_for_good(stage: Stage) -> list[str]:
    """Nobody answers any more: the command ends in its time and says how to resume; later it is resumed."""
    first = next(_AWAY)
    words = (*stage.action.words, "--timeout", "2s")
    original = stage.action
    stage.action = Action(original.name, words, original.begins, original.ends, original.leaves_running)
    ran = stage.act(lambda number, _method, _path: "hang-up-before" if number >= first else None)
    problems = []
    if stage.unfinished and "resume" not in ran.err + ran.out:
        problems.append(f"nothing says how to resume: {ran.err[-300:]}")
    stage.action = original
    return problems + settle(stage, ran)


_AWAY = itertools.cycle(range(3, 60, 7))

__all__ = ["Fault", "LivingFlink", "faults", "happens"]
