"""Price aggregation: scrapes in, price changes found, their averages by window out. Runs in the JVM throughout.

Python describes the job: arguments, tables, SQL. The few Java classes beside it read and compare scrapes.
Works as `python job.py OPTIONS` and as `flink run -py job.py OPTIONS`. Exit codes: 1 the job could not be
started, 2 wrong usage.
"""

import argparse
import importlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from jobs.common import flink_job as shared
else:
    # A script has no package: what the jobs share is found beside it, in a checkout, the wheel and an image.
    _JOBS = Path(__file__).absolute().parents[1]
    sys.path.append(str(_JOBS.parent))
    shared = importlib.import_module(f"{_JOBS.name}.common.flink_job")

NAME = "price-aggregation"
JAR_NAME = "price-aggregation.jar"
DEDUP_FIELDS = ("sku", "retailer", "currency")
_ONE_READER = "--order arrival reads an archive at --parallelism 1: several readers have no one order"
_WHOLE_RECORD = 2**31 - 1
_MAX_DEAD_LETTER_BYTES = 512 * 1024  # of the record: as base64 it fits into what a Kafka producer sends by default
_FRAME_BYTES = 2048  # of a dead letter beside the record: names, numbers, Kafka's own


def whole_seconds(text: str) -> int:
    """A duration of at least a second, in seconds."""
    milliseconds = shared.duration_ms(text)
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


