"""The demo: a fleet of its own (or the one that runs), a real job, scrapes that come in, and a look at it."""

import contextlib
import fcntl
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec

from flinkops.clock import SystemClock
from flinkops.errors import OperationFailed, Refused, TimedOut
from flinkops.local import feeder, fleet, job, kafka
from flinkops.local.probe import get_json, patch
from flinkops.local.processes import terminate
from flinkops.local.signals import deferred, signals_interrupt, uninterrupted
from flinkops.local.state import DEMO_FOLDER, FleetInfo, find_running

_PATIENCE_SECONDS = 90.0
_POLL_SECONDS = 0.2
_ENDED = frozenset({"FAILED", "FINISHED", "CANCELED"})


class _Plan(msgspec.Struct, frozen=True):
    """Where the demo runs and what it may call its own there."""

    info: FleetInfo
    topic: str
    job_arguments: tuple[str, ...]
    borrowed: bool


def run(
    home: Path,
    show: Callable[[FleetInfo], None],
    *,
    rate_per_second: float = 1000.0,
    report: fleet.Report = lambda _text: None,
) -> None:
    """Run the demo until `show` returns, then end every process it started, and its job.

    In a fleet that runs in `home` it takes a topic, a table and a job name of its own and leaves that
    fleet running; otherwise it starts one in `home/demo`, always from nothing. Raises Refused when a demo
    runs there already, OperationFailed and TimedOut when it does not come to life.
    """
    with signals_interrupt():
        cleanup = contextlib.ExitStack()
        try:
            plan = _borrow(find_running(home), cleanup, report) or _own_fleet(home / DEMO_FOLDER, cleanup, report)
            _feed(plan, rate_per_second, cleanup)
            _submit(plan, cleanup, report)
            show(plan.info)
        finally:
            with uninterrupted():
                cleanup.close()


def end_orphan(home: Path) -> bool:
    """End the fleet of a demo that was killed before it could do so itself; True when there was one."""
    folder = home / DEMO_FOLDER
    if not folder.is_dir():
        return False
    with contextlib.suppress(Refused), _only_demo(folder):
        return bool(fleet.down(folder))
    return False


def _borrow(info: FleetInfo | None, cleanup: contextlib.ExitStack, report: fleet.Report) -> _Plan | None:
    """A plan for a fleet that somebody else keeps running; None when none does."""
    if info is None:
        return None
    name = f"demo_{SystemClock().now_ms() // 1000}"
    report(f"using the fleet that runs at {info.rest_url}, which stays; topic, table and job are {name}")
    kafka.create_topic(info.kafka_bootstrap, name, like=kafka.INPUT_TOPIC)
    cleanup.callback(kafka.delete_topic, info.kafka_bootstrap, name)
    arguments = ("--topic", name, "--table", f"prices.{name}", "--name", f"price-aggregation-{name}")
    return _Plan(info, name, arguments, borrowed=True)


def _own_fleet(folder: Path, cleanup: contextlib.ExitStack, report: fleet.Report) -> _Plan:
    """A fresh fleet in `folder`, ended by `cleanup`."""
    folder.mkdir(parents=True, exist_ok=True)
    cleanup.enter_context(_only_demo(folder))
    fleet.down(folder)
    for leftover in folder.iterdir():
        if leftover.is_dir():
            shutil.rmtree(leftover)
    cleanup.callback(fleet.down, folder)
    info = fleet.up(folder, report=report)
    return _Plan(info, kafka.INPUT_TOPIC, (), borrowed=False)


@contextlib.contextmanager
def _only_demo(folder: Path) -> Iterator[None]:
    """Hold the lock of the demo's folder: with the lock free, whatever runs there is an orphan."""
    with (folder / "demo.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"a demo runs already in {folder}", next_step="flinkops status shows it") from None
        yield


def _feed(plan: _Plan, rate_per_second: float, cleanup: contextlib.ExitStack) -> None:
    feed = feeder.Feed(bootstrap=plan.info.kafka_bootstrap, topic=plan.topic, rate_per_second=rate_per_second)
    with deferred():
        process = feeder.start(feed, Path(plan.info.home) / "logs" / "feeder.log")
        cleanup.callback(terminate, [process])


def _submit(plan: _Plan, cleanup: contextlib.ExitStack, report: fleet.Report) -> None:
    report("submitting the job price-aggregation")
    job_id = job.submit(plan.info, ["price-aggregation", *plan.job_arguments])
    if plan.borrowed:
        cleanup.callback(_cancel, plan.info, job_id)
    state = _await_state(plan.info, job_id, {"RUNNING", *_ENDED})
    if state != "RUNNING":
        raise OperationFailed(f"the demo's job is {state}", next_step=f"see the logs in {plan.info.home}/logs")
    report(f"the job runs; Flink's own pages are at {plan.info.rest_url}")


def _cancel(info: FleetInfo, job_id: str) -> None:
    if patch(info.rest_url, f"/jobs/{job_id}?mode=cancel"):
        _await_state(info, job_id, _ENDED)


def _await_state(info: FleetInfo, job_id: str, wanted: Collection[str]) -> str:
    """The first of the wanted states that the job is in. Raises TimedOut when it reaches none."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        state = (get_json(info.rest_url, f"/jobs/{job_id}") or {}).get("state")
        if state in wanted:
            return str(state)
        if time.monotonic() > deadline:
            raise TimedOut(f"the demo's job is {state} after {_PATIENCE_SECONDS:.0f} s, not {' or '.join(wanted)}")
        time.sleep(_POLL_SECONDS)
