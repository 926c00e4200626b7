"""Which of the Flinks that a command reaches are guarded against changes, and why."""

from collections.abc import Iterable, Sequence
from glob import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flinkops.config.settings import Settings
    from flinkops.sources.protocol import Source


def guard_at(settings: "Settings", name: str, urls: Iterable[str]) -> str | None:
    """Why nothing may be changed at the source of this name and these addresses; None when it may."""
    from flinkops.config.guard import guard_of

    known = [url for url in urls if url]
    return guard_of(settings, name, known, servers=_servers(settings, known))


def guarded_patterns(settings: "Settings", sources: Sequence["Source"]) -> tuple[str, ...]:
    """For the screens: patterns that match just the sources at which nothing may be changed."""
    from flinkops.sources.protocol import HasAddress

    if settings.read_only:
        return ("*",)
    found = []
    for source in sources:
        urls = [source.address] if isinstance(source, HasAddress) else []
        if guard_at(settings, source.name, urls) is not None:
            found.append(escape(source.name))
    return tuple(found)


def _servers(settings: "Settings", urls: Sequence[str]) -> dict[str, str]:
    """The servers, by name, that one of the addresses may be behind."""
    from flinkops.act.places import all_places

    if not settings.production:
        return {}
    return {name: url for one in all_places().values() for name, url in one.servers(settings, urls).items()}
