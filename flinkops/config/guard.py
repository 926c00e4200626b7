"""Where nothing may be changed: `production` and `read_only`, against every spelling of an address."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import msgspec

from flinkops.config.settings import Settings, SourceSettings
from flinkops.model.address import Address, Resolve, address_of, compare, resolve_host

_WILD, _LIKE_AN_ADDRESS = frozenset("*?["), frozenset(".:")


def guard_of(
    settings: Settings,
    name: str,
    urls: Iterable[str] = (),
    *,
    servers: Mapping[str, str] | None = None,
    resolve: Resolve = resolve_host,
) -> str | None:
    """Why nothing may be changed at the source of this name and these addresses; None when it may.

    `servers` are the API servers of Kubernetes contexts, by name. In doubt it is guarded, and the text says so.
    """
    if settings.read_only:
        return f"read-only by {settings.origins.get('read_only', 'default')}"
    if not settings.production or settings.origins.get("read_only", "").startswith("flag"):
        return None
    given = [address for url in urls if (address := _address(url)) is not None]
    names = {name, name.rpartition("@")[0] or name, *(one for address in given for one in address.names)}
    for pattern in settings.production:
        if (matched := next((one for one in sorted(names) if _matches(one, pattern)), None)) is not None:
            return _why(matched, pattern)
    return _by_address(settings, given, servers or {}, resolve)


def matching_source(settings: Settings, url: str, *, resolve: Resolve = resolve_host) -> SourceSettings | None:
    """The listed source whose API this address is for certain; None when none is, or more than one may be meant."""
    given = _address(url)
    found = []
    for source in settings.sources:
        listed = _address(source.rest)
        if given is None or listed is None or compare(given, listed, resolve) != "same":
            continue
        if given.host == listed.host:
            return source
        found.append(source)
    return found[0] if len(found) == 1 else None


def _by_address(settings: Settings, given: list[Address], servers: Mapping[str, str], resolve: Resolve) -> str | None:
    cache: dict[str, Iterable[str] | None] = {}

    def once(host: str) -> Iterable[str] | None:
        if host not in cache:
            cache[host] = resolve(host)
        return cache[host]

    doubt = None
    for title, pattern, listed in _guarded_addresses(settings, servers):
        for address in given:
            if title in servers and address.path.startswith(f"{listed.path}/"):  # through the API server's proxy
                address = msgspec.structs.replace(address, path=listed.path)
            found = compare(address, listed, once)
            if found == "same":
                return _why(title, pattern)
            if found == "doubt":
                doubt = f"{address.names[0]} may be {_why(title, pattern)}: its addresses cannot be found out"
    return doubt


def _guarded_addresses(settings: Settings, servers: Mapping[str, str]) -> Iterable[tuple[str, str, Address]]:
    """Title, pattern and address of everything that `production` names."""
    known = [(source.name, source.rest) for source in settings.known_sources]
    known += list(servers.items())
    for pattern in settings.production:
        if not _WILD & set(pattern) and _LIKE_AN_ADDRESS & set(pattern) and (address := _address(pattern)) is not None:
            yield pattern, pattern, address
        for title, url in known:
            address = _address(url)
            if address is not None and any(_matches(one, pattern) for one in (title, *address.names)):
                yield title, pattern, address


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name.casefold(), pattern.casefold())


def _address(url: str) -> Address | None:
    try:
        return address_of(url)
    except ValueError:
        return None


def _why(title: str, pattern: str) -> str:
    return f"{title}, which is production" if title == pattern else f'{title}, which is production ("{pattern}")'
