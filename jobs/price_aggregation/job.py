"""Price aggregation: scrapes in, price changes found, their averages by window out. Runs in the JVM throughout.

Python describes the job: arguments, tables, SQL. The few Java classes beside it read and compare scrapes.
Works as `python job.py OPTIONS` and as `flink run -py job.py OPTIONS`. Exit codes: 1 the job could not be
started, 2 wrong usage.
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

NAME = "price-aggregation"
JAR_NAME = "price-aggregation.jar"
WATERMARK_DELAY = "flinkops.watermark-delay"
MAX_PARALLELISM = 128  # part of the state's layout: another number cannot restore older savepoints
DEDUP_FIELDS = ("sku", "retailer", "currency")
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_CHECKPOINT_INTERVAL_MS = 10_000
TRANSACTION_TIMEOUT_MS = 15 * 60_000  # the most that a broker grants by default


class JobError(Exception):
    """The job cannot be started; the message is one line for the user."""


def duration_ms(text: str) -> int:
    """`5m`, `30s`, `24h`, `1d` or `500ms` in milliseconds."""
    match = re.fullmatch(r"(\d{1,9})(ms|s|m|h|d)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 30s, 5m or 24h")
    return int(match[1]) * _UNITS_MS[match[2]]


def whole_seconds(text: str) -> int:
    """A duration of at least a second, in seconds."""
    milliseconds = duration_ms(text)
    if milliseconds == 0 or milliseconds % 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds above 0")
    return milliseconds // 1000


def _dedup_key(text: str) -> list[str]:
    fields = [field.strip() for field in text.split(",")]
    if "sku" not in fields or not set(fields) <= set(DEDUP_FIELDS) or len(set(fields)) != len(fields):
        raise argparse.ArgumentTypeError(f"{text!r}: sku, and any of retailer and currency")
    return fields


def _table_name(text: str) -> str:
    if not re.fullmatch(r"\w+(\.\w+)+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no table name such as prices.price_5m")
    return text


def parallelism(text: str) -> int:
    """A number of subtasks that the state's layout allows."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PARALLELISM:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 1 and {MAX_PARALLELISM}")
    return int(text)


def add_shared(options: argparse.ArgumentParser, name: str) -> None:
    """The options of every job that reads scrapes."""
    add = options.add_argument
    add("--source", choices=("kafka", "files"), default="kafka")
    add("--input", nargs="+", metavar="PATH", help="files or folders: JSON lines, also .gz, or Parquet")
    add("--topic", default="raw-scrapes-in")
    add("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"), help="Kafka's address")
    add("--bounded", action="store_true", help="stop where the topic ends now; files always are bounded")
    add("--idle-timeout", type=duration_ms, default=60_000, metavar="1m", help="a silent partition waits no longer")
    add("--state-ttl", type=duration_ms, default=86_400_000, metavar="24h")
    add("--parallelism", type=parallelism, default=1)
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


