"""What may leave the machine in a bundle, a report or a recording: by allow-list.

Documented settings, ids, names, numbers and ordinary words are written as they are; for everything else its length and
a keyed fingerprint stand, so that two files of one user still say what changed and what is the same.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from flinkops.outside import strict
from flinkops.outside.assignments import assigned
from flinkops.outside.fingerprint import withheld
from flinkops.outside.keys import is_secret_key, is_secret_name
from flinkops.outside.masking import detected, layered
from flinkops.outside.reader import Span
from flinkops.outside.settings import is_plain, kind_of

T = TypeVar("T")
LONGEST = 200_000
"""Characters of one text that are written at most."""
SETTINGS_FIELDS = frozenset({"configuration", "settings", "flinkConfiguration", "config"})
"""Fields and keys under which a map of settings stands."""
_CACHED = 50_000
_ID = re.compile(r"[0-9a-f]{32}|[A-Z_]{1,40}|[a-z]{1,20}|[0-9TZ:.+\-]{1,40}|\*{6}")
_OPTION = re.compile(r"(?P<name>-{0,2}[A-Za-z_$][\w.$\-]*+)(?P<sep>\s*[=:]\s*)(?P<value>.*)", re.DOTALL)
_MASKED = re.compile(r"\**|<withheld: \d{1,9} characters, #[0-9a-f]{12}>")
_JVM = re.compile(r"-X[\w:+\-.%]{1,60}+|--?add-(?:opens|exports|modules)|-(?:server|ea|esa)|-agentlib:jdwp")
_FLAG = re.compile(r"-{1,2}[A-Za-z][\w.\-]{0,80}+")
_PIECES = re.compile(r"(<withheld: [^>]{1,60}>|\s+|,|;)")
_QUOTES = "\"'"


class Export:
    """Turns values into what may be written; learns secrets from what it is given first, and finds them elsewhere."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._texts: dict[str, str] = {}

    def learn(self, *values: Any) -> None:
        """Remember what stands under a secret's name in these values: in text it is then hidden wherever it occurs."""
        found: set[str] = set()
        for value in values:
            _secrets_of(value, found)
        if not found <= self._known:
            self._known |= found
            self._texts.clear()

    def value(self, value: T, *, name: str = "") -> T:
        """A struct or a plain document; the same object where nothing has to be withheld."""
        return self._value(value, name)  # type: ignore[no-any-return]

    def text(self, text: str) -> str:
        """Free text: without what patterns take for a secret, without random strings, without known secrets."""
        if _ID.fullmatch(text):
            return text
        kept = self._texts.get(text)
        if kept is None:
            if len(self._texts) >= _CACHED:
                self._texts.clear()
            kept = self._texts[text] = self._without(text[:LONGEST])
        return kept

    def setting(self, key: str, value: str) -> str:
        """A setting's value by its key."""
        kind = kind_of(key)
        if kind == "plain" or (is_plain(value) and not is_secret_key(key)):
            return self.text(value)
        if kind is None or is_secret_key(key):
            return _hidden(value)
        return self.text(value) if kind == "text" else self._items(value)

    def _without(self, text: str) -> str:
        pieces, at = [], 0
        for start, end in layered(text, self._detected):
            pieces += [text[at:start], _hidden(text[start:end])]
            at = end
        return "".join([*pieces, text[at:]])

    def _detected(self, text: str) -> Iterator[Span]:
        yield from detected(text)
        yield from strict.query_values(text)
        yield from strict.chance(text)
        yield from strict.known(text, self._known)

    def _items(self, text: str) -> str:
        """JVM options, program arguments, maps: names are shown, values as settings of these names."""
        shown, flag = [], ""
        for piece in _PIECES.split(self.text(text)):
            bare = piece.strip(_QUOTES + "{}[]")
            if not bare or _PIECES.fullmatch(piece):
                shown.append(piece)
                continue
            secret = bool(flag) and is_secret_name(flag) and not _FLAG.fullmatch(bare)
            shown.append(piece.replace(bare, _hidden(bare) if secret else self._item(bare), 1))
            flag = bare if _FLAG.fullmatch(bare) else ""
        return "".join(shown)

    def _item(self, item: str) -> str:
        if _JVM.fullmatch(item) or _FLAG.fullmatch(item) or is_plain(item):
            return item
        if option := _OPTION.fullmatch(item):
            name = option["name"].lstrip("-").removeprefix("D")
            return f"{option['name']}{option['sep']}{self.setting(name, option['value'])}"
        return _hidden(item)

    def _value(self, value: Any, name: str) -> Any:
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is dict:
            return self._map(value, name)
        if kind is list or kind is tuple:
            items = [self._value(item, name) for item in value]
            self._arguments(value, items)
            if all(one is other for one, other in zip(items, value, strict=True)):
                return value
            return items if kind is list else tuple(items)
        if isinstance(value, msgspec.Struct):
            changed = {}
            for field in _texts_of(kind):
                before = getattr(value, field)
                if before is not None and (after := self._value(before, field)) is not before:
                    changed[field] = after
            return msgspec.structs.replace(value, **changed) if changed else value
        return value

    def _arguments(self, given: Any, items: list[Any]) -> None:
        """Of a list of arguments: what follows a flag that announces a secret."""
        for index in range(1, len(given)):
            flag, argument = given[index - 1], given[index]
            if type(flag) is str and type(argument) is str and _FLAG.fullmatch(flag) and is_secret_name(flag):
                items[index] = _hidden(argument)

    def _map(self, value: dict[Any, Any], name: str) -> dict[Any, Any]:
        settings = name in SETTINGS_FIELDS
        told = value.get("key") if isinstance(value.get("key"), str) else value.get("name")
        changed = {}
        for key, item in value.items():
            called = told if key == "value" and isinstance(told, str) else key
            if type(item) is str and type(called) is str and (settings or is_secret_key(called)):
                after: Any = self.setting(called, item)
            else:
                after = self._value(item, str(key))
            if after is not item:
                changed[key] = after
        return {**value, **changed} if changed else value


