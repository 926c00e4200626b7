"""What the jobs share that read scrapes: their options, the environment, Kafka, and how they fail.

The scripts find this module beside them, in a checkout, in the wheel (`flinkops_jobs`) and in their images. pyflink is
imported where it is needed: a job's options can be checked without it.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

WATERMARK_DELAY = "flinkops.watermark-delay"
MAX_PARALLELISM = 128  # part of the state's layout: another number cannot restore older savepoints
TRANSACTION_TIMEOUT_MS = 15 * 60_000  # the most that a broker grants by default
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_CHECKPOINT_INTERVAL_MS = 10_000
_ANSWER = {"default.api.timeout.ms": "30000", "request.timeout.ms": "15000"}
_DEFAULT_MESSAGE_BYTES = 1024 * 1024
SHARED_SETTINGS = {
    # Without the two: a copy of each record between operators, and Kryo unseen.
    "pipeline.object-reuse": "true",
    "pipeline.generic-types": "false",
    "pipeline.max-parallelism": str(MAX_PARALLELISM),
}


class JobError(Exception):
    """The job cannot be started; the message is one line for the user."""


def duration_ms(text: str) -> int:
    """`5m`, `30s`, `24h`, `1d` or `500ms` in milliseconds."""
    match = re.fullmatch(r"(\d{1,9})(ms|s|m|h|d)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 30s, 5m or 24h")
    return int(match[1]) * _UNITS_MS[match[2]]


def parallelism(text: str) -> int:
    """A number of subtasks that the state's layout allows."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PARALLELISM:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 1 and {MAX_PARALLELISM}")
    return int(text)


def add_shared(options: argparse.ArgumentParser, name: str) -> None:
    """The options of every job that reads scrapes."""
    add = options.add_argument
    add("--source", choices=("kafka", "files"), default="kafka")
    add(
        "--input",
        nargs="+",
        metavar="PATH",
        help="files, folders, wildcards (also **), here or on s3:// and the like: JSON lines, also .gz, or Parquet",
    )
    add("--topic", default="raw-scrapes-in")
    add("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"), help="Kafka's address")
    add("--bounded", action="store_true", help="stop where the topic ends now; files always are bounded")
    add("--idle-timeout", type=duration_ms, default=60_000, metavar="1m", help="a silent partition waits no longer")
    add("--state-ttl", type=duration_ms, default=86_400_000, metavar="24h")
    add("--parallelism", type=parallelism, metavar="N", help="unless given, that of the deployment, else 1")
    add("--name", default=name)
    add("--jar", help="the compiled Java classes, when Flink's lib folder does not have them")
    add("--check", action="store_true", help="judge the options and stop")


def check_shared(options: argparse.ArgumentParser, chosen: argparse.Namespace) -> None:
    """Exits with 2 and one line when those make no sense."""
    if chosen.source == "files" and not chosen.input:
        options.error("--source files needs --input PATH")
    if chosen.source == "kafka" and chosen.input:
        options.error("--input is for --source files")
    if chosen.state_ttl == 0:
        options.error("--state-ttl must be above 0")


def file_uri(path: str) -> str:
    """A path as an address that Flink reads, literally: a space stays a space. Addresses stay as they are."""
    return path if "://" in path else f"file://{Path(path).absolute()}"


