"""What stands behind a job and delivers its results, such as a dispatcher of webhooks: its own measure of that.

A job names where to ask in its global job parameter `flinkops.delivery-metrics-url`. Jobs are not ours, so neither is
that address: it is asked with GET, without credentials, without following redirects, for a second at most, only for a
path that ends in `/metrics`, and nothing of the answer gets any further than two numbers.
"""

import math
import re
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from flinkops.errors import FlinkopsError, Unreachable
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import DeliveryFacts, JobFacts
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink.http import RestClient
from flinkops.sources.protocol import SourceSnapshot

URL_KEY = "flinkops.delivery-metrics-url"
_PATH = "/metrics"
_NEXT = f"is the dispatcher running, and is it what the job's {URL_KEY} names?"
_SECONDS = 1.0
_AGAIN_AFTER_SECONDS = 10.0
_MAX_ANSWER_BYTES = 1024 * 1024
_QUANTILE = re.compile(
    r'^flinkops_alerts_delivery_latency_recent_seconds\{quantile="(0\.5|0\.99)"\} (\S+)$', re.MULTILINE
)


class Deliveries:
    """Adds to the jobs of a snapshot what their dispatchers measure. Safe to use from several threads."""

    def __init__(self) -> None:
        self._silent: dict[str, tuple[float, str]] = {}
        """Address -> when it may be asked again, and what was wrong."""

    def add_to(self, snapshot: SourceSnapshot) -> SourceSnapshot:
        """The snapshot with `delivery` filled in, or why it is not known, for the jobs that name a dispatcher."""
        named = [job for job in snapshot.jobs if job.state == "RUNNING" and URL_KEY in job.configuration]
        if not named:
            return snapshot
        with ThreadPoolExecutor(min(8, len(named)), thread_name_prefix="flinkops delivery") as threads:
            known = {(job.key, job.id): job for job in threads.map(self._with_delivery, named)}
        return msgspec.structs.replace(snapshot, jobs=tuple(known.get((job.key, job.id), job) for job in snapshot.jobs))

    def _with_delivery(self, job: JobFacts) -> JobFacts:
        url = job.configuration[URL_KEY]
        try:
            return msgspec.structs.replace(job, delivery=self._ask(url))
        except FlinkopsError as problem:
            return msgspec.structs.replace(job, unknown={**job.unknown, "delivery": problem.line()})

    def _ask(self, url: str) -> DeliveryFacts:
        again_at, error = self._silent.get(url, (0.0, ""))
        if time.monotonic() < again_at:
            raise FlinkopsError(error)
        try:
            found = read_quantiles(_fetch(url))
        except FlinkopsError as problem:
            self._silent[url] = (time.monotonic() + _AGAIN_AFTER_SECONDS, problem.line())
            raise
        self._silent.pop(url, None)
        return found


def _fetch(url: str) -> str:
    base = url.removesuffix(_PATH)
    if base == url:
        raise FlinkopsError(f"{URL_KEY} does not end in {_PATH}")
    try:
        endpoint = parse_endpoint(base)
    except ValueError:
        raise FlinkopsError(f"{URL_KEY} is not a URL") from None
    client = RestClient(endpoint, connections=1, max_answer_bytes=_MAX_ANSWER_BYTES)
    deadline = Deadline(_SECONDS)
    try:
        with client.enforced(deadline):
            return client.read("GET", _PATH, deadline).decode(errors="replace")
    except Unreachable as error:  # its advice is for Flink's own address
        raise Unreachable(error.what, next_step=_NEXT) from None
    finally:
        client.close()


def read_quantiles(metrics: str) -> DeliveryFacts:
    """The latency of the last minute in a dispatcher's metrics; both None when nothing was delivered in it.

    Raises FlinkopsError where these are not a dispatcher's metrics.
    """
    if "flinkops_alerts_delivery_latency_recent_seconds" not in metrics:
        raise FlinkopsError(f"what {URL_KEY} names does not publish a dispatcher's metrics")
    found = {quantile: _seconds(value) for quantile, value in _QUANTILE.findall(metrics)}
    return DeliveryFacts(p50_seconds=found.get("0.5"), p99_seconds=found.get("0.99"))


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