def _hidden(text: str) -> str:
    """What stands for a text; itself where that is a mask already."""
    return text if _MASKED.fullmatch(text) else withheld(text)


def _secrets_of(value: Any, found: set[str]) -> None:
    if type(value) is str:
        if len(value) > 8 and not _ID.fullmatch(value):
            found.update(_worth(value[start:end] for start, end in assigned(value[:LONGEST]) if end - start <= 200))
    elif isinstance(value, dict):
        for key, item in value.items():
            if type(item) is str and type(key) is str and is_secret_key(key) and kind_of(key) != "plain":
                found.update(_worth([item]))
            _secrets_of(item, found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _secrets_of(item, found)
    elif isinstance(value, msgspec.Struct):
        for field in _texts_of(type(value)):
            _secrets_of(getattr(value, field), found)


def _worth(secrets: Iterable[str]) -> set[str]:
    """Only what no sentence says by chance: with a digit, a sign, or both cases of letters."""
    return {
        secret
        for secret in secrets
        if strict.worth_knowing(secret)
        and not _MASKED.fullmatch(secret)
        and not (secret.isalpha() and (secret.islower() or secret.istitle()))
    }


_TEXTS: dict[type, tuple[str, ...]] = {}


def _texts_of(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields of a struct that may hold text, by their types: most are numbers, and there are many."""
    fields = _TEXTS.get(struct)
    if fields is None:
        hints = get_type_hints(struct)
        fields = _TEXTS[struct] = tuple(field for field in struct.__struct_fields__ if _may_hold_text(hints[field]))
    return fields


def _may_hold_text(hint: Any) -> bool:
    arguments = get_args(hint)
    if arguments:
        return any(map(_may_hold_text, arguments)) if not all(isinstance(one, str) for one in arguments) else False
    return hint not in (int, float, bool, bytes, type(None), ...)
