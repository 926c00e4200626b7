# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""Finds the clients that want an alert, without trying each of thousands of subscriptions."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from .alert import Alert
from .globs import Globs, is_exact, is_prefix
from .subscriptions import Filter, Subscription

_MAX_REMEMBERED = 1_000_000
"""Entries in all remembered answers together."""
_MAX_RETAILERS = 4096

_Entry = tuple[str, Filter]


class _Patterns:
    """Distinct shell patterns, and which of them a text matches.

    Exact texts and patterns of the form `prefix*` cost one query each; only others go through the automaton.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        distinct = set(patterns)
        self._exact = {each for each in distinct if is_exact(each)}
        self._prefixes: dict[int, set[str]] = defaultdict(set)
        for each in distinct:
            if is_prefix(each):
                self._prefixes[len(each) - 1].add(each[:-1])
        self._globs = Globs(each for each in distinct if not is_exact(each) and not is_prefix(each))

    def matching(self, text: str) -> Iterator[str]:
        if text in self._exact:
            yield text
        for length, prefixes in self._prefixes.items():
            if text[:length] in prefixes and length <= len(text):
                yield f"{text[:length]}*"
        yield from self._globs.matching(text)


class Matcher:
    """The index over all filters. Immutable: changed subscriptions make a new one, in a thread if they are many."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        # What names a SKU is found by it; what names only a retailer by that.
        self._by_sku: dict[str, list[_Entry]] = defaultdict(list)
        self._by_retailer: dict[str, list[_Entry]] = defaultdict(list)
        for subscription in subscriptions:
            for each in dict.fromkeys(subscription.filters):
                entry = (subscription.client, each)
                if each.sku == "*":
                    self._by_retailer[each.retailer].append(entry)
                else:
                    self._by_sku[each.sku].append(entry)
        filters = [each for subscription in subscriptions for each in subscription.filters]
        self._skus = _Patterns(self._by_sku)
        self._retailers = _Patterns(each.retailer for each in filters)
        self._known_retailers: dict[str, frozenset[str]] = {}
        self._remembered: dict[tuple[str, str], tuple[_Entry, ...]] = {}
        self._remembered_entries = 0

    def clients(self, alert: Alert) -> tuple[str, ...]:
        """The clients that want this alert, each once."""
        entries = self._candidates(alert.sku, alert.retailer)
        return tuple(dict.fromkeys(client for client, each in entries if each.wants(alert)))

    def _candidates(self, sku: str, retailer: str) -> tuple[_Entry, ...]:
        """The entries whose patterns match."""
        place = (sku, retailer)
        known = self._remembered.get(place)
        if known is None:
            known = tuple(self._find(sku, retailer))
            self._remember(place, known)
        return known

    def _find(self, sku: str, retailer: str) -> Iterator[_Entry]:
        retailers = self._matching_retailers(retailer)
        for pattern in self._skus.matching(sku):
            yield from (entry for entry in self._by_sku[pattern] if entry[1].retailer in retailers)
        for pattern in retailers:
            yield from self._by_retailer.get(pattern, ())

    def _matching_retailers(self, retailer: str) -> frozenset[str]:
        known = self._known_retailers.get(retailer)
        if known is None:
            known = frozenset(self._retailers.matching(retailer))
            if len(self._known_retailers) >= _MAX_RETAILERS:
                self._known_retailers.pop(next(iter(self._known_retailers)))
            self._known_retailers[retailer] = known
        return known

    def _remember(self, place: tuple[str, str], entries: tuple[_Entry, ...]) -> None:
        self._remembered[place] = entries
        self._remembered_entries += len(entries) + 1
        while self._remembered_entries > _MAX_REMEMBERED:
            oldest = self._remembered.pop(next(iter(self._remembered)))
            self._remembered_entries -= len(oldest) + 1
