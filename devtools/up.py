"""Start the embedded fleet (Flink, Kafka, an Iceberg warehouse), or repair it; it stays until `./dev down`."""

import argparse
import sys
import time

from devtools.s3_gateway import gateway
from flinkops.local import fleet
from flinkops.local.flink import MOST_SLOTS
from flinkops.local.s3_server import BUCKET, S3_FILE
from flinkops.local.state import default_home


def main(arguments: list[str]) -> int:
    """Bring the fleet up and say where it is."""
    parser = argparse.ArgumentParser(prog="./dev up", description=__doc__)
    parser.add_argument("--taskmanagers", type=int, default=1, metavar="N", help="at least so many (default 1)")
    parser.add_argument("--ha", action="store_true", help="jobs survive the JobManager; what dies is started again")
    parser.add_argument("--s3", action="store_true", help="checkpoints and savepoints on an S3 server, not on the disk")
    parser.add_argument(
        "--slots", type=_slots, metavar="N", help="of each TaskManager (default 4); they share its memory"
    )
    options = parser.parse_args(arguments)
    started = time.monotonic()
    store = gateway() if options.s3 else None
    info = fleet.up(
        default_home(),
        taskmanagers=options.taskmanagers,
        ha=options.ha,
        s3=store,
        slots=options.slots,
        report=_say,
    )
    _say(f"ready after {time.monotonic() - started:.1f} s")
    print(f"flink      {info.rest_url} (version {info.flink_version})")
    print(f"kafka      {info.kafka_bootstrap}")
    if info.zookeeper:
        print(f"zookeeper  {info.zookeeper}")
    if info.s3:
        print(f"s3         {info.s3}, bucket {BUCKET}; its log-in: {default_home() / S3_FILE}")
    print(f"warehouse  {info.warehouse}")
    for process in info.processes:
        print(f"process    {process.role} pid {process.pid}, log {process.log}")
    return 0


def _slots(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_SLOTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_SLOTS}")
    return int(text)


def _say(text: str) -> None:
    print(f"dev up: {text}", file=sys.stderr, flush=True)