def quoted(text: str) -> str:
    """A string literal of SQL, and of Flink's settings."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Flink:
    """The environments of one job and the JVM behind them."""

    streams: Any
    tables: Any
    jvm: Any


def environment(
    chosen: argparse.Namespace, settings: Mapping[str, str], parameters: Mapping[str, str], jar: str | Path
) -> Any:
    """The StreamExecutionEnvironment of a job, with its parameters, which flinkops reads.

    With the jar of its Java classes, when there is one: else Flink's lib folder has it.
    """
    from pyflink.common import Configuration
    from pyflink.datastream import StreamExecutionEnvironment

    configuration = Configuration()
    for key, value in settings.items():
        configuration.set_string(key, value)
    configuration.set_string("pipeline.name", chosen.name)
    shown = ",".join(f"{key}:{quoted(value)}" for key, value in parameters.items())
    configuration.set_string("pipeline.global-job-parameters", shown)
    if "PYFLINK_GATEWAY_PORT" not in os.environ:
        _load_plugins()
    streams = StreamExecutionEnvironment.get_execution_environment(configuration)
    if chosen.parallelism is not None:
        streams.set_parallelism(chosen.parallelism)
    elif "PYFLINK_GATEWAY_PORT" not in os.environ:
        streams.set_parallelism(1)  # the JVM of `python job.py` would take as many subtasks as there are cores
    if streams.get_checkpoint_config().get_checkpoint_interval() <= 0:
        streams.enable_checkpointing(_CHECKPOINT_INTERVAL_MS)  # sinks commit on checkpoints, never without
    if Path(jar).is_file():
        streams.add_jars(Path(jar).absolute().as_uri())
    return streams


def _load_plugins() -> None:
    """Of file systems, in the JVM of `python job.py`: `flink run` has done so, and a cluster does."""
    from pyflink.java_gateway import get_gateway

    flink = get_gateway().jvm.org.apache.flink
    settings = flink.configuration.GlobalConfiguration.loadConfiguration()
    flink.core.fs.FileSystem.initialize(
        settings, flink.core.plugin.PluginUtils.createPluginManagerFromRootFolder(settings)
    )


def java_list(flink: Flink, items: Sequence[Any]) -> Any:
    """A java.util.List."""
    result = flink.jvm.java.util.ArrayList()
    for item in items:
        result.add(item)
    return result


def kafka_properties(flink: Flink, chosen: argparse.Namespace) -> dict[str, str]:
    """What every Kafka client of the job needs."""
    return {"bootstrap.servers": chosen.bootstrap}


def java_properties(flink: Flink, values: Mapping[str, str]) -> Any:
    """A java.util.Properties."""
    properties = flink.jvm.java.util.Properties()
    for key, value in values.items():
        properties.setProperty(key, value)
    return properties


def is_rehearsal() -> bool:
    """Whether the job graph is built only to try its state (FLINKOPS_REHEARSAL): nothing outside is created then."""
    return bool(os.environ.get("FLINKOPS_REHEARSAL"))


def check_topics(flink: Flink, chosen: argparse.Namespace, names: Sequence[str | None]) -> None:
    """A missing topic would fail the job over and over. Raises JobError before it starts."""
    admin = _admin(flink, chosen)
    try:
        present = set(admin.listTopics().names().get())
    except Exception as error:
        raise JobError(f"no Kafka broker answers at {chosen.bootstrap}: start it, or give --bootstrap") from error
    finally:
        admin.close()
    missing = [name for name in names if name and name not in present]
    if missing:
        raise JobError(f"no topic {', '.join(missing)} at {chosen.bootstrap}: create it, or name another")


def max_message_bytes(flink: Flink, chosen: argparse.Namespace, topic: str, *, at_least: int) -> int:
    """The largest message that the topic takes. Raises JobError when that is too little: the job would fail later."""
    from py4j.protocol import Py4JJavaError

    resource = flink.jvm.org.apache.kafka.common.config.ConfigResource
    key = resource(resource.Type.TOPIC, topic)
    admin = _admin(flink, chosen)
    try:
        settings = admin.describeConfigs(java_list(flink, [key])).all().get().get(key)
        limit = int(settings.get("max.message.bytes").value())
    except Py4JJavaError:  # a broker that does not show its settings is taken to have the usual ones
        return _DEFAULT_MESSAGE_BYTES
    finally:
        admin.close()
    if limit < at_least:
        raise JobError(
            f"the topic {topic} takes {limit} bytes a message: set its max.message.bytes to {at_least} or more"
        )
    return limit


def _admin(flink: Flink, chosen: argparse.Namespace) -> Any:
    properties = java_properties(flink, kafka_properties(flink, chosen) | _ANSWER)
    return flink.jvm.org.apache.kafka.clients.admin.AdminClient.create(properties)


def check_readable(flink: Flink, inputs: Sequence[str]) -> None:
    """Raises JobError for an input that is not there. What only the cluster can read is not judged here."""
    for given in inputs:
        address = urlsplit(file_uri(given))
        path = Path(file_uri(given).removeprefix("file://"))
        if address.scheme == "file" and path.exists() and not os.access(path, os.R_OK):
            raise JobError(f"cannot read {path}: no permission")
    missing = flink.jvm.flinkops.price.Globs.missing(java_list(flink, [file_uri(given) for given in inputs]))
    if missing is not None:
        raise JobError(f"--input: {' '.join(str(missing).split())}")


def java_cause(error: Exception) -> str:
    """The innermost cause's first line, of an exception that came from the JVM."""
    throwable = getattr(error, "java_exception", None)
    if throwable is None:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    while throwable.getCause() is not None:
        throwable = throwable.getCause()
    return str(throwable.getMessage() or throwable.getClass().getName()).splitlines()[0]


def submit(name: str, start: Callable[[], Any]) -> None:
    """Prints the id of the job that `start` started, by its JobClient; exits with 1 and one line if none was."""
    try:
        print(f"job {start().get_job_id()}")
    except JobError as error:
        _fail(name, str(error))
    except Exception as error:
        if os.environ.get("PRICE_AGGREGATION_DEBUG"):
            raise
        _fail(name, f"Flink refused the job: {java_cause(error)}")


def _fail(name: str, message: str) -> NoReturn:
    print(f"{name}: {message}", file=sys.stderr)
    sys.exit(1)
