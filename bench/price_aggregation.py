"""The job against hand-written Java on the same input: `python -m bench.price_aggregation [--records N] [--rounds N]`.

Starts an embedded fleet of its own, fills a topic, then runs both jobs in turn, for event and for arrival order.
What counts is the CPU time of the TaskManager's process for each record, start-up included: wall time depends on
who else uses the machine. Prints a table and one line of JSON. Bar: 0.6 of the Java job; goal: 0.9.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests

from flinkops.local import fleet, job, kafka
from flinkops.local.javac import compile_jar
from flinkops.local.probe import get_json
from flinkops.local.state import FleetInfo

TOPIC = "bench-in"
DEAD = "bench-dead"
TICKS_PER_SECOND = 100
START_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
SPAN_MS = 3_600_000
DISORDER_MS = 20_000
CHANGE_RATIO = 0.1
BAR_RATIO = 0.6
END_SECONDS = 3600.0


@dataclass(frozen=True)
class Run:
    """One run of one job."""

    job: str
    order: str
    records: int
    cpu_seconds: float
    wall_seconds: float

    @property
    def per_cpu_second(self) -> float:
        return self.records / self.cpu_seconds


def scrapes(records: int, skus: int) -> Iterator[tuple[str, bytes]]:
    """One hour of scrapes, a little out of order; a tenth of them with another price than the one before."""
    chance = random.Random(0)
    cents = [chance.randrange(100, 100_000) for _ in range(skus)]
    for number in range(records):
        at_ms = START_MS + number * SPAN_MS // records + chance.randrange(DISORDER_MS)
        sku = chance.randrange(skus)
        if chance.random() < CHANGE_RATIO:
            cents[sku] = chance.randrange(100, 100_000)
        at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6]
        yield (
            f"SKU-{sku}",
            (
                f'{{"sku":"SKU-{sku}","price":{cents[sku] / 100},"currency":"EUR","retailer":"shop{sku % 7}",'
                f'"url":"https://shop.example/products/{sku}","scraped_at":"{at}Z"}}'
            ).encode(),
        )


def fill(info: FleetInfo, records: int, skus: int) -> None:
    from confluent_kafka import Producer

    for name, like in ((TOPIC, "raw-scrapes-in"), (DEAD, "raw-scrapes-dead")):
        kafka.create_topic(info.kafka_bootstrap, name, like=like)
    producer = Producer({"bootstrap.servers": info.kafka_bootstrap, "linger.ms": 50, "batch.size": 500_000})
    for sku, raw in scrapes(records, skus):
        while True:
            try:
                producer.produce(TOPIC, raw, key=sku, partition=0)
                break
            except BufferError:
                producer.poll(1)
    if producer.flush(300):
        raise SystemExit("Kafka did not take the records within 300 s")


def cpu_seconds(info: FleetInfo) -> float:
    """Of the TaskManager's process so far."""
    pid = next(process.pid for process in info.processes if process.role.startswith("taskmanager"))
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def start_ours(info: FleetInfo, order: str) -> str:
    options = ["--topic", TOPIC, "--dead-letter", f"topic:{DEAD}", "--bounded", "--sink", "print", "--order", order]
    return job.submit(info, ["price-aggregation", *options, "--name", f"ours-{order}"])


def start_java(info: FleetInfo, order: str) -> str:
    """Through REST, as jars are submitted."""
    jar = compile_jar(
        Path(__file__).parent / "java", Path(info.home) / "baseline.jar", sorted(info.flink_lib_dir.glob("*.jar"))
    )
    with jar.open("rb") as file:
        uploaded = requests.post(f"{info.rest_url}/jars/upload", files={"jarfile": (jar.name, file)}, timeout=60)
    uploaded.raise_for_status()
    jar_id = uploaded.json()["filename"].rpartition("/")[2]
    arguments = [info.kafka_bootstrap, TOPIC, order, f"java-{order}"]
    started = requests.post(
        f"{info.rest_url}/jars/{jar_id}/run",
        json={"entryClass": "baseline.Baseline", "programArgsList": arguments},
        timeout=120,
    )
    started.raise_for_status()
    return str(started.json()["jobid"])


def run(info: FleetInfo, name: str, order: str, records: int) -> Run:
    before = cpu_seconds(info)
    job_id = (start_ours if name == "ours" else start_java)(info, order)
    job.await_end(info, job_id, timeout_seconds=END_SECONDS)
    used = cpu_seconds(info) - before
    times = (get_json(info.rest_url, f"/jobs/{job_id}") or {})["timestamps"]
    result = Run(name, order, records, used, (times["FINISHED"] - times["RUNNING"]) / 1000)
    print(f"{name:5} {order:8} {used:6.1f} s CPU {result.wall_seconds:7.1f} s wall", file=sys.stderr, flush=True)
    return result


def ratio(runs: list[Run], order: str) -> float:
    """Records for each CPU second, ours over Java's; the median of the rounds."""
    rates = {
        name: statistics.median(run.per_cpu_second for run in runs if (run.job, run.order) == (name, order))
        for name in ("ours", "java")
    }
    return rates["ours"] / rates["java"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=3_000_000)
    parser.add_argument("--skus", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--slots", type=int, default=1, help="of the TaskManager: RocksDB has the managed memory of one, 384 MiB by N"
    )
    parser.add_argument("--orders", nargs="+", choices=("event", "arrival"), default=["event", "arrival"])
    options = parser.parse_args()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        info = fleet.up(Path(folder), slots=options.slots)
        try:
            started = time.monotonic()
            fill(info, options.records, options.skus)
            print(f"filled the topic in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
            for _ in range(options.rounds):
                for order in options.orders:
                    runs += [run(info, name, order, options.records) for name in ("java", "ours")]
        finally:
            fleet.down(Path(folder))
    print(f"{'job':6}{'order':9}{'records/CPU s':>14}{'records/s':>11}")
    for done in runs:
        print(f"{done.job:6}{done.order:9}{done.per_cpu_second:14,.0f}{done.records / done.wall_seconds:11,.0f}")
    ratios = {order: round(ratio(runs, order), 3) for order in options.orders}
    print("ratio of ours to Java: " + ", ".join(f"{order} order {value:.2f}" for order, value in ratios.items()))
    print(json.dumps({"runs": [asdict(done) for done in runs], "ratios": ratios, "bar": BAR_RATIO}))
    return 0 if min(ratios.values()) >= BAR_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
