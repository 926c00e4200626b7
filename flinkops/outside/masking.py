"""Text without the secrets in it, for whatever shows it. In time linear in its length.

Each detector yields the spans that it would hide; they are joined and hidden together. Facts, plans and the journal are
never masked: what is shown is not what is used.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, reduce

from flinkops.outside import shapes
from flinkops.outside.assignments import assigned
from flinkops.outside.encoded import Layer, layers
from flinkops.outside.keys import is_secret_key
from flinkops.outside.reader import Span

MASK = "******"
LONGEST = 1_000_000
"""Characters of one text that are shown at most; what is longer is cut before it is masked."""
_CACHED = 2_000

DETECTORS: tuple[Callable[[str], Iterator[Span]], ...] = (
    assigned,
    shapes.private_keys,
    shapes.tokens,
    shapes.hooks,
    shapes.url_logins,
    shapes.logins,
    shapes.random_strings,
)


def masked_setting(key: str, value: str) -> str:
    """The value, or a mask where key or value are taken for a secret; also inside JVM options and URLs.

    >>> masked_setting("s3.secret-key", "abc"), masked_setting("env.java.opts.all", "-Dtoken=abc -Xmx1g")
    ('******', '-Dtoken=****** -Xmx1g')
    """
    if is_secret_key(key):
        return MASK
    return masked_text(value)


def masked_text(text: str) -> str:
    """Free text, such as an exception's message or a log, with what looks like a secret hidden.

    >>> masked_text("jdbc:postgresql://me:pw@db/x?password=hunter2 failed")
    'jdbc:postgresql://******@db/x?password=****** failed'
    """
    if len(text) <= _CACHED:
        return _masked_short(text)
    return _masked(text[:LONGEST])


def spans(text: str) -> list[Span]:
    """What is hidden of a text: disjoint, in order."""
    return layered(text, detected)


def detected(text: str) -> Iterator[Span]:
    """What the detectors find in a text as it stands."""
    for detector in DETECTORS:
        yield from detector(text)


def layered(text: str, detect: Callable[[str], Iterable[Span]]) -> list[Span]:
    """What `detect` finds in a text, and in what it says once its quotes and escapes are undone, layer by layer."""
    found = list(detect(text))
    above: list[Layer] = []
    for layer in layers(text):
        above.insert(0, layer)
        found += [reduce(lambda at, each: each.original(at), above, span) for span in detect(layer.decoded)]
    return joined(found)


@lru_cache(maxsize=8192)
def _masked_short(text: str) -> str:
    return _masked(text)


def _masked(text: str) -> str:
    pieces, at = [], 0
    for start, end in spans(text):
        pieces += [text[at:start], MASK]
        at = end
    return "".join([*pieces, text[at:]]) if pieces else text


def joined(found: Iterable[Span]) -> list[Span]:
    """Spans in order, those that touch made one."""
    joined: list[Span] = []
    for start, end in sorted(found):
        if end <= start:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
