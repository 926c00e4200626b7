"""kill -9, SIGTERM, SIGHUP and Ctrl-C at any request of any action; then what the message says, until it has ended."""

import itertools
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

from flinkops.errors import ExitCode
from tests.chaos.actions import ACTIONS, Action, Bench, Outcome, Stage, settle
from tests.chaos.invariants import broken
from tests.chaos.living_flink import restarted


@dataclass(frozen=True)
class KillPoint:
    """Before a request reaches Flink, or after it has had its effect and before its answer arrives."""

    action: Action
    request: int
    when: str  # before, after


def points(bench: Bench, seed: int) -> Iterator[KillPoint]:
    """Without end, over all actions in turn; each request of each is met before any is met again."""
    rng = random.Random(seed)
    left: dict[str, list[tuple[int, str]]] = {}
    counts = {action.name: _requests_of(bench, action) for action in ACTIONS}
    while True:
        for action in ACTIONS:
            if not left.get(action.name):
                every = [(n, when) for n in range(1, counts[action.name] + 1) for when in ("before", "after")]
                rng.shuffle(every)
                left[action.name] = every
            number, when = left[action.name].pop()
            yield KillPoint(action, number, when)


def _requests_of(bench: Bench, action: Action) -> int:
    with bench.stage(action, 0) as stage:
        stage.act()
        return stage.flink.count


def kill_at(bench: Bench, point: KillPoint, number: int) -> Outcome:
    """One kill -9, and everything after it; now and then a second one while it is resumed.

    Each fifth time the JobManager dies too, with high availability: its jobs come back, its triggers do not.
    """
    begun = time.monotonic()
    ha = number % 5 == 0
    with bench.stage(point.action, number) as stage:
        ran = stage.act(_trap(point.request, f"kill-{point.when}"))
        if ha:
            restarted(stage.flink.world)
        again = number % 4 == 0 and bool(stage.unfinished)
        if again:
            _kill_resumed(stage, 3 + number % 11)
        problems = settle(stage, ran)
        twice = _doubled(stage)
        problems += [f"{order} was given twice" for order in twice]
    title = f"{point.action.name}: killed {point.when} request {point.request}{' and once more' if again else ''}"
    return Outcome(f"kill -9{', and the JobManager (HA)' if ha else ''}", title, problems, time.monotonic() - begun)


def _kill_resumed(stage: Stage, request: int) -> None:
    stage.flink.set_trap(_trap(request, "kill-after"))
    pid_file = stage.home / "pid"
    stage.command("action", "resume", "--timeout", "12s", pid_file=str(pid_file))
    stage.flink.set_trap(None)


def _trap(request: int, fault: str):  # type: ignore[no-untyped-def]
    return lambda number, _method, _path: fault if number == request else None


def _doubled(stage: Stage) -> list[str]:
    """Orders that an action gives once, however often it is killed: a second stop, a second submission of one jar."""
    if stage.action.name.startswith("autoscale run"):
        return []
    orders = stage.flink.world.orders[len(stage.bench.states[stage.action.begins][0].orders) :]
    once = [one for one in orders if one == "stop" or one.startswith("run ")]
    limit = 1 if stage.action.ends == 0 else 2  # a rollback submits the old program
    return [one for one in set(once) if once.count(one) > limit]


SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def signalled(bench: Bench, action: Action, number: int, rng: random.Random) -> Outcome:
    """A signal somewhere in the middle: the promised line, exit code 130, and the way on."""
    begun = time.monotonic()
    chosen = rng.choice(SIGNALS)
    slow = itertools.count()
    with bench.stage(action, number) as stage:
        before = list(stage.flink.world.orders)
        ran = stage.act(
            lambda _number, _method, _path: "slow" if next(slow) % 7 == 6 else None,
            signal_after=rng.uniform(0.15, 2.5),
            signal=int(chosen),
        )
        problems = broken(ran)
        # A slow machine may have seen too little to act on before the signal came.
        untouched = ran.code == ExitCode.REFUSED and stage.flink.world.orders == before
        if ran.code not in (action.ends, ExitCode.INTERRUPTED, ExitCode.OK) and not untouched:
            problems.append(f"exit {ran.code} after {chosen.name}: {ran.err[-200:]}")
        for plan_id in stage.unfinished if action.name != "autoscale run" else ():
            if plan_id not in ran.err or "resume" not in ran.err:
                problems.append(f"{chosen.name}: the line does not say how to resume {plan_id}: {ran.err[-300:]}")
        problems += settle(stage, ran)
    return Outcome("signals", f"{action.name}: {chosen.name}", problems, time.monotonic() - begun)
