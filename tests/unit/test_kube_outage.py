"""An API server that goes away amid watching: polls end in time, rows stay with their age, all comes back."""

import queue
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flinkops.clock import SystemClock
from flinkops.collect import Collector
from flinkops.model.facts import FleetSnapshot
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.source import KubernetesSource
from tests.patience import until
from tests.relay import Relay, relay_to
from tests.unit.cr_samples import resource
from tests.unit.kube_server import GROUP, Answer, ApiServer, serving, write_kubeconfig

DEADLINE_SECONDS = 1.0


@pytest.fixture
def api() -> ApiServer:
    """Its watches stand, and say nothing."""
    found = ApiServer()
    silent: queue.Queue[None] = queue.Queue()

    def answer(path: str, query: dict[str, str]) -> Answer:
        if "watch" in query:
            return 200, iter(silent.get, None)
        items = [resource("1.15.0", 5)] if path.endswith("flinkdeployments") else []
        return 200, {"metadata": {"resourceVersion": "1"}, "items": items}

    for plural in ("flinkdeployments", "flinksessionjobs"):
        found.answers[f"{GROUP}/namespaces/default/{plural}"] = answer
    return found


@pytest.fixture
def relay(api: ApiServer) -> Iterator[Relay]:
    with serving(api) as url:
        address = urlsplit(url)
        with relay_to((address.hostname or "", address.port or 0)) as found:
            yield found


@pytest.fixture
def source(relay: Relay, tmp_path: Path) -> Iterator[KubernetesSource]:
    found = KubernetesSource(open_access(write_kubeconfig(f"http://127.0.0.1:{relay.port}", tmp_path)))
    yield found
    found.close()


@pytest.fixture
def collector(source: KubernetesSource) -> Iterator[Collector]:
    found = Collector([source], SystemClock(), deadline_seconds=DEADLINE_SECONDS)
    yield found
    found.close()


def state(snapshot: FleetSnapshot) -> str:
    return snapshot.sources[0].state


@pytest.mark.parametrize("how", ["cut", "hold"])
@pytest.mark.thorough
def test_it_goes_away_and_comes_back(relay: Relay, source: KubernetesSource, collector: Collector, how: str) -> None:
    until(lambda: state(collector.collect()) == "ok" and source.watches == 2)
    (relay.cut if how == "cut" else relay.hold)()
    begun = time.monotonic()
    collector.collect()
    assert time.monotonic() - begun < DEADLINE_SECONDS + 30.0  # a hang would be longer; a busy machine is not
    until(lambda: state(collector.collect()) != "ok")
    snapshot = collector.collect()
    (status,) = snapshot.sources
    assert status.state in ("stale", "unreachable")
    assert status.error
    assert (status.age_seconds or 0.0) > 0.0
    assert [job.name for job in snapshot.jobs] == ["count"]
    relay.flow()
    until(lambda: state(collector.collect()) == "ok")
    until(lambda: state(collector.collect()) == "ok" and source.watches == 2)
