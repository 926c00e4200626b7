"""The demo: a fleet of its own (or the one that runs), both jobs, scrapes in, alerts out, and the screens on it."""

import contextlib
import fcntl
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from flinkops.clock import SystemClock
from flinkops.errors import Refused
from flinkops.local import delivery, feeder, fleet, job, kafka
from flinkops.local.probe import get_json, patch
from flinkops.local.processes import Process, terminate
from flinkops.local.signals import deferred, signals_interrupt, uninterrupted
from flinkops.local.state import DEMO_FOLDER, FleetInfo, find_running
from flinkops.model.states import ENDED

_CANCEL_SECONDS = 30.0
_POLL_SECONDS = 0.2
_REPLAY_PER_SECOND = 4000.0
"""The hour of the past goes in at a pace that both jobs keep up with: a backlog would count as their latency."""
_DATA_FOLDERS = ("delivery", "flink", "kafka", "logs", "warehouse")


class _Plan(msgspec.Struct, frozen=True):
    """Where the demo runs and what it may call its own there."""

    info: FleetInfo
    topic: str
    alerts_topic: str
    dead_letter_topic: str
    suffix: str
    delivery: delivery.Delivery
    borrowed: bool

    @property
    def job_names(self) -> tuple[str, ...]:
        """As Flink shows them."""
        return tuple(f"{name}{self.suffix}" for name in ("price-aggregation", "price-alerts"))

    @property
    def jobs(self) -> tuple[tuple[str, ...], ...]:
        """The commands of both jobs."""
        prices_name, alerts_name = self.job_names
        prices = ("price-aggregation", "--topic", self.topic, "--name", prices_name)
        alerts = ("price-alerts", "--topic", self.topic, "--name", alerts_name)
        table = ("--table", f"prices.{self.topic}") if self.borrowed else ()
        metrics = ("--delivery-metrics-url", self.delivery.metrics_url)
        return ((*prices, *table), (*alerts, "--alerts-topic", self.alerts_topic, *metrics))


def run_demo(
    home: Path,
    show: Callable[[FleetInfo], None],
    *,
    rate_per_second: float = 1000.0,
    report: fleet.Report = lambda _text: None,
) -> None:
    """Run the demo until `show` returns, then end every process it started, and its jobs, whatever became of them.

    In a fleet that runs in `home` it takes a topic, a table and a job name of its own and leaves that
    fleet running; otherwise it starts one in `home/demo`, always from nothing. Raises Refused when a demo
    runs there already; what the fleet and the job raise when they do not come to life.
    """
    with signals_interrupt():
        cleanup = contextlib.ExitStack()
        try:
            plan = _borrow(find_running(home), cleanup, report) or _own_fleet(home / DEMO_FOLDER, cleanup, report)
            _deliver(plan, cleanup, report)
            _submit(plan, cleanup, report)
            # Not before the jobs run: their backlog would count as their latency.
            _feed(plan, rate_per_second, cleanup)
            show(plan.info)
        finally:
            with uninterrupted():
                cleanup.close()


def end_orphan(home: Path) -> list[Process]:
    """End the fleet of a demo that was killed before it could do so itself; returns what was ended."""
    folder = home / DEMO_FOLDER
    if folder.is_dir():
        with contextlib.suppress(Refused), _only_demo(folder):
            return fleet.down(folder)
    return []


def _borrow(info: FleetInfo | None, cleanup: contextlib.ExitStack, report: fleet.Report) -> _Plan | None:
    """A plan for a fleet that somebody else keeps running; None when none does."""
    if info is None:
        return None
    name = f"demo_{SystemClock().now_ms() // 1000}"
    report(f"using the fleet that runs at {info.rest_url}, which stays; topics, table and jobs are {name}")
    alerts, undelivered = f"{name}-alerts", f"{name}-undelivered"
    for topic, like in (
        (name, kafka.INPUT_TOPIC),
        (alerts, kafka.ALERTS_TOPIC),
        (undelivered, kafka.UNDELIVERED_TOPIC),
    ):
        kafka.create_topic(info.kafka_bootstrap, topic, like=like)
        cleanup.callback(kafka.delete_topic, info.kafka_bootstrap, topic)
    folder = Path(info.home) / "delivery" / name
    cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
    return _Plan(info, name, alerts, undelivered, f"-{name}", delivery.choose(folder), borrowed=True)


