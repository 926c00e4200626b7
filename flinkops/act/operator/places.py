"""Kubernetes clusters with the Flink operator: those that contexts name, that a file lists, or the one at hand."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from flinkops.act.places import Claim, Places
from flinkops.clock import Clock
from flinkops.config.settings import Settings
from flinkops.errors import Denied, FlinkopsError
from flinkops.model.check import Check
from flinkops.model.facts import ClusterFacts
from flinkops.sources.protocol import Source, Wanted

if TYPE_CHECKING:
    from flinkops.sources.kubernetes.source import KubernetesSource

_THROUGH_API_SERVER = "/api/v1/namespaces/"


class _OperatorPlaces:
    def claim(self, settings: Settings) -> Claim:
        """A context, a namespace, a kubeconfig; else whether there is a cluster at all."""
        from flinkops.sources.kubernetes.access import kubernetes_at_hand

        if settings.names_kubernetes:
            return Claim.NAMED
        return Claim.AT_HAND if kubernetes_at_hand() else Claim.NONE

    def named(self, settings: Settings, wanted: Wanted | None) -> Sequence[Source]:
        """One for each cluster."""
        return self._open(settings, wanted) if settings.names_kubernetes else []

    def at_hand(self, settings: Settings, wanted: Wanted | None) -> Sequence[Source]:
        """The kubeconfig's current context, or the cluster of the pod we run in."""
        from flinkops.sources.kubernetes.access import kubernetes_at_hand

        return self._open(settings, wanted) if kubernetes_at_hand() else []

    def servers(self, settings: Settings, urls: Sequence[str]) -> Mapping[str, str]:
        """The API servers of every context that can be known, where one of the addresses may be behind one."""
        if not settings.names_kubernetes and not any(_THROUGH_API_SERVER in url for url in urls):
            return {}
        from flinkops.sources.kubernetes.access import servers_of_contexts

        listed = (cluster.kubeconfig for cluster in settings.kubernetes)
        return servers_of_contexts([None, *settings.kubeconfigs, *listed])

    def checks(self, source: Source, *, read_only: bool, clock: Clock, deadline_seconds: float) -> Iterator[Check]:
        """Reach, version, clock, permissions; and what the operator's resource offers."""
        from flinkops.sources.kubernetes.self_check import check_cluster
        from flinkops.sources.kubernetes.source import KubernetesSource

        if isinstance(source, KubernetesSource):
            yield from check_cluster(
                source.access, source.scopes, clock, read_only=read_only, deadline_seconds=deadline_seconds
            )
            yield from _abilities(source, deadline_seconds)

    def options(self, _cluster: ClusterFacts) -> tuple[str, ...]:
        """Its name does not tell how it was reached."""
        return ()

    def _open(self, settings: Settings, wanted: Wanted | None) -> Sequence[Source]:
        from flinkops.sources.kubernetes.clusters import open_kubernetes_sources

        return open_kubernetes_sources(settings, wanted)


def _abilities(source: "KubernetesSource", deadline_seconds: float) -> Iterator[Check]:
    """What the operator's resource offers, by its schema; nothing where it may not be read: that is said already."""
    from flinkops.plan.operator.rules import features
    from flinkops.sources.kubernetes.plan_inputs import read_definition

    try:
        found = features(read_definition(source.access, deadline_seconds=deadline_seconds))
    except FlinkopsError as problem:
        if not isinstance(problem, Denied):
            yield Check(source.name, "abilities", "unknown", problem.line())
        return
    by = "spec.job.savepointRedeployNonce" if found.savepoint_redeploy else "deleting and creating the resource"
    path = "upgradeSavepointPath" if found.upgrade_savepoint_path else "savepointInfo (operators up to 1.9)"
    told = f"an upgrade's savepoint is read from {path}; a bad upgrade is rolled back by {by}"
    yield Check(source.name, "abilities", "ok", told)


PLACES: Places = _OperatorPlaces()