def parser() -> argparse.ArgumentParser:
    """The job's command line."""
    options = argparse.ArgumentParser(prog=NAME, description=__doc__, allow_abbrev=False)
    shared.add_shared(options, NAME)
    add = options.add_argument
    add("--order", choices=("event", "arrival"), default="event")
    add("--dedup-key", type=_dedup_key, default=list(DEDUP_FIELDS), metavar="FIELDS")
    add("--window", choices=("tumbling", "sliding", "session"), default="tumbling")
    add("--size", type=whole_seconds, default=300, metavar="5m")
    add("--slide", type=whole_seconds, default=60, metavar="1m")
    add("--gap", type=whole_seconds, default=600, metavar="10m")
    add("--allowed-lateness", type=shared.duration_ms, default=60_000, metavar="1m")
    add("--out-of-orderness", type=shared.duration_ms, default=30_000, metavar="30s")
    add("--sink", choices=("iceberg", "postgres", "print"), default="iceberg")
    add("--warehouse", metavar="DIR", help="of Iceberg: a folder, or an address such as s3://bucket/prices")
    add("--catalog", default=os.environ.get("ICEBERG_CATALOG"), metavar="URL",
        help="of Iceberg: jdbc:postgresql://host/database, or jdbc:sqlite:FILE; a folder has its own")  # fmt: skip
    add("--table", type=_table_name, default="prices.price_5m")
    add("--postgres", metavar="URL", help="jdbc:postgresql://host/database; the password: POSTGRES_PASSWORD")
    add("--postgres-user", default=os.environ.get("POSTGRES_USER", "postgres"))
    add("--dead-letter", metavar="PATH|topic:NAME", help="a folder, or a Kafka topic")
    return options


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The checked options; exits with 2 and one line when they make no sense."""
    options = parser()
    chosen = options.parse_args(arguments)
    shared.check_shared(options, chosen)
    if chosen.window == "sliding" and (chosen.slide > chosen.size or chosen.size % chosen.slide):
        options.error("--size must be a multiple of --slide")
    if chosen.source == "files" and chosen.order == "arrival" and (chosen.parallelism or 1) > 1:
        options.error(_ONE_READER)
    if chosen.sink == "iceberg" and not chosen.warehouse:
        options.error("--sink iceberg needs --warehouse DIR")
    if chosen.sink == "iceberg" and not chosen.catalog and not is_folder(chosen.warehouse):
        options.error(f"--warehouse {chosen.warehouse} needs --catalog jdbc:postgresql://host/database: no disk has it")
    if chosen.catalog and not chosen.catalog.startswith(("jdbc:postgresql:", "jdbc:sqlite:")):
        options.error(f"--catalog {chosen.catalog!r} is neither jdbc:postgresql://host/database nor jdbc:sqlite:FILE")
    if chosen.sink == "postgres" and not chosen.postgres:
        options.error("--sink postgres needs --postgres jdbc:postgresql://host/database")
    if chosen.dead_letter is None:
        if chosen.source == "files" and not chosen.warehouse:
            options.error("--source files needs --dead-letter PATH or --warehouse DIR: no record is dropped unseen")
        chosen.dead_letter = (
            "topic:raw-scrapes-dead"
            if chosen.source == "kafka"
            else f"{chosen.warehouse.rstrip('/')}/dead-letters/{chosen.name}"
        )
    return chosen


def options_clause(options: Mapping[str, str]) -> str:
    """The options of a SQL WITH clause."""
    return ", ".join(f"{shared.quoted(key)} = {shared.quoted(value)}" for key, value in options.items())


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


SETTINGS = shared.SHARED_SETTINGS | {
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


def connect(chosen: argparse.Namespace) -> "shared.Flink":
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
    parameters = {shared.WATERMARK_DELAY: f"{chosen.out_of_orderness + chosen.allowed_lateness} ms"}
    streams = shared.environment(chosen, settings, parameters, chosen.jar or Path(__file__).with_name(JAR_NAME))
    tables = StreamTableEnvironment.create(streams)
    return shared.Flink(streams, tables, get_gateway().jvm)


def is_bounded(chosen: argparse.Namespace) -> bool:
    """True when the input ends."""
    return bool(chosen.bounded or chosen.source == "files")


def read(flink: "shared.Flink", chosen: argparse.Namespace) -> Any:
    """The pipeline up to price changes and dead letters."""
    price = flink.jvm.flinkops.price
    # Several readers take an archive's files in no certain order: then nothing can be late.
    unordered = chosen.source == "files" and flink.streams.get_parallelism() > 1
    if unordered and chosen.order == "arrival":  # the parallelism is that of the deployment
        raise shared.JobError(_ONE_READER)
    delay_ms = chosen.out_of_orderness + chosen.allowed_lateness
    options = price.Pipeline.Options(
        price.EventTime.UNTIL_THE_END if unordered else delay_ms,
        # What is bounded ends by itself: a reader starved of CPU must not pass for an idle one.
        0 if is_bounded(chosen) else chosen.idle_timeout,
        chosen.state_ttl,
        chosen.order == "event",
        shared.java_list(flink, chosen.dedup_key),
        dead_letter_bytes(flink, chosen),
    )
    environment = flink.streams._j_stream_execution_environment
    if chosen.source == "kafka":
        shared.check_topics(flink, chosen, [chosen.topic, dead_letter_topic(chosen)])
        properties = shared.kafka_properties(flink, chosen) | {
            "group.id": chosen.name,
            "isolation.level": "read_committed",
        }
        return price.Pipeline.ofKafka(
            environment, options, shared.java_properties(flink, properties), chosen.topic, chosen.bounded
        )
    shared.check_readable(flink, chosen.input)
    return price.Pipeline.ofFiles(
        environment, options, shared.java_list(flink, [shared.file_uri(path) for path in chosen.input])
    )


def dead_letter_topic(chosen: argparse.Namespace) -> str | None:
    """The topic of --dead-letter; None when it is a folder."""
    kind, _, name = chosen.dead_letter.partition(":")
    return name if kind == "topic" else None


def dead_letter_bytes(flink: "shared.Flink", chosen: argparse.Namespace) -> int:
    """How much of a record its dead letter holds: a topic takes only so much, and base64 needs a third more."""
    topic = dead_letter_topic(chosen)
    if topic is None:
        return _WHOLE_RECORD
    limit = shared.max_message_bytes(flink, chosen, topic, at_least=2 * _FRAME_BYTES)
    return min(_MAX_DEAD_LETTER_BYTES, (limit - _FRAME_BYTES) // 4 * 3)


def price_sink(flink: "shared.Flink", chosen: argparse.Namespace) -> str:
    """Creates the sink of the prices; returns its name in SQL."""
    create = {"iceberg": _iceberg_sink, "postgres": _postgres_sink, "print": _print_sink}
    return create[chosen.sink](flink, chosen)


PRICE_COLUMNS = """
    sku STRING NOT NULL, currency STRING NOT NULL,
    window_start TIMESTAMP(6) NOT NULL, window_end TIMESTAMP(6) NOT NULL,
    avg_price DOUBLE NOT NULL, min_price DECIMAL(18, 4) NOT NULL, max_price DECIMAL(18, 4) NOT NULL,
    last_price DECIMAL(18, 4) NOT NULL, change_count BIGINT NOT NULL"""


def _print_sink(flink: "shared.Flink", chosen: argparse.Namespace) -> str:
    flink.tables.execute_sql(f"CREATE TEMPORARY TABLE prices ({PRICE_COLUMNS}) WITH ('connector' = 'print')")
    return "prices"


def is_folder(warehouse: str) -> bool:
    """True where it lies on a disk, and not in an object store."""
    return urlsplit(shared.file_uri(warehouse)).scheme == "file"


def catalog_options(chosen: argparse.Namespace) -> dict[str, str]:
    """Iceberg's catalog: beside the tables on a disk, else in the database that --catalog names."""
    address = shared.file_uri(chosen.warehouse).rstrip("/")
    folder = is_folder(chosen.warehouse)
    path = urlsplit(address).path
    if folder and not shared.is_rehearsal():
        Path(path).mkdir(parents=True, exist_ok=True)
    uri = chosen.catalog or f"jdbc:sqlite:{path}/catalog.db"
    options = {
        "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog" if folder else "flinkops.price.PriceCatalog",
        "uri": uri,
        "warehouse": f"file://{path}" if folder else address,
        "jdbc.schema-version": "V1",
    }
    if uri.startswith("jdbc:postgresql:"):
        options |= {"jdbc.user": chosen.postgres_user, "jdbc.password": os.environ.get("POSTGRES_PASSWORD", "")}
    return options


