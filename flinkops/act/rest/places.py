"""Plain Flink clusters: those that --rest names, that a file lists, or the embedded fleet."""

from collections.abc import Iterator, Mapping, Sequence

from flinkops.act.places import Claim, Places
from flinkops.act.rest.embedded import embedded_endpoint
from flinkops.clock import Clock
from flinkops.config.settings import Settings
from flinkops.model.check import Check
from flinkops.model.facts import ClusterFacts
from flinkops.sources.protocol import Source, Wanted


class _RestPlaces:
    def claim(self, settings: Settings) -> Claim:
        """--rest means them and nothing else."""
        if settings.rest:
            return Claim.NAMED_ALONE
        return Claim.FOUND if settings.sources or embedded_endpoint() is not None else Claim.NONE

    def named(self, settings: Settings, wanted: Wanted | None) -> Sequence[Source]:
        """--rest on the command line takes the place of the listed ``sources``."""
        from flinkops.sources.flink.endpoints import rest_endpoints
        from flinkops.sources.flink.source import FlinkRestSource

        return [FlinkRestSource(endpoint, wanted=wanted) for endpoint in rest_endpoints(settings)]

    def at_hand(self, _settings: Settings, wanted: Wanted | None) -> Sequence[Source]:
        """The embedded fleet, while it runs."""
        from flinkops.sources.flink.source import FlinkRestSource

        fleet = embedded_endpoint()
        return [] if fleet is None else [FlinkRestSource(fleet, wanted=wanted)]

    def servers(self, _settings: Settings, _urls: Sequence[str]) -> Mapping[str, str]:
        """A cluster's address is its own."""
        return {}

    def checks(self, _source: Source, *, read_only: bool, clock: Clock, deadline_seconds: float) -> Iterator[Check]:
        """A poll tells all there is."""
        return iter(())

    def options(self, cluster: ClusterFacts) -> tuple[str, ...]:
        """Its REST address."""
        return ("--rest", cluster.ui_url) if cluster.ui_url else ()


PLACES: Places = _RestPlaces()
