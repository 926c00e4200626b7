"""Detectors for what leaves the machine: there, a doubt hides. A fingerprint takes the place, so little is lost."""

import re
from collections.abc import Iterable, Iterator

from flinkops.outside.reader import Span
from flinkops.outside.settings import is_plain
from flinkops.outside.shapes import is_orderly

_QUERY = re.compile(r"[?&;](?:amp;)?[\w.\-\[\]]{1,64}+(?:=|%3D)(?P<value>[^&\s\"'<>;,)\]}#]{1,2000}+)")
_TOKEN = re.compile(r"(?<![A-Za-z0-9+=])[A-Za-z0-9+=]{16,}+")
_HEX = re.compile(
    r"(?<![0-9a-zA-Z])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-zA-Z])", re.IGNORECASE
)
_BEFORE_ID = re.compile(
    r"(?:[/_(\[#@:.\-]|sha256:|(?:ids?|job|jobs|vertex|vertices|execution|executions|attempt|allocation|allocations|task|tasks"
    r"|operator|slot|resource|request|session|leader|instance|pod|uid|checkpoint|savepoint|artifact|blob|jar|for|of)"
    r"[\"']?[ =:#]{0,3}[\"'\[({]?)\Z",
    re.IGNORECASE,
)
_LONGEST_BEFORE = 24
_SHORTEST_KNOWN = 6


def query_values(text: str) -> Iterator[Span]:
    """Of URLs: all but numbers, booleans and the like."""
    if "?" not in text:
        return
    for found in _QUERY.finditer(text):
        if not is_plain(found["value"]):
            yield found.span("value")


def chance(text: str) -> Iterator[Span]:
    """Strings of 16 characters and more, of letters and digits, without words.

    UUIDs and 32 hexadecimal digits only where nothing says that they are an id or a part of a path.
    """
    for found in _TOKEN.finditer(text):
        token = found[0]
        letters = sum(char.isalpha() for char in token)
        if letters >= 3 and letters < len(token) and not is_orderly(token) and not _HEX.fullmatch(token):
            yield found.span()
    for found in _HEX.finditer(text):
        start = found.start()
        if start and not _BEFORE_ID.search(text, max(0, start - _LONGEST_BEFORE), start):
            yield found.span()


def known(text: str, secrets: Iterable[str]) -> Iterator[Span]:
    """Every place where a secret stands that was seen under a secret's name elsewhere."""
    for secret in secrets:
        at = text.find(secret)
        while at >= 0:
            yield at, at + len(secret)
            at = text.find(secret, at + len(secret))


def worth_knowing(secret: str) -> bool:
    """Whether a secret's text is so special that it means the secret wherever it stands."""
    return len(secret) >= _SHORTEST_KNOWN and not secret.isspace() and not is_plain(secret)