def _iceberg_sink(flink: "shared.Flink", chosen: argparse.Namespace) -> str:
    options = catalog_options(chosen)
    properties = flink.jvm.java.util.HashMap()
    for key, value in options.items():
        properties[key] = value
    *database, table = chosen.table.split(".")
    if not shared.is_rehearsal():
        flink.jvm.flinkops.price.PriceTable.createIfMissing("flinkops", properties, ".".join(database), table)
    flink.tables.execute_sql(f"CREATE CATALOG flinkops WITH ('type' = 'iceberg', {options_clause(options)})")
    return f"flinkops.`{'.'.join(database)}`.`{table}` /*+ OPTIONS('uid-suffix' = 'prices') */"


def _postgres_sink(flink: "shared.Flink", chosen: argparse.Namespace) -> str:
    user, password = chosen.postgres_user, os.environ.get("POSTGRES_PASSWORD", "")
    if not shared.is_rehearsal():
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


def _create_postgres_table(flink: "shared.Flink", chosen: argparse.Namespace, user: str, password: str) -> None:
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
        raise shared.JobError(
            f"cannot make the table {chosen.table} in {chosen.postgres}: {shared.java_cause(error)}"
        ) from error


def dead_letter_sink(flink: "shared.Flink", chosen: argparse.Namespace) -> str:
    """Creates the sink of the dead letters, exactly-once with checkpoints; returns its name in SQL."""
    topic = dead_letter_topic(chosen)
    if topic:
        options = {
            "connector": "kafka",
            "topic": topic,
            "format": "json",
            "sink.delivery-guarantee": "exactly-once",
            "sink.transactional-id-prefix": f"{chosen.name}-dead-letters",
            "properties.transaction.timeout.ms": str(shared.TRANSACTION_TIMEOUT_MS),
        } | {f"properties.{key}": value for key, value in shared.kafka_properties(flink, chosen).items()}
    else:
        options = {
            "connector": "filesystem",
            "path": shared.file_uri(chosen.dead_letter),
            "format": "json",
            "sink.rolling-policy.rollover-interval": "1min",
            "sink.rolling-policy.check-interval": "10s",
        }
    flink.tables.execute_sql(
        "CREATE TEMPORARY TABLE dead_letters (reason STRING, source STRING, source_partition INT,"
        " source_position BIGINT, ingested_at TIMESTAMP(3), `raw` BYTES, raw_bytes BIGINT)"
        f" WITH ({options_clause(options)})"
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


def main(arguments: Sequence[str]) -> None:
    """The command: prints the id of the job it started."""
    chosen = parse(arguments)
    if not chosen.check:
        shared.submit(NAME, lambda: start(chosen))


if __name__ == "__main__":
    main(sys.argv[1:])
