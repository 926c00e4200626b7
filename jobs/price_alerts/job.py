"""Price alerts: scrapes in, an alert out for each change of price or availability, at once. Runs in the JVM throughout.

Python describes the job; the few Java classes beside it compare scrapes. The fields of an alert: docs/price-alerts.md.
Works as `python job.py OPTIONS` and as `flink run -py job.py OPTIONS`. Exit codes: 1 the job could not be
started, 2 wrong usage.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.common import flink_job as shared
else:
    # A script has no package: what the jobs share is found beside it, in a checkout, the wheel and an image.
    _JOBS = Path(__file__).absolute().parents[1]
    sys.path.append(str(_JOBS.parent))
    shared = importlib.import_module(f"{_JOBS.name}.common.flink_job")

NAME = "price-alerts"
JAR_NAME = "price-alerts.jar"
_MAX_ALERT_BYTES = 16 * 1024  # names of full length, all escaped
_WATERMARK_DELAY = "1000 ms"  # watermarks come in whole seconds
DISPATCHER_METRICS_URL = "http://127.0.0.1:9251/metrics"  # where it listens by default
_DELIVERY_METRICS_URL = "flinkops.delivery-metrics-url"
_SETTINGS = shared.SHARED_SETTINGS | {
    # A backlog, as after a restart, must not hold up checkpoints.
    "execution.checkpointing.unaligned.enabled": "true",
    "execution.checkpointing.aligned-checkpoint-timeout": "5 s",
    # A checkpoint writes out what is in RocksDB's buffer while records wait: little.
    "state.backend.rocksdb.writebuffer.size": "4 mb",
    "state.backend.rocksdb.options-factory": "flinkops.price.YieldingCompactions",
    # Three quarters of what a scrape costs was the look-up of the last price, in five files one after the other.
    "state.backend.rocksdb.use-bloom-filter": "true",
    # A filter is as large as its file has keys: one that fits into no shard of a small cache is read over and over.
    "state.backend.rocksdb.compaction.level.target-file-size-base": "8 mb",
}
# Every request has its price in CPU, and what has to wait for the CPU waits longer than for these few milliseconds.
_CONSUMER = {
    "fetch.min.bytes": "16384",
    "fetch.max.wait.ms": "2",
}
_PRODUCER = {
    "linger.ms": "1",
    "acks": "all",
    "enable.idempotence": "true",  # retries keep the order
}


def parser() -> argparse.ArgumentParser:
    """The job's command line."""
    options = argparse.ArgumentParser(prog=NAME, description=__doc__, allow_abbrev=False)
    shared.add_shared(options, NAME)
    add = options.add_argument
    add("--start", choices=("earliest", "latest"), default="earliest", help="of a job without state")
    add("--sink", choices=("kafka", "files"), default="kafka")
    add("--alerts-topic", default="price-alerts", metavar="NAME")
    add("--transactional", action="store_true", help="exactly once; readers see alerts with the next checkpoint")
    add("--output", metavar="DIR", help="of --sink files; default WAREHOUSE/alerts/NAME")
    add("--warehouse", metavar="DIR", help="a folder, or an address such as s3://bucket/prices")
    add("--buffer-timeout", type=shared.duration_ms, default=1, metavar="1ms", help="how long records may be gathered")
    add("--subscriptions", metavar="FILE", help="for the dispatcher, a service of its own, which delivers the alerts")
    add("--delivery-metrics-url", metavar="URL", help="the dispatcher's metrics, for flinkops to read")
    return options


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The checked options; exits with 2 and one line when they make no sense."""
    options = parser()
    chosen = options.parse_args(arguments)
    shared.check_shared(options, chosen)
    if chosen.sink == "kafka" and chosen.output:
        options.error("--output is for --sink files")
    if chosen.sink == "files" and chosen.transactional:
        options.error("--transactional is for --sink kafka; files are written exactly once anyway")
    if chosen.sink == "kafka" and chosen.topic == chosen.alerts_topic:
        options.error("--topic and --alerts-topic must differ: the job would read its own alerts")
    if chosen.subscriptions and not os.access(chosen.subscriptions, os.R_OK):
        options.error(f"--subscriptions: cannot read {chosen.subscriptions}")
    if chosen.subscriptions and not chosen.delivery_metrics_url:
        chosen.delivery_metrics_url = DISPATCHER_METRICS_URL
    if chosen.sink == "files" and not chosen.output:
        if not chosen.warehouse:
            options.error("--sink files needs --output DIR or --warehouse DIR")
        chosen.output = f"{chosen.warehouse.rstrip('/')}/alerts/{chosen.name}"
    return chosen


def connect(chosen: argparse.Namespace) -> "shared.Flink":
    """The environment, configured."""
    from pyflink.java_gateway import get_gateway

    jar = chosen.jar or Path(__file__).with_name(JAR_NAME)
    parameters = {shared.WATERMARK_DELAY: _WATERMARK_DELAY}
    if chosen.delivery_metrics_url:
        parameters[_DELIVERY_METRICS_URL] = chosen.delivery_metrics_url
    streams = shared.environment(chosen, _SETTINGS, parameters, jar)
    streams.set_buffer_timeout(chosen.buffer_timeout)
    return shared.Flink(streams, None, get_gateway().jvm)


def start(chosen: argparse.Namespace) -> Any:
    """Submits the job; returns its JobClient."""
    flink = connect(chosen)
    pipeline = read(flink, chosen)
    if chosen.sink == "files":
        pipeline.toFiles(shared.file_uri(chosen.output))
    else:
        properties = _PRODUCER | shared.kafka_properties(flink, chosen)
        properties["transaction.timeout.ms"] = str(shared.TRANSACTION_TIMEOUT_MS)
        prefix = f"{chosen.name}-alerts" if chosen.transactional else None
        pipeline.toKafka(chosen.alerts_topic, shared.java_properties(flink, properties), prefix)
    return flink.streams.execute_async(chosen.name)


def read(flink: "shared.Flink", chosen: argparse.Namespace) -> Any:
    """The pipeline up to the alerts."""
    needed = ([chosen.topic] if chosen.source == "kafka" else []) + (
        [chosen.alerts_topic] if chosen.sink == "kafka" else []
    )
    if needed:
        shared.check_topics(flink, chosen, needed)
    if chosen.sink == "kafka":
        shared.max_message_bytes(flink, chosen, chosen.alerts_topic, at_least=_MAX_ALERT_BYTES)
    pipeline = flink.jvm.flinkops.alerts.Pipeline
    environment = flink.streams._j_stream_execution_environment
    if chosen.source == "files":
        shared.check_readable(flink, chosen.input)
        paths = shared.java_list(flink, [shared.file_uri(path) for path in chosen.input])
        return pipeline.ofFiles(environment, paths, chosen.state_ttl)
    kafka = shared.kafka_properties(flink, chosen)
    properties = _CONSUMER | kafka | {"group.id": chosen.name, "isolation.level": "read_committed"}
    return pipeline.ofKafka(
        environment,
        shared.java_properties(flink, properties),
        chosen.topic,
        chosen.start == "latest",
        chosen.bounded,
        # What is bounded ends by itself: a reader starved of CPU must not pass for an idle one.
        0 if chosen.bounded else chosen.idle_timeout,
        chosen.state_ttl,
    )


def main(arguments: Sequence[str]) -> None:
    """The command: prints the id of the job it started."""
    chosen = parse(arguments)
    if not chosen.check:
        shared.submit(NAME, lambda: start(chosen))


if __name__ == "__main__":
    main(sys.argv[1:])
