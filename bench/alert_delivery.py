"""From Kafka's append of a scrape to the webhook's receiver: `python -m bench.alert_delivery [--rates N ...]`.

Starts an embedded fleet of its own with the job price-alerts, the dispatcher and a receiver, gives the job the first
price of every SKU, then feeds each rate in turn. Latency is from the broker's timestamp of the scrape until the
receiver has the request; the first seconds of a rate are not counted. The job's own part of it, until the broker has
the alert, is read from the broker's timestamps of the alerts afterwards. Every alert is counted against the feeder's
own account. Bars: p50 < 15 ms, p99 < 50 ms, nothing lost, nothing twice.

`--kills` instead kills TaskManager, JobManager (there is high availability then), dispatcher and broker in turn while
scrapes come in, and says how long no alert arrived, and what was lost, repeated or out of order.

`--explain` says what held each slow alert up (bench/_alert_causes.py). `--relay-seconds N` lets a bare relay in Java
(bench/java/relay) bring as many records to the same receiver after each rate: the machine's own noise.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests

from bench import _alert_load as alert_load
from bench._alert_account import Arrival, account, appended, counted, explained, quantiles
from bench._alert_explain import Tracing
from bench._alert_relay import ONE_OF, Phase, phases_of, relaying
from bench._alert_stalls import Checkpoints, Times, stalls
from bench.price_alerts import PATIENCE_SECONDS, SETTLE_SECONDS, Latency, Shares, prime
from bench.price_alerts_kills import recovery
from flinkops.local import fleet, job, kafka
from flinkops.local.flink import TASKMANAGER_PREFIX
from flinkops.local.ports import HOST, free_ports
from flinkops.local.processes import Process, spawn, terminate
from flinkops.local.signals import signals_interrupt
from flinkops.local.state import JOBMANAGER, FleetInfo, read_info

REPOSITORY = Path(__file__).parents[1]
SECRET = "the secret of the bench, which is none"
P50_BAR_MS, P99_BAR_MS = 15.0, 50.0
DISPATCHER, PATH = "dispatcher", "/all"
KILLED = (TASKMANAGER_PREFIX, JOBMANAGER, DISPATCHER, kafka.ROLE)
APART_SECONDS = 45.0
STILL_SECONDS = 60.0
"""After so long without an alert no further one is waited for: longer than what was killed takes to come back."""
_TOLD = ("delivered", "parked", "retries", "repeats_dropped")


class Post:
    """The dispatcher and its receiver, on a fleet."""

    def __init__(
        self, info: FleetInfo, folder: Path, dispatcher_options: Sequence[str], trace: Path | None = None
    ) -> None:
        self.info, self.folder, self.trace = info, folder, trace
        self.log = folder / "arrivals"
        self.told: dict[str, int] = {}
        self.receiver_port, self.metrics_port = free_ports(2)
        subscription = {"client": "all", "url": f"http://{HOST}:{self.receiver_port}{PATH}", "secret": SECRET}
        (folder / "subscriptions.json").write_text(json.dumps([subscription]))
        self._options = list(dispatcher_options)
        options = ["--port", str(self.receiver_port), "--secret", SECRET, "--log", str(self.log)]
        self.receiver = self._spawn("receiver", "jobs.price_alerts.dispatcher.receiver", options)
        self.dispatcher = self.start_dispatcher()

    def start_dispatcher(self) -> Process:
        options = [
            *("--bootstrap", self.info.kafka_bootstrap, "--state", str(self.folder / "state")),
            *("--subscriptions", str(self.folder / "subscriptions.json")),
            *("--listen", f"{HOST}:{self.metrics_port}", "--allow-http", "--allow-address", f"{HOST}/32"),
        ]
        options += self._options
        if self.trace is None:
            self.dispatcher = self._spawn(DISPATCHER, "jobs.price_alerts.dispatcher", options)
        else:
            self.dispatcher = self._spawn(DISPATCHER, "bench._alert_traced_dispatcher", [str(self.trace), *options])
        return self.dispatcher

    def _spawn(self, role: str, module: str, options: Sequence[str]) -> Process:
        environment = dict(os.environ) | {"PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-m", module, *options, "--with-parent"]
        return spawn(role, command, output=self.folder / f"{role}.log", environment=environment)

    def arrivals(self) -> list[Arrival]:
        """What the receiver wrote so far; all of it only after `end`."""
        fields = (line.split("\t") for line in self.log.read_text().splitlines())
        return [
            Arrival(int(received), int(ingested), alert_id, sku, scraped_at, again == "again", path)
            for received, ingested, alert_id, sku, scraped_at, path, again in fields
        ]

    def requests(self) -> int:
        """How many lines there are by now; the receiver writes them each second."""
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def tell(self) -> None:
        """Add what the dispatcher has counted in its life to what the ones before it had."""
        answer = requests.get(f"http://{HOST}:{self.metrics_port}/metrics", timeout=5)
        lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
        for name in _TOLD:
            self.told[name] = self.told.get(name, 0) + int(float(lines[f"flinkops_alerts_{name}_total"]))

    def end(self) -> None:
        terminate([self.dispatcher], grace_seconds=20)
        terminate([self.receiver])


def feed(
    info: FleetInfo, load: alert_load.Load, pids: dict[str, int], during: Any
) -> tuple[list[alert_load.Fed], Shares]:
    """Feed the phases; `during` is called each second with the seconds since the start."""
    feeder = alert_load.start(load)
    shares = Shares({process.role: process.pid for process in info.processes} | pids | {"feeder": feeder.pid})
    started = time.monotonic()
    while feeder.poll() is None:
        shares.sample()
        during(time.monotonic() - started)
        time.sleep(1)
    return alert_load.finish(feeder), shares


def await_alerts(post: Post, changes: int) -> list[Arrival]:
    """Wait until nothing comes any more, or all has; then end both and read what came."""
    deadline, seen, since = time.monotonic() + PATIENCE_SECONDS, -1, time.monotonic()
    while post.requests() < changes and time.monotonic() < deadline:
        if post.requests() != seen:
            seen, since = post.requests(), time.monotonic()
        elif time.monotonic() - since > STILL_SECONDS:
            break
        time.sleep(0.5)
    time.sleep(2)
    post.tell()
    post.end()
    return post.arrivals()


def measure(info: FleetInfo, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    tracing = Tracing(info, folder) if options.explain else None
    post = Post(info, folder, options.dispatcher_option, tracing.dispatcher_trace if tracing is not None else None)
    warm_up = Phase(kafka.INPUT_TOPIC, options.rates[0], options.warm_up_seconds + SETTLE_SECONDS)
    phases = [warm_up, *phases_of(options.rates, options.seconds, options.relay_seconds)]
    with ExitStack() as beside:
        beside.callback(post.end)
        job_id = _submit(info, options)
        load = _load(info, phases, options.skus)
        prime(info, job_id, load)
        pids = {DISPATCHER: post.dispatcher.pid, "receiver": post.receiver.pid}
        if options.relay_seconds:
            pids["relay"] = beside.enter_context(relaying(info, folder, post.receiver_port, SECRET))
        going_on = Checkpoints(info, job_id, in_detail=options.explain)
        going_on.start()
        if tracing is not None:
            tracing.start(pids)
        fed_phases, shares = feed(info, load, pids, lambda _seconds: None)
        times = going_on.end()
        if tracing is not None:
            tracing.stop()
        jobs = [fed for fed, phase in zip(fed_phases, phases, strict=True) if phase.topic == kafka.INPUT_TOPIC]
        relays = [fed for fed in fed_phases if fed not in jobs]
        changes = sum(fed.changes for fed in jobs)
        everything = await_alerts(post, changes + sum(fed.records // ONE_OF - ONE_OF for fed in relays))
        before_delivery = appended(info)
    arrivals = [each for each in everything if each.path == PATH]
    first, *rates = [rate(fed, arrivals, list(before_delivery.values()), shares, times) for fed in jobs]
    held_up = {"tasks_held_up_ms": going_on.held_up_ms(), "dispatcher": post.told}
    found: dict[str, Any] = {"warm_up": first, "rates": rates, **held_up, **account(arrivals, changes)}
    found["relay"] = _relayed(relays, everything)
    if tracing is not None:
        seen = tracing.intervals(going_on)
        found["causes"] = [each._asdict() for each in explained(jobs[1:], arrivals, before_delivery, seen)]
    return found


def _load(info: FleetInfo, phases: Sequence[Phase], skus: int) -> alert_load.Load:
    return alert_load.Load(
        bootstrap=info.kafka_bootstrap,
        topic=kafka.INPUT_TOPIC,
        phases=tuple((each.rate_per_second, each.seconds) for each in phases),
        topics=tuple(each.topic for each in phases),
        skus=skus,
    )


def _relayed(relays: Sequence[alert_load.Fed], arrivals: Sequence[Arrival]) -> list[dict[str, Any]]:
    """Of each rate, how long its records took through the bare relay."""
    relayed = [
        (float(each.ingested_ms), float(each.received_ms - each.ingested_ms)) for each in arrivals if each.path != PATH
    ]
    return [quantiles([each for each in relayed if counted(fed, each[0])]) for fed in relays]


def _submit(info: FleetInfo, options: argparse.Namespace) -> str:
    settings = [f"-D{each}" for each in options.flink]
    return job.submit(info, ["price-alerts", *options.job_option], client_options=settings)


def rate(
    fed: alert_load.Fed,
    arrivals: list[Arrival],
    before_delivery: list[Latency],
    shares: Shares,
    checkpoints: list[Times],
) -> dict[str, Any]:
    from_ms = fed.started_ms + SETTLE_SECONDS * 1000
    whole = [(float(each.ingested_ms), float(each.received_ms - each.ingested_ms)) for each in arrivals]
    alerts, own_part = (
        [each for each in latencies if from_ms <= each[0] < fed.ended_ms] for latencies in (whole, before_delivery)
    )
    return {
        "fed_per_second": round(fed.records / (fed.ended_ms - fed.started_ms) * 1000),
        "seconds": round((fed.ended_ms - from_ms) / 1000),
        "alerts": len(alerts),
        **quantiles(alerts),
        "jobs_own_part": quantiles(own_part),
        "feeder_behind_seconds": round(fed.behind_seconds, 3),
        "cores": shares.between(from_ms, fed.ended_ms),
        **stalls(alerts, checkpoints),
    }


def kill_in_turn(info: FleetInfo, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    post = Post(info, folder, options.dispatcher_option)
    killed: list[tuple[str, float]] = []

    def maybe_kill(seconds: float) -> None:
        if len(killed) < len(KILLED) and seconds > SETTLE_SECONDS + APART_SECONDS * len(killed):
            killed.append((KILLED[len(killed)], _kill(info, post, KILLED[len(killed)])))

    try:
        job_id = _submit(info, options)
        seconds = SETTLE_SECONDS + APART_SECONDS * len(KILLED)
        load = alert_load.Load(
            bootstrap=info.kafka_bootstrap,
            topic=kafka.INPUT_TOPIC,
            phases=((options.rates[0], seconds),),
            skus=min(options.skus, 50_000),
        )
        prime(info, job_id, load)
        (fed,), _ = feed(info, load, {}, maybe_kill)
        arrivals = await_alerts(post, fed.changes)
    finally:
        post.end()
    ends = [at_ms for _, at_ms in killed[1:]] + [max(fed.ended_ms, arrivals[-1].received_ms)]
    kills = [
        {"killed": role.rstrip("-"), **_seen_of(arrivals, at_ms, until_ms)}
        for (role, at_ms), until_ms in zip(killed, ends, strict=True)
    ]
    counted = account(arrivals, fed.changes) | {"dispatcher": post.told}
    return {"rate_per_second": options.rates[0], "kills": kills} | counted


def _seen_of(arrivals: list[Arrival], killed_ms: float, until_ms: float) -> dict[str, Any]:
    """What a kill did until the next one."""
    alerts = [(float(each.received_ms), float(each.received_ms - each.ingested_ms)) for each in arrivals]
    again = sum(each.again for each in arrivals if killed_ms <= each.received_ms < until_ms)
    return {**recovery(alerts, killed_ms, until_ms), "repeated_requests": again}


def _kill(info: FleetInfo, post: Post, role: str) -> float:
    """Kill it; the fleet's watcher starts its own again, the dispatcher is started again here, as Kubernetes would."""
    now = read_info(Path(info.home))
    assert now is not None
    processes = [*now.processes, post.dispatcher]
    if role == DISPATCHER:
        post.tell()
    os.kill(next(each.pid for each in processes if each.role.startswith(role) and each.alive), signal.SIGKILL)
    killed_ms = time.time() * 1000
    if role == DISPATCHER:
        while post.dispatcher.alive:
            time.sleep(0.01)
        post.start_dispatcher()
    return killed_ms


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[12_400.0], metavar="N", help="scrapes a second")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each rate, after its first 15")
    parser.add_argument(
        "--warm-up-seconds",
        type=float,
        default=60.0,
        help="at the first rate, told apart: JIT compilers work, and RocksDB compacts the first prices",
    )
    parser.add_argument("--skus", type=int, default=1_000_000)
    parser.add_argument(
        "--slots", type=int, default=1, help="of the TaskManager: RocksDB has the managed memory of one, 384 MiB by N"
    )
    parser.add_argument(
        "--explain", action="store_true", help="what held slow alerts up; costs a few hundredths of a core"
    )
    parser.add_argument("--relay-seconds", type=float, default=0.0, help="of a bare relay in Java after each rate")
    parser.add_argument("--kills", action="store_true", help="kill everything in turn, at the first rate")
    parser.add_argument("--job-option", action="append", default=[], help="such as --buffer-timeout=1ms")
    parser.add_argument("--flink", action="append", default=[], metavar="KEY=VALUE", help="Flink's settings of the job")
    parser.add_argument("--dispatcher-option", action="append", default=[], help="such as --settle-window-ms=20")
    options = parser.parse_args()
    with signals_interrupt(), tempfile.TemporaryDirectory(prefix="bench-") as name:
        home, folder = Path(name, "fleet"), Path(name, "post")
        folder.mkdir()
        try:
            info = fleet.up(home, ha=options.kills, slots=options.slots)
            found = (kill_in_turn if options.kills else measure)(info, folder, options)
        finally:
            fleet.down(home)
    _print(found)
    print(json.dumps(found))
    held = found["lost"] == found["out_of_order"] == 0
    if not options.kills:
        held = held and not found["repeated_requests"]
        held = held and all(each["p50_ms"] < P50_BAR_MS and each["p99_ms"] < P99_BAR_MS for each in found["rates"])
    return 0 if held else 1