def parser() -> argparse.ArgumentParser:
    """The job's command line."""
    options = argparse.ArgumentParser(prog=NAME, description=__doc__, allow_abbrev=False)
    add_shared(options, NAME)
    add = options.add_argument
    add("--order", choices=("event", "arrival"), default="event")
    add("--dedup-key", type=_dedup_key, default=list(DEDUP_FIELDS), metavar="FIELDS")
    add("--window", choices=("tumbling", "sliding", "session"), default="tumbling")
    add("--size", type=whole_seconds, default=300, metavar="5m")
    add("--slide", type=whole_seconds, default=60, metavar="1m")
    add("--gap", type=whole_seconds, default=600, metavar="10m")
    add("--allowed-lateness", type=duration_ms, default=60_000, metavar="1m")
    add("--out-of-orderness", type=duration_ms, default=30_000, metavar="30s")
    add("--sink", choices=("iceberg", "postgres", "print"), default="iceberg")
    add("--warehouse", metavar="DIR", help="of Iceberg: a folder or a file:// address")
    add("--table", type=_table_name, default="prices.price_5m")
    add("--postgres", metavar="URL", help="jdbc:postgresql://host/database; the password: POSTGRES_PASSWORD")
    add("--postgres-user", default=os.environ.get("POSTGRES_USER", "postgres"))
    add("--dead-letter", metavar="PATH|topic:NAME", help="a folder, or a Kafka topic")
    return options


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The checked options; exits with 2 and one line when they make no sense."""
    options = parser()
    chosen = options.parse_args(arguments)
    check_shared(options, chosen)
    if chosen.window == "sliding" and (chosen.slide > chosen.size or chosen.size % chosen.slide):
        options.error("--size must be a multiple of --slide")
    if chosen.source == "files" and chosen.order == "arrival" and chosen.parallelism > 1:
        options.error("--order arrival reads an archive at --parallelism 1: several readers have no one order")
    if chosen.sink == "iceberg" and not chosen.warehouse:
        options.error("--sink iceberg needs --warehouse DIR")
    if chosen.sink == "postgres" and not chosen.postgres:
        options.error("--sink postgres needs --postgres jdbc:postgresql://host/database")
    if chosen.dead_letter is None:
        if chosen.source == "files" and not chosen.warehouse:
            options.error("--source files needs --dead-letter PATH or --warehouse DIR: no record is dropped unseen")
        chosen.dead_letter = (
            "topic:raw-scrapes-dead" if chosen.source == "kafka" else f"{chosen.warehouse}/dead-letters/{chosen.name}"
        )
    return chosen


def file_uri(path: str) -> str:
    """A path as an address that Flink reads, literally: a space stays a space. Addresses stay as they are."""
    return path if "://" in path else f"file://{Path(path).absolute()}"


def quoted(text: str) -> str:
    """A string literal of SQL, and of Flink's settings."""
    return "'" + text.replace("'", "''") + "'"


def options_clause(options: Mapping[str, str]) -> str:
    """The options of a SQL WITH clause."""
    return ", ".join(f"{quoted(key)} = {quoted(value)}" for key, value in options.items())


def window_sql(chosen: argparse.Namespace, source: str) -> str:
    """The query: one row for each SKU, currency and window."""
    seconds = {name: f"INTERVAL '{getattr(chosen, name)}' SECOND(10)" for name in ("size", "slide", "gap")}
    window = {
        "tumbling": f"TUMBLE(TABLE {source}, DESCRIPTOR(scraped_at), {seconds['size']})",
        "sliding": f"HOP(TABLE {source}, DESCRIPTOR(scraped_at), {seconds['slide']}, {seconds['size']})",
        "session": f"SESSION(TABLE {source} PARTITION BY (sku, currency), DESCRIPTOR(scraped_at), {seconds['gap']})",
    }[chosen.window]
    # The sum of decimals is exact: the average does not depend on the order of addition.
    return f"""
        SELECT sku, currency,
               CAST(window_start AS TIMESTAMP(6)) AS window_start, CAST(window_end AS TIMESTAMP(6)) AS window_end,
               CAST(SUM(price) AS DOUBLE) / COUNT(*) AS avg_price,
               MIN(price) AS min_price, MAX(price) AS max_price,
               last_price(price, order_time, `sequence`) AS last_price, COUNT(*) AS change_count
        FROM TABLE({window})
        GROUP BY sku, currency, window_start, window_end"""  # noqa: S608 - only checked values


@dataclass(frozen=True)
class Flink:
    """The environments of one job and the JVM behind them."""

    streams: Any
    tables: Any
    jvm: Any


SHARED_SETTINGS = {
    # Without the two: a copy of each record between operators, and Kryo unseen.
    "pipeline.object-reuse": "true",
    "pipeline.generic-types": "false",
    "pipeline.max-parallelism": str(MAX_PARALLELISM),
}
SETTINGS = SHARED_SETTINGS | {
    # Iceberg's writer and committer break when an in-place rescale unchains them.
    "pipeline.operator-chaining.chain-operators-with-different-max-parallelism": "false",
    # SQL operators keep their identity when parallelism, and with it chaining, changes.
    "table.exec.uid.generation": "ALWAYS",
    "table.exec.iceberg.use-v2-sink": "true",
    "table.optimizer.agg-phase-strategy": "ONE_PHASE",
    # A window's row is written once, by one subtask: an upsert needs no help to arrive in order.
    "table.exec.sink.upsert-materialize": "NONE",
    "table.exec.sink.require-on-conflict": "false",
    "table.local-time-zone": "UTC",
}


