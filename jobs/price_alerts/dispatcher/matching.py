# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""Finds the clients that want an alert, without asking each of thousands of subscriptions."""

import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from .alert import Alert
from .subscriptions import Filter, Subscription

_SPECIAL = re.compile(r"[*?\[]")
_MAX_REMEMBERED = 65_536

_Entry = tuple[str, Filter]


class _Patterns:
    """Shell patterns, and the entries behind each that a text matches.

    Exact texts and patterns of the form `prefix*` cost one look-up each; only others are tried one after another.
    """

    def __init__(self, entries: Iterable[tuple[str, _Entry]]) -> None:
        self._exact: dict[str, list[_Entry]] = defaultdict(list)
        self._prefixes: dict[int, dict[str, list[_Entry]]] = defaultdict(lambda: defaultdict(list))
        general: dict[str, list[_Entry]] = defaultdict(list)
        for pattern, entry in entries:
            if not _SPECIAL.search(pattern):
                self._exact[pattern].append(entry)
            elif pattern.endswith("*") and not _SPECIAL.search(pattern[:-1]):
                self._prefixes[len(pattern) - 1][pattern[:-1]].append(entry)
            else:
                general[pattern].append(entry)
        self._general = [(re.compile(fnmatch.translate(pattern)), found) for pattern, found in general.items()]

    def matching(self, text: str) -> Iterator[_Entry]:
        yield from self._exact.get(text, ())
        for length, prefixes in self._prefixes.items():
            if length <= len(text):
                yield from prefixes.get(text[:length], ())
        for pattern, entries in self._general:
            if pattern.match(text):
                yield from entries


class Matcher:
    """The index over all filters. Immutable: changed subscriptions make a new one."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        # What names a SKU is found by it; what names only a retailer by that.
        by_sku: list[tuple[str, _Entry]] = []
        by_retailer: list[tuple[str, _Entry]] = []
        for subscription in subscriptions:
            for each in subscription.filters:
                entry = (subscription.client, each)
                if each.sku == "*":
                    by_retailer.append((each.retailer, entry))
                else:
                    by_sku.append((each.sku, entry))
        self._by_sku = _Patterns(by_sku)
        self._by_retailer = _Patterns(by_retailer)
        self._remembered: dict[tuple[str, str], tuple[_Entry, ...]] = {}

    def clients(self, alert: Alert) -> tuple[str, ...]:
        """The clients that want this alert, each once."""
        entries = self._candidates(alert.sku, alert.retailer)
        return tuple(dict.fromkeys(client for client, each in entries if each.wants(alert)))

    def _candidates(self, sku: str, retailer: str) -> tuple[_Entry, ...]:
        place = (sku, retailer)
        known = self._remembered.get(place)
        if known is None:
            found = [entry for entry in self._by_sku.matching(sku) if fnmatch.fnmatchcase(retailer, entry[1].retailer)]
            known = (*found, *self._by_retailer.matching(retailer))
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
            self._remembered[place] = known
        return known
