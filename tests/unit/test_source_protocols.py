"""Each kind of source gives what the faces ask it for by protocol: a missing method would be a silent loss."""

from flinkops.sources.flink.source import FlinkRestSource
from flinkops.sources.kubernetes.source import KubernetesSource
from flinkops.sources.protocol import HasClusterSources, HasJobDetails, HasResourceEvents, RetriesOnDemand, details_of
from tests.unit.builders import job


def test_a_flink_cluster_gives_details() -> None:
    assert issubclass(FlinkRestSource, HasJobDetails)
    assert issubclass(FlinkRestSource, RetriesOnDemand)
    assert not issubclass(FlinkRestSource, (HasClusterSources, HasResourceEvents))


def test_kubernetes_gives_events_and_the_clusters_behind_it() -> None:
    assert issubclass(KubernetesSource, HasClusterSources)
    assert issubclass(KubernetesSource, HasResourceEvents)
    assert issubclass(KubernetesSource, RetriesOnDemand)
    assert not issubclass(KubernetesSource, HasJobDetails)


def test_who_gives_no_details_is_not_asked() -> None:
    assert details_of(None, job()) is None
    assert details_of(object(), job()) is None