def connect(chosen: argparse.Namespace) -> Flink:
    """The environments, configured."""
    from pyflink.java_gateway import get_gateway
    from pyflink.table import StreamTableEnvironment
    from pyflink.version import __version__ as version

    settings = dict(SETTINGS)
    if is_bounded(chosen) and version.startswith("1."):
        # There the v2 sink never commits what is written after the last checkpoint of a bounded job.
        settings["table.exec.iceberg.use-v2-sink"] = "false"
        settings["pipeline.generic-types"] = "true"  # the older sink's own results, one a checkpoint
    # How far the watermark trails by design: what watches the job sets its limits by it.
    parameters = {WATERMARK_DELAY: f"{chosen.out_of_orderness + chosen.allowed_lateness} ms"}
    streams = environment(chosen, settings, parameters, chosen.jar or Path(__file__).with_name(JAR_NAME))
    tables = StreamTableEnvironment.create(streams)
    return Flink(streams, tables, get_gateway().jvm)


def environment(
    chosen: argparse.Namespace, settings: Mapping[str, str], parameters: Mapping[str, str], jar: str | Path
) -> Any:
    """The StreamExecutionEnvironment of a job, with its parameters for whoever watches it.

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
    streams = StreamExecutionEnvironment.get_execution_environment(configuration)
    streams.set_parallelism(chosen.parallelism)
    if streams.get_checkpoint_config().get_checkpoint_interval() <= 0:
        streams.enable_checkpointing(_CHECKPOINT_INTERVAL_MS)  # sinks commit on checkpoints, never without
    if Path(jar).is_file():
        streams.add_jars(Path(jar).absolute().as_uri())
    return streams


def is_bounded(chosen: argparse.Namespace) -> bool:
    """True when the input ends."""
    return bool(chosen.bounded or chosen.source == "files")


def java_list(flink: Flink, items: Sequence[str]) -> Any:
    """A java.util.List."""
    result = flink.jvm.java.util.ArrayList()
    for item in items:
        result.add(item)
    return result


def read(flink: Flink, chosen: argparse.Namespace) -> Any:
    """The pipeline up to price changes and dead letters."""
    price = flink.jvm.flinkops.price
    # Several readers take an archive's files in no certain order: then nothing can be late.
    unordered = chosen.source == "files" and chosen.parallelism > 1
    delay_ms = chosen.out_of_orderness + chosen.allowed_lateness
    options = price.Pipeline.Options(
        price.EventTime.UNTIL_THE_END if unordered else delay_ms,
        # What is bounded ends by itself: a reader starved of CPU must not pass for an idle one.
        0 if is_bounded(chosen) else chosen.idle_timeout,
        chosen.state_ttl,
        chosen.order == "event",
        java_list(flink, chosen.dedup_key),
    )
    environment = flink.streams._j_stream_execution_environment
    if chosen.source == "kafka":
        check_topics(flink, chosen, [chosen.topic, dead_letter_topic(chosen)])
        properties = kafka_properties(flink, chosen) | {"group.id": chosen.name, "isolation.level": "read_committed"}
        return price.Pipeline.ofKafka(
            environment, options, java_properties(flink, properties), chosen.topic, chosen.bounded
        )
    check_readable(chosen.input)
    return price.Pipeline.ofFiles(environment, options, java_list(flink, [file_uri(path) for path in chosen.input]))


def kafka_properties(flink: Flink, chosen: argparse.Namespace) -> dict[str, str]:
    """What every Kafka client of the job needs."""
    return {"bootstrap.servers": chosen.bootstrap}


def java_properties(flink: Flink, values: Mapping[str, str]) -> Any:
    """A java.util.Properties."""
    properties = flink.jvm.java.util.Properties()
    for key, value in values.items():
        properties.setProperty(key, value)
    return properties


def dead_letter_topic(chosen: argparse.Namespace) -> str | None:
    """The topic of --dead-letter; None when it is a folder."""
    kind, _, name = chosen.dead_letter.partition(":")
    return name if kind == "topic" else None


def check_topics(flink: Flink, chosen: argparse.Namespace, names: Sequence[str | None]) -> None:
    """A missing topic would fail the job over and over: say so before."""
    properties = kafka_properties(flink, chosen) | {"default.api.timeout.ms": "30000", "request.timeout.ms": "15000"}
    admin = flink.jvm.org.apache.kafka.clients.admin.AdminClient.create(java_properties(flink, properties))
    try:
        present = set(admin.listTopics().names().get())
    except Exception as error:
        raise JobError(f"no Kafka broker answers at {chosen.bootstrap}: start it, or give --bootstrap") from error
    finally:
        admin.close()
    missing = [name for name in names if name and name not in present]
    if missing:
        raise JobError(f"no topic {', '.join(missing)} at {chosen.bootstrap}: create it, or name another")


def check_readable(inputs: Sequence[str]) -> None:
    """Local files and folders are looked at here; other addresses than file:// are for Flink to look into."""
    for given in inputs:
        address = urlsplit(given)
        if "://" in given and address.scheme != "file":
            continue
        path = Path(address.path if "://" in given else given)
        if not os.access(path, os.R_OK):
            raise JobError(f"cannot read {path}: no such file or folder, or no permission")