def _own_fleet(folder: Path, cleanup: contextlib.ExitStack, report: fleet.Report) -> _Plan:
    """A fresh fleet in `folder`, ended by `cleanup`."""
    folder.mkdir(parents=True, exist_ok=True)
    cleanup.enter_context(_only_demo(folder))
    fleet.down(folder)
    for leftover in _DATA_FOLDERS:  # not the compiled job: it is made again only when it changed
        shutil.rmtree(folder / leftover, ignore_errors=True)
    cleanup.callback(fleet.down, folder)
    info = fleet.up(folder, report=report)
    topics = (kafka.INPUT_TOPIC, kafka.ALERTS_TOPIC, kafka.UNDELIVERED_TOPIC)
    return _Plan(info, *topics, "", delivery.choose(folder / "delivery"), borrowed=False)


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
    feed = feeder.Feed(
        bootstrap=plan.info.kafka_bootstrap,
        topic=plan.topic,
        rate_per_second=rate_per_second,
        replay_per_second=_REPLAY_PER_SECOND,
    )
    with deferred():
        process = feeder.start(feed, Path(plan.info.home) / "logs" / "feeder.log")
        cleanup.callback(terminate, [process])


def _deliver(plan: _Plan, cleanup: contextlib.ExitStack, report: fleet.Report) -> None:
    """Start what delivers the alerts, before there are any."""
    cleanup.callback(_count, plan.delivery, report)
    with deferred():
        delivery.start(
            plan.info,
            plan.delivery,
            plan.alerts_topic,
            plan.dead_letter_topic,
            lambda process: cleanup.callback(terminate, [process]),
        )
    report(f"alerts go to a receiver, which prints some to {plan.delivery.alerts_log}")


def _count(ended: delivery.Delivery, report: fleet.Report) -> None:
    counted = ended.counted()
    if counted is not None:
        report("the receiver got {} alerts, {} of them twice".format(*counted))


def _submit(plan: _Plan, cleanup: contextlib.ExitStack, report: fleet.Report) -> None:
    """Start both jobs at the same time: most of it is waiting for JVMs."""
    report(f"submitting the jobs {' and '.join(command[0] for command in plan.jobs)}")
    if plan.borrowed:
        cleanup.callback(end_jobs, plan.info.rest_url, plan.job_names, report)
    with ThreadPoolExecutor(len(plan.jobs)) as threads:
        submitted = [threads.submit(job.submit, plan.info, command) for command in plan.jobs]
    for each in submitted:
        each.result()
    report(f"the jobs run; Flink's own pages are at {plan.info.rest_url}")


def end_jobs(rest_url: str, names: Collection[str], report: fleet.Report) -> None:
    """Cancel every live job of these names and wait until none is left, for their topics go next.

    By name, not by the ids that were submitted: an upgrade or a restart in another terminal has put others in their
    place. What does not end in time is reported.
    """
    deadline = time.monotonic() + _CANCEL_SECONDS
    while live := _live(rest_url, names):
        for job_id, _ in live:
            patch(rest_url, f"/jobs/{job_id}?mode=cancel")
        if time.monotonic() > deadline:
            left = ", ".join(f"{name} ({job_id})" for job_id, name in live)
            report(f"still there after {_CANCEL_SECONDS:.0f} s, to be cancelled by hand: {left}")
            return
        time.sleep(_POLL_SECONDS)


def _live(rest_url: str, names: Collection[str]) -> list[tuple[str, str]]:
    """Id and name of those that have not ended; none where no Flink answers."""
    jobs = (get_json(rest_url, "/jobs/overview") or {}).get("jobs", [])
    return [(each["jid"], each["name"]) for each in jobs if each["name"] in names and each["state"] not in ENDED]