def _print_rate(each: dict[str, Any]) -> None:
    cores = ", ".join(f"{name} {used:.2f}" for name, used in each["cores"].items())
    figures = ", ".join(f"{name} {each[f'p{name[1:]}_ms']:g}" for name in ("p50", "p90", "p99", "p999"))
    print(f"{each['fed_per_second']:,} scrapes/s for {each['seconds']} s, {each['alerts']:,} alerts: {figures} ms,")
    print(f"  longest {each['max_ms']:g} ms; cores: {cores}")
    own = each["jobs_own_part"]
    print(f"  of it the job, until the broker has the alert: p50 {own['p50_ms']:g}, p99 {own['p99_ms']:g} ms")
    print(
        f"  slower than 50 ms: {each['slow_alerts']:,} alerts in {each['slow_stretches']} stretches, "
        f"{each['slow_alerts_at_a_checkpoint']:,} of them while a checkpoint was going on"
    )


def _print(found: dict[str, Any]) -> None:
    if "warm_up" in found:
        print("warm-up, not counted: ", end="")
        _print_rate(found["warm_up"])
    for each in found.get("rates", ()):
        _print_rate(each)
    for each in found.get("relay", ()):
        figures = ", ".join(f"p{name} {each[f'p{name}_ms']:g}" for name in ("50", "90", "99", "999"))
        print(f"the bare relay: {figures} ms, longest {each['max_ms']:g} ms")
    for each in found.get("causes", ()):
        counts = f"{each['alerts']:>6,} alerts {each['stretches']:>4} stretches {each['held_ms']:>8,.0f} ms"
        print(f"{each['share']:>6.1%} {counts}  {each['name']}")
    for each in found.get("kills", ()):
        silent, again = each["silence_seconds"], each["caught_up_seconds"]
        print(f"{each['killed']:12} no alert for {silent} s, in time again after {again} s", end="")
        print(f", {each['repeated_requests']} requests repeated")
    names = ("changes_fed", "effects", "lost", "repeated_requests", "out_of_order")
    print(", ".join(f"{name.replace('_', ' ')} {found[name]}" for name in names))
    print("the dispatcher's own counts:", ", ".join(f"{name} {count}" for name, count in found["dispatcher"].items()))
    held = [each["fed_per_second"] for each in found.get("rates", ()) if each["p99_ms"] < P99_BAR_MS]
    if not found.get("kills"):
        print(f"highest rate with p99 below {P99_BAR_MS:g} ms: {max(held, default=None)}")


if __name__ == "__main__":
    sys.exit(main())
