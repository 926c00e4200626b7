"""Which of the Flinks that a command reaches are guarded against changes, and why."""

from collections.abc import Iterable, Sequence
from glob import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flinkops.config.settings import Settings
    from flinkops.sources.protocol import Source

_THROUGH_API_SERVER = "/api/v1/namespaces/"


def guard_at(settings: "Settings", name: str, urls: Iterable[str]) -> str | None:
    """Why nothing may be changed at the source of this name and these addresses; None when it may."""
    from flinkops.config.guard import guard_of

    known = [url for url in urls if url]
    return guard_of(settings, name, known, servers=_servers(settings, known))


def guarded_patterns(settings: "Settings", sources: Sequence["Source"]) -> tuple[str, ...]:
    """For the screens: patterns that match just the sources at which nothing may be changed."""
    from flinkops.sources.kubernetes.access import HasKubernetesAccess
    from flinkops.sources.protocol import HasRestEndpoint

    if settings.read_only:
        return ("*",)
    found = []
    for source in sources:
        urls = [source.endpoint.url] if isinstance(source, HasRestEndpoint) else []
        urls += [source.access.server] if isinstance(source, HasKubernetesAccess) else []
        if guard_at(settings, source.name, urls) is not None:
            found.append(escape(source.name))
    return tuple(found)


def _servers(settings: "Settings", urls: Sequence[str]) -> dict[str, str]:
    """The API servers of every context that can be known, where one of the addresses may be behind one."""
    if not settings.production:
        return {}
    if not settings.names_kubernetes and not any(_THROUGH_API_SERVER in url for url in urls):
        return {}
    from flinkops.sources.kubernetes.access import servers_of_contexts

    listed = (cluster.kubeconfig for cluster in settings.kubernetes)
    return servers_of_contexts([None, *settings.kubeconfigs, *listed])
