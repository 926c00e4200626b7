"""Watching a real API server through a relay that is cut, held, and opened again."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from flinkops.clock import SystemClock
from flinkops.collect import Collector
from flinkops.model.facts import FleetSnapshot
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.api import Gone, KubeClient, custom_path, watch_changes
from flinkops.sources.kubernetes.source import KubernetesSource
from tests.cluster.kit import Cluster, count_manifest, wait_for
from tests.relay import Relay, relay_to

pytestmark = pytest.mark.timeout(300)
DEADLINE_SECONDS = 2.0


@pytest.fixture
def never_started(cluster: Cluster) -> Iterator[str]:
    """A resource that the operator refuses to start, so that no pod costs anything."""
    manifest = count_manifest(cluster.kit, "never-started")
    manifest["spec"]["job"]["state"] = "suspended"
    cluster.apply(manifest)
    yield "never-started"
    cluster.delete_deployment("never-started")


@pytest.fixture
def relay(cluster: Cluster) -> Iterator[Relay]:
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text(encoding="utf-8"))
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    with relay_to((server.hostname or "", server.port or 443)) as found:
        yield found


@pytest.fixture
def source(cluster: Cluster, relay: Relay, tmp_path: Path) -> Iterator[KubernetesSource]:
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{relay.port}"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    found = KubernetesSource(open_access(str(path)))
    yield found
    found.close()


@pytest.fixture
def collector(source: KubernetesSource) -> Iterator[Collector]:
    found = Collector([source], SystemClock(), deadline_seconds=DEADLINE_SECONDS)
    yield found
    found.close()


def labelled(cluster: Cluster, name: str, value: str) -> None:
    patch = json.dumps({"metadata": {"labels": {"flinkops-test": value}}})
    cluster.kubectl("patch", "flinkdeployment", name, "--type=merge", "-p", patch)


def label(snapshot: FleetSnapshot, name: str) -> str | None:
    (job,) = [job for job in snapshot.jobs if job.name == name]
    return job.resource.labels.get("flinkops-test") if job.resource else None


@pytest.mark.parametrize("how", ["cut", pytest.param("hold", marks=pytest.mark.by_hand)])
def test_an_api_server_that_goes_away_and_comes_back(
    cluster: Cluster, never_started: str, relay: Relay, source: KubernetesSource, collector: Collector, how: str
) -> None:
    def watching() -> bool:
        return collector.collect().sources[0].state == "ok" and source.watches == 2

    wait_for(watching, "the watches stand", seconds=20, every=0.2)
    labelled(cluster, never_started, f"{how}-1")
    wait_for(
        lambda: label(collector.collect(), never_started) == f"{how}-1", "the change is seen", seconds=10, every=0.1
    )

    (relay.cut if how == "cut" else relay.hold)()
    labelled(cluster, never_started, f"{how}-2")
    begun = time.monotonic()
    snapshot = collector.collect()
    assert time.monotonic() - begun < DEADLINE_SECONDS + 20.0
    wait_for(lambda: collector.collect().sources[0].state != "ok", "it is seen to be away", seconds=10, every=0.1)
    time.sleep(0.2)
    begun = time.monotonic()
    snapshot = collector.collect()
    assert time.monotonic() - begun < DEADLINE_SECONDS + 20.0
    (status,) = snapshot.sources
    assert status.state in ("stale", "unreachable")
    assert status.error
    assert (status.age_seconds or 0.0) > 0.0
    assert label(snapshot, never_started) == f"{how}-1"  # the row stays, as it was

    relay.flow()
    wait_for(lambda: label(collector.collect(), never_started) == f"{how}-2", "it is back", seconds=30, every=0.2)
    wait_for(watching, "and watched", seconds=40, every=0.5)


def test_a_version_that_is_too_old_is_refused_as_expected(cluster: Cluster) -> None:
    """The real API server's own 410, which leads to a new list."""
    client = KubeClient(open_access(cluster.kubeconfig).endpoint())
    try:
        with pytest.raises(Gone, match="too old"):
            list(watch_changes(client, custom_path("flinkdeployments", None), "1", idle_seconds=5.0))
    finally:
        client.close()