def price_sink(flink: Flink, chosen: argparse.Namespace) -> str:
    """Creates the sink of the prices; returns its name in SQL."""
    create = {"iceberg": _iceberg_sink, "postgres": _postgres_sink, "print": _print_sink}
    return create[chosen.sink](flink, chosen)


PRICE_COLUMNS = """
    sku STRING NOT NULL, currency STRING NOT NULL,
    window_start TIMESTAMP(6) NOT NULL, window_end TIMESTAMP(6) NOT NULL,
    avg_price DOUBLE NOT NULL, min_price DECIMAL(18, 4) NOT NULL, max_price DECIMAL(18, 4) NOT NULL,
    last_price DECIMAL(18, 4) NOT NULL, change_count BIGINT NOT NULL"""


def _print_sink(flink: Flink, chosen: argparse.Namespace) -> str:
    flink.tables.execute_sql(f"CREATE TEMPORARY TABLE prices ({PRICE_COLUMNS}) WITH ('connector' = 'print')")
    return "prices"


def _iceberg_sink(flink: Flink, chosen: argparse.Namespace) -> str:
    address = urlsplit(file_uri(chosen.warehouse))
    if address.scheme == "file":
        Path(address.path).mkdir(parents=True, exist_ok=True)
    options = {
        "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        "uri": f"jdbc:sqlite:{address.path}/catalog.db",
        "warehouse": f"file://{address.path}",
        "jdbc.schema-version": "V1",
    }
    properties = flink.jvm.java.util.HashMap()
    for key, value in options.items():
        properties[key] = value
    *database, table = chosen.table.split(".")
    flink.jvm.flinkops.price.PriceTable.createIfMissing("flinkops", properties, ".".join(database), table)
    flink.tables.execute_sql(f"CREATE CATALOG flinkops WITH ('type' = 'iceberg', {options_clause(options)})")
    return f"flinkops.`{'.'.join(database)}`.`{table}` /*+ OPTIONS('uid-suffix' = 'prices') */"


def _postgres_sink(flink: Flink, chosen: argparse.Namespace) -> str:
    user, password = chosen.postgres_user, os.environ.get("POSTGRES_PASSWORD", "")
    _create_postgres_table(flink, chosen, user, password)
    options = {
        "connector": "jdbc",
        "url": chosen.postgres,
        "table-name": chosen.table,
        "username": user,
        "password": password,
        "sink.buffer-flush.interval": "1s",
    }
    flink.tables.execute_sql(
        f"CREATE TEMPORARY TABLE prices ({PRICE_COLUMNS}, PRIMARY KEY (sku, currency, window_start) NOT ENFORCED)"
        f" WITH ({options_clause(options)})"
    )
    return "prices"


