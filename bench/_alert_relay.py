"""The bare relay of the price-alerts bench: the least that brings records to the webhook."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.price_alerts import SETTLE_SECONDS
from flinkops.local import kafka
from flinkops.local.jars import ensure
from flinkops.local.java import clean_environment, find_java
from flinkops.local.javac import compile_jar
from flinkops.local.ports import HOST
from flinkops.local.state import FleetInfo

TOPIC = "bench-relay-in"
ONE_OF = 10
"""It posts a tenth of the records, as many as change; Relay.java has the same number."""
CONNECTIONS = 32
"""As many requests on their way as the dispatcher has for a client."""
_OPTIONS = ("-Xms64m", "-Xmx64m", "-XX:+UseSerialGC")


class Phase(NamedTuple):
    """What is fed where; the first seconds of it are not counted."""

    topic: str
    rate_per_second: float
    seconds: float


def phases_of(rates: Sequence[float], seconds: float, relay_seconds: float) -> list[Phase]:
    """Each rate to the job and, where the relay is asked for, then to it."""
    found = []
    for rate in rates:
        found.append(Phase(kafka.INPUT_TOPIC, rate, seconds + SETTLE_SECONDS))
        if relay_seconds:
            found.append(Phase(TOPIC, rate, relay_seconds + SETTLE_SECONDS))
    return found


@contextmanager
def relaying(info: FleetInfo, folder: Path, port: int, secret: str) -> Iterator[int]:
    """Runs the relay within the block; its pid."""
    kafka.create_topic(info.kafka_bootstrap, TOPIC, like=kafka.INPUT_TOPIC)
    broker = ensure(["kafka-broker"])
    jar = compile_jar(Path(__file__).parent / "java" / "relay", folder / "relay.jar", broker)
    command = [str(find_java()), *_OPTIONS, "-cp", ":".join(map(str, (jar, *broker))), "relay.Relay"]
    command += [info.kafka_bootstrap, TOPIC, HOST, str(port), "/relay", secret, str(CONNECTIONS)]
    with (folder / "relay.log").open("w") as log:
        relay = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=clean_environment()
        )
    assert relay.stdin is not None
    assert relay.stdout is not None
    try:
        if not relay.stdout.readline():
            raise SystemExit(f"the relay ended: {(folder / 'relay.log').read_text()[-2000:]}")
        yield relay.pid
    finally:
        relay.stdin.close()
        relay.wait(10)
        relay.stdout.close()
