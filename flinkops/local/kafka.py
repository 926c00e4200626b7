"""A single Kafka broker in KRaft mode, from Maven's jars."""

import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flinkops.errors import OperationFailed
from flinkops.local.jars import ensure
from flinkops.local.java import SHORT_LIVED, clean_environment
from flinkops.local.logs import telling_end
from flinkops.local.ports import HOST
from flinkops.local.processes import Process, spawn

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

ROLE = "kafka"
INPUT_TOPIC = "raw-scrapes-in"
DEAD_LETTER_TOPIC = "raw-scrapes-dead"
ALERTS_TOPIC = "price-alerts"
UNDELIVERED_TOPIC = "price-alerts-dead-letters"
# Ingestion time is when the broker took the record in: the job's latency starts there.
TOPICS: Mapping[str, tuple[int, dict[str, str]]] = {
    INPUT_TOPIC: (4, {"message.timestamp.type": "LogAppendTime"}),
    DEAD_LETTER_TOPIC: (1, {"message.timestamp.type": "LogAppendTime"}),
    ALERTS_TOPIC: (4, {"message.timestamp.type": "LogAppendTime"}),
    "price-alert-subscriptions": (1, {"cleanup.policy": "compact"}),
    UNDELIVERED_TOPIC: (1, {"message.timestamp.type": "LogAppendTime"}),
}
_CLUSTER_ID = "flinkopsLocalFleet0000"
_ADMIN_SECONDS = 30.0
# 12,400 records a second fill the space for young objects in six seconds; without -Xmn it was one, with longer pauses.
_BROKER_OPTIONS = ("-Xms384m", "-Xmx384m", "-Xmn256m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
_LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRefs = console
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1} - %m%n
"""


def write_config(home: Path, broker_port: int, controller_port: int) -> None:
    """Write `server.properties` and the logging configuration below `home/kafka`."""
    folder = home / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{broker_port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{broker_port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(folder / "data"),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # Flink's transactional sink asks for up to an hour.
        "transaction.max.timeout.ms": "3600000",
        "log.segment.bytes": str(64 * 1024 * 1024),
        "log.retention.bytes": str(1024 * 1024 * 1024),
        "log.retention.hours": "48",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),  # 128 MiB of heap otherwise, and little to compact
    }
    text = "".join(f"{key}={_escaped(value)}\n" for key, value in settings.items())
    (folder / "server.properties").write_text(text, encoding="ascii")
    (folder / "log4j2.properties").write_text(_LOG4J)


def _escaped(value: str) -> str:
    """A value for a Java properties file, whatever the folder is called."""
    units = struct.iter_unpack(">H", value.encode("utf-16-be"))
    return "".join(chr(unit) if 0x20 <= unit < 0x7F and unit != 0x5C else f"\\u{unit:04x}" for (unit,) in units)


def start(home: Path, java: Path) -> Process:
    """Start the broker on what `write_config` and `format_storage` made."""
    command = [*_java(home, java, _BROKER_OPTIONS), "kafka.Kafka", str(home / "kafka" / "server.properties")]
    return spawn(ROLE, command, output=home / "logs" / "kafka.log", environment=clean_environment())


def format_storage(home: Path, java: Path) -> None:
    """Make the broker's data folder a KRaft node's; does nothing when it is one."""
    if (home / "kafka" / "data" / "meta.properties").is_file():
        return
    config = str(home / "kafka" / "server.properties")
    command = [
        *_java(home, java, SHORT_LIVED),
        "kafka.tools.StorageTool",
        "format",
        "-g",
        "-t",
        _CLUSTER_ID,
        "-c",
        config,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
    if result.returncode != 0:
        said = telling_end(result.stdout + result.stderr)
        raise OperationFailed(f"formatting Kafka's storage in {home / 'kafka'} failed: {said}")


def _java(home: Path, java: Path, options: Sequence[str]) -> list[str]:
    classpath = ":".join(str(jar) for jar in ensure(["kafka-broker"]))
    logging = f"-Dlog4j2.configurationFile={(home / 'kafka' / 'log4j2.properties').as_uri()}"
    return [str(java), *options, logging, "-cp", classpath]


def create_topics(bootstrap: str) -> None:
    """Create the fleet's topics where they are missing; returns when the broker has them all.

    Raises OperationFailed when the broker refuses or does not answer in time.
    """
    for name in TOPICS:
        create_topic(bootstrap, name, like=name)


def create_topic(bootstrap: str, name: str, *, like: str) -> None:
    """Create one topic with the settings of one of the fleet's; an existing one is left as it is."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.cimpl import NewTopic

    partitions, config = TOPICS[like]
    topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
    admin = admin_client(bootstrap)  # must outlive its future
    done = admin.create_topics([topic], request_timeout=_ADMIN_SECONDS)[name]
    try:
        done.result()
    except KafkaException as error:
        reason = error.args[0]
        if reason.code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise OperationFailed(f"Kafka refused to create the topic {name}: {reason.str()}") from error


def delete_topic(bootstrap: str, name: str) -> None:
    """Delete a topic and its records. Raises OperationFailed when the broker refuses."""
    from confluent_kafka import KafkaException

    admin = admin_client(bootstrap)  # must outlive its future
    done = admin.delete_topics([name], request_timeout=_ADMIN_SECONDS)[name]
    try:
        done.result()
    except KafkaException as error:
        raise OperationFailed(f"Kafka refused to delete the topic {name}: {error.args[0].str()}") from error


def answers(bootstrap: str, timeout_seconds: float) -> bool:
    """True when the broker gives its metadata."""
    from confluent_kafka import KafkaException

    try:
        return bool(admin_client(bootstrap).list_topics(timeout=timeout_seconds).brokers)
    except KafkaException:
        return False


def admin_client(bootstrap: str) -> "AdminClient":
    """An AdminClient that does not write its own words on the terminal."""
    from confluent_kafka.admin import AdminClient

    quiet: dict[str, Any] = {"log_level": 0, "error_cb": lambda _error: None}
    return AdminClient({"bootstrap.servers": bootstrap, **quiet})
