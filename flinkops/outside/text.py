"""What every face does to text from outside before it shows it: cut, without escapes, secrets masked.

`clean` gives one printable line, `clean_lines` a text of several (a log, a stack trace), `shown` a whole document. They
are for showing only: what is sent anywhere or kept in the journal is the text as it was read.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from flinkops.outside.keys import is_secret_name
from flinkops.outside.masking import MASK, masked_setting, masked_text

T = TypeVar("T")
LONGEST_LINE = 100_000
"""Characters of one line that are shown at most."""
_CACHED = 300

# Escape sequences first, so that no half of one stays behind: CSI, OSC and other strings, two-character escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*+(?:\x07|\x1b\\|\x9c|\Z|(?=\x1b))"
    r"|\x1b[ -/]*+[0-~]"
)
_SPACES = re.compile(r"\s++")
_KEPT_FORMATS = "\u200d"
"""Zero-width joiner: it only joins what is shown."""
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN = re.compile(r"[0-9a-f]{32}|[0-9TZ:.+\-]{1,40}|[a-z]{1,20}")
"""Ids, times, numbers and single words: the most of all cells, and never a secret by themselves."""
_FORMULA = ("=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠")
_FLAGGED = re.compile(r"-{1,2}[\w.\-]++")


def clean(text: str) -> str:
    r"""One printable line, secrets masked: no escapes, control characters, bidirectional overrides or the like.

    >>> clean("a\x1b[31mb\u202ec\nd"), clean("password=\x1b[1mhunter2")
    ('abc d', 'password=******')
    """
    if _PLAIN.fullmatch(text):
        return text
    return _clean_short(text) if len(text) <= _CACHED else _clean(text)


def clean_lines(text: str) -> list[str]:
    """A text of several lines, such as the end of a log: masked as a whole, since a key may take many lines."""
    kept = "\n".join(_visible(line) for line in _ESCAPES.sub("", text).splitlines())
    return masked_text(kept).split("\n")


def clean_setting(key: str, value: str) -> str:
    """A setting's value as it may be shown."""
    return clean(masked_setting(key, value))


def clean_cell(text: str) -> str:
    """For CSV: what a spreadsheet would take for a formula begins with an apostrophe, also after blanks.

    >>> clean_cell(" =HYPERLINK(1)"), clean_cell("-"), clean_cell("a-b")
    ("' =HYPERLINK(1)", '-', 'a-b')
    """
    text = clean(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) and text != "-" else text


def shown(document: T) -> T:
    """A document of plain values or structs with every text in it masked; the same object where nothing is to hide.

    Texts keep their line ends and escapes: a document is encoded by what writes it.
    """
    return _shown(document)  # type: ignore[no-any-return]


def _encodable(text: str) -> str:
    """With bytes of a file name that are no UTF-8 spelled out: no document can have them."""
    return text.encode("utf-8", "backslashreplace").decode()


def _shown(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value if _PLAIN.fullmatch(value) else _encodable(masked_text(value))
    if kind is dict:
        return _shown_dict(value)
    if kind is list or kind is tuple:
        return _shown_list(value)
    if isinstance(value, msgspec.Struct):
        changed = {}
        for field in value.__struct_fields__:
            before = getattr(value, field)
            after = _shown(before)
            if after is not before:
                changed[field] = after
        return msgspec.structs.replace(value, **changed) if changed else value
    return value


def _shown_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    named = value.get("key") if isinstance(value.get("key"), str) else value.get("name")
    changed = {}
    for key, item in value.items():
        name = named if key == "value" and isinstance(named, str) else key
        masks = type(item) is str and type(name) is str
        after = _encodable(masked_setting(name, item)) if masks else _shown(item)
        if after is not item and after != item:
            changed[key] = after
    return {**value, **changed} if changed else value


def _shown_list(value: Any) -> Any:
    items = [_shown(item) for item in value]
    for index in range(1, len(items)):
        if (
            type(items[index]) is str
            and type(value[index - 1]) is str
            and _takes_secret(value[index - 1], value[index])
        ):
            items[index] = MASK
    if all(one is other for one, other in zip(items, value, strict=True)):
        return value
    return items if type(value) is list else tuple(items)


def _takes_secret(flag: str, argument: str) -> bool:
    """Whether `argument` is what a flag before it in a list of arguments announces as a secret."""
    return bool(_FLAGGED.fullmatch(flag)) and is_secret_name(flag) and not _FLAGGED.fullmatch(argument)


@lru_cache(maxsize=32_768)
def _clean_short(text: str) -> str:
    return _clean(text)


def _clean(text: str) -> str:
    text = text[:LONGEST_LINE]
    if text.isascii() and text.isprintable():
        return masked_text(text)
    text = "\n".join(_visible(line) for line in _ESCAPES.sub("", text).splitlines())
    return _SPACES.sub(" ", masked_text(text))


def _visible(line: str) -> str:
    if line.isascii() and line.isprintable():
        return line
    line = _SPACES.sub(" ", line)
    return "".join(char for char in line if unicodedata.category(char) not in _DROPPED or char in _KEPT_FORMATS)
