# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""The dispatcher's command line."""

import argparse
import ipaddress
from collections.abc import Sequence
from pathlib import Path

import msgspec

from flinkops.errors import UsageError

from .addresses import METADATA, Network
from .limits import Limits

_TOPIC = "topic:"


class Settings(dict[str, str]):
    """Settings of Kafka's client. Some are passwords: only their names are printed."""

    def __repr__(self) -> str:
        return f"Settings({', '.join(self)})"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The command line."""

    kafka: Settings
    topic: str
    dead_letter_topic: str
    group: str
    shard: int
    shards: int
    subscriptions_file: Path | None
    subscriptions_topic: str | None
    state: Path
    window_seconds: float
    listen_host: str
    listen_port: int
    allowed: tuple[Network, ...]
    allow_http: bool
    ca_file: Path | None
    timeout_seconds: float
    with_parent: bool
    limits: Limits


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line; exits with 2 where it makes no sense. Raises UsageError."""
    chosen = _parser().parse_args(arguments)
    shard, shards = _shard(chosen.shard)
    host, _, port = chosen.listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65_536):
        raise UsageError(f"--listen {chosen.listen} is not ADDRESS:PORT")
    is_topic = chosen.subscriptions.startswith(_TOPIC)
    return Options(
        kafka=Settings({"bootstrap.servers": chosen.bootstrap, **_settings(chosen.kafka)}),
        topic=chosen.topic,
        dead_letter_topic=chosen.dead_letter_topic,
        group=chosen.group,
        shard=shard,
        shards=shards,
        subscriptions_file=None if is_topic else Path(chosen.subscriptions),
        subscriptions_topic=chosen.subscriptions.removeprefix(_TOPIC) if is_topic else None,
        state=chosen.state,
        window_seconds=chosen.settle_window_ms / 1000,
        listen_host=host.strip("[]"),
        listen_port=int(port),
        allowed=tuple(chosen.allow_address),
        allow_http=chosen.allow_http,
        ca_file=chosen.ca_file,
        timeout_seconds=chosen.timeout,
        with_parent=chosen.with_parent,
        limits=_limits(chosen),
    )


def _limits(chosen: argparse.Namespace) -> Limits:
    return Limits(
        concurrency=chosen.concurrency,
        in_memory_per_client=chosen.queue,
        in_memory=chosen.memory_limit,
        parked_per_client=chosen.park_limit,
        attempts=chosen.attempts,
        give_up_seconds=chosen.give_up_after,
        first_backoff_seconds=chosen.first_backoff,
        longest_backoff_seconds=chosen.longest_backoff,
        drain_seconds=chosen.drain,
        remember_seconds=chosen.remember,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="price-alerts dispatcher", description=__doc__)
    add = parser.add_argument
    add("--bootstrap", required=True, metavar="HOST:PORT", help="the Kafka brokers")
    add("--kafka", action="append", default=[], metavar="KEY=VALUE", help="a setting of librdkafka (TLS, SASL, …)")
    add("--topic", default="price-alerts", help="alerts (default %(default)s)")
    add("--dead-letter-topic", default="price-alerts-dead-letters", help="default %(default)s")
    add("--group", default="price-alert-dispatcher", help="whose offsets are committed (default %(default)s)")
    add("--shard", default="0/1", metavar="I/N", help="the partitions whose number modulo N is I (default all)")
    add("--subscriptions", required=True, metavar="FILE|topic:NAME", help="a JSON list, or a compacted topic")
    add("--state", required=True, type=Path, metavar="DIR", help="what was delivered and what waits: a lasting disk")
    add("--settle-window-ms", type=_positive, default=8.0, help="results are made durable together (default 8)")
    add("--listen", default="127.0.0.1:9251", metavar="ADDRESS:PORT", help="/metrics, /healthz (default %(default)s)")
    add("--allow-address", action="append", default=[], type=_network, metavar="CIDR", help="beside public addresses")
    add("--allow-http", action="store_true", help="serve http:// webhooks, too")
    add("--ca-file", type=Path, metavar="PEM", help="authorities to trust instead of the system's")
    add("--timeout", type=_positive, default=10.0, metavar="SECONDS", help="of one request (default 10)")
    add("--with-parent", action="store_true", help="end when the process that started it does")
    limits = Limits()
    add("--concurrency", type=_count, default=limits.concurrency, help="requests of a client at a time (default 32)")
    add("--queue", type=_count, default=limits.in_memory_per_client, help="of a client in memory (default %(default)s)")
    add("--memory-limit", type=_count, default=limits.in_memory, help="deliveries in memory (default 100000)")
    add("--park-limit", type=_count, default=limits.parked_per_client, help="of a client on disk (default 1000000)")
    add("--attempts", type=_count, default=limits.attempts, help="then give up (default 100)")
    add("--give-up-after", type=_positive, default=limits.give_up_seconds, metavar="SECONDS", help="default a day")
    add("--first-backoff", type=_positive, default=limits.first_backoff_seconds, metavar="SECONDS")
    add("--longest-backoff", type=_positive, default=limits.longest_backoff_seconds, metavar="SECONDS")
    add("--drain", type=_positive, default=limits.drain_seconds, metavar="SECONDS", help="for a stop (default 15)")
    add("--remember", type=_positive, default=limits.remember_seconds, metavar="SECONDS", help="ids (default 3 days)")
    return parser


def _settings(pairs: Sequence[str]) -> dict[str, str]:
    settings = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(settings) or any("=" not in pair for pair in pairs):
        raise UsageError("--kafka takes KEY=VALUE")
    return settings


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise UsageError(f"--shard {text} is not I/N with I below N")
    return int(index), int(count)


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if network.num_addresses == 1 and network.network_address in METADATA:
        raise argparse.ArgumentTypeError(f"{text} gives a cloud's credentials: no setting allows it")
    return network


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