def _create_postgres_table(flink: Flink, chosen: argparse.Namespace, user: str, password: str) -> None:
    types = {"STRING": "text", "DOUBLE": "double precision", "TIMESTAMP(6)": "timestamp(6)"}
    columns = PRICE_COLUMNS
    for flink_type, postgres_type in types.items():
        columns = columns.replace(flink_type, postgres_type)
    try:
        connection = flink.jvm.java.sql.DriverManager.getConnection(chosen.postgres, user, password)
        statement = connection.createStatement()
        statement.execute(f"CREATE SCHEMA IF NOT EXISTS {chosen.table.split('.')[0]}")
        statement.execute(
            f"CREATE TABLE IF NOT EXISTS {chosen.table} ({columns}, PRIMARY KEY (sku, currency, window_start))"
        )
        connection.close()
    except Exception as error:
        raise JobError(f"cannot make the table {chosen.table} in {chosen.postgres}: {java_cause(error)}") from error


def java_cause(error: Exception) -> str:
    """The innermost cause's first line, of an exception that came from the JVM."""
    throwable = getattr(error, "java_exception", None)
    if throwable is None:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    while throwable.getCause() is not None:
        throwable = throwable.getCause()
    return str(throwable.getMessage() or throwable.getClass().getName()).splitlines()[0]


def dead_letter_sink(flink: Flink, chosen: argparse.Namespace) -> str:
    """Creates the sink of the dead letters, exactly-once with checkpoints; returns its name in SQL."""
    topic = dead_letter_topic(chosen)
    if topic:
        options = {
            "connector": "kafka",
            "topic": topic,
            "format": "json",
            "sink.delivery-guarantee": "exactly-once",
            "sink.transactional-id-prefix": f"{chosen.name}-dead-letters",
            "properties.transaction.timeout.ms": str(TRANSACTION_TIMEOUT_MS),
        } | {f"properties.{key}": value for key, value in kafka_properties(flink, chosen).items()}
    else:
        options = {
            "connector": "filesystem",
            "path": file_uri(chosen.dead_letter),
            "format": "json",
            "sink.rolling-policy.rollover-interval": "1min",
            "sink.rolling-policy.check-interval": "10s",
        }
    flink.tables.execute_sql(
        "CREATE TEMPORARY TABLE dead_letters (reason STRING, source STRING, source_partition INT,"
        f" source_position BIGINT, ingested_at TIMESTAMP(3), `raw` BYTES) WITH ({options_clause(options)})"
    )
    return "dead_letters"


def start(chosen: argparse.Namespace) -> Any:
    """Submits the job; returns its JobClient."""
    flink = connect(chosen)
    pipeline = read(flink, chosen)
    changes = flink.tables.from_data_stream(_stream(pipeline.changes()), _changes_schema())
    flink.tables.create_temporary_view("changes", changes)
    flink.tables.create_temporary_view(
        "found_dead_letters", flink.tables.from_data_stream(_stream(pipeline.deadLetters()))
    )
    flink.tables.create_java_temporary_function("last_price", "flinkops.price.LastPrice")
    statements = flink.tables.create_statement_set()
    statements.add_insert_sql(f"INSERT INTO {price_sink(flink, chosen)} {window_sql(chosen, 'changes')}")
    statements.add_insert_sql(f"INSERT INTO {dead_letter_sink(flink, chosen)} SELECT * FROM found_dead_letters")  # noqa: S608
    return statements.execute().get_job_client()


def _stream(java_stream: Any) -> Any:
    from pyflink.datastream import DataStream

    return DataStream(java_stream)


def _changes_schema() -> Any:
    from pyflink.table import Schema

    return (
        Schema.new_builder()
        .column("sku", "STRING NOT NULL")
        .column("currency", "STRING NOT NULL")
        .column("price", "DECIMAL(18, 4) NOT NULL")
        .column("scraped_at", "TIMESTAMP(3) NOT NULL")
        .column("order_time", "BIGINT NOT NULL")
        .column("sequence", "BIGINT NOT NULL")
        .watermark("scraped_at", "SOURCE_WATERMARK()")
        .build()
    )


def submit(name: str, start: Callable[[], Any]) -> None:
    """Prints the id of the job that `start` started, as its JobClient says; exits with 1 and one line if none was."""
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


def main(arguments: Sequence[str]) -> None:
    """The command: prints the id of the job it started."""
    chosen = parse(arguments)
    if not chosen.check:
        submit(NAME, lambda: start(chosen))


if __name__ == "__main__":
    main(sys.argv[1:])
