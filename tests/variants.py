"""A recorded input with some of its values changed at random: what comes out of it then is held by golden files.

Tests of single rules hold what somebody thought of. These hold the rest: a default that decides, a text that is said
in one case alone, an order, a value that is missing. Each line of a golden file is the number of a variant, its
changes, the outcome in short, and a hash of all of it; a test that fails shows the whole outcome of the first line that
differs. Written anew, a file has the first variants that come out unlike all before them.
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from tests.goldens import FOLDER, updating

Words = Mapping[str, tuple[Any, ...]]
"""Key -> what its value may be instead."""
Outcome = tuple[str, Any]
"""In short, for people; and all of it, as what msgspec can encode."""
_FLOAT = re.compile(r"\d+\.\d{4,}(e[-+]?\d+)?")
_RUN = re.compile(r"(localhost|127\.0\.0\.1):\d+|/tmp/[^\"'\s]*")
_DROP = object()
_NEW = 4
_TRIES = 5
"""Variants that are tried for each that is kept."""


def hold(
    name: str, document: dict[str, Any], outcome: Callable[[Any], Outcome], count: int, words: Words | None = None
) -> None:
    """Compare with `golden/variants/NAME.txt` what comes of the document itself, and of `count` variants of it.

    What has no file is not held.
    """
    path = FOLDER / "variants" / f"{name}.txt"
    if updating():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(_chosen(name, document, outcome, count, words or {})), encoding="utf-8")
    if not path.is_file():
        return
    for kept in path.read_text(encoding="utf-8").splitlines(keepends=True):
        line, whole = _line(name, int(kept.partition(" ")[0]), document, outcome, words or {})
        assert line == kept, f"{path}; FLINKOPS_UPDATE_GOLDEN=1 writes it: read the change; it is now {whole}"


def _chosen(
    name: str, document: dict[str, Any], outcome: Callable[[Any], Outcome], count: int, words: Words
) -> list[str]:
    """The first that are told otherwise in short, or differ from all before them in more than what is only repeated."""
    lines: list[str] = []
    shorts: set[str] = set()
    parts: set[str] = set()
    for number in range(count * _TRIES):
        if len(lines) > count:
            break
        try:
            line, whole = _line(name, number, document, outcome, words)
        except Exception:  # a value that no reader lets through
            if not number:
                raise
            continue
        short, found = line.split(" | ")[1], set(_leaves(json.loads(whole)))
        repeats = len(lines) - len(shorts)
        if short not in shorts or (repeats < count / 2 and len(found - parts) >= _NEW):
            lines.append(line)
            shorts.add(short)
            parts |= found
    return lines


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inside is None:
        yield f"{path}={value}"
    else:
        for key, each in inside:
            yield from _leaves(each, f"{path}.{key}")


def _line(
    name: str, number: int, document: dict[str, Any], outcome: Callable[[Any], Outcome], words: Words
) -> tuple[str, str]:
    """The line of the variant of that number (0: no change), and its whole outcome."""
    changed = json.loads(json.dumps(document))  # no text is the same object as a constant of the code
    draw = random.Random(f"{name} {number}")
    told = [_change(changed, draw, words) for _ in range(draw.choice((1, 1, 2, 3)) if number else 0)]
    short, found = outcome(changed)
    whole = canonical(found)
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{number} {', '.join(told) or 'as recorded'} | {' '.join(short.split())} | {digest}\n", whole


def canonical(value: Any) -> str:
    """As JSON: of a float the digits that every processor agrees on, of a set its members in order, of others the type.

    What differs from run to run is left out: ports, and folders of tests.
    """
    try:
        plain = _builtins(value)
    except TypeError:  # a key or a member of a set that JSON has no word or order for
        plain = _builtins(_ordered(value))
    text = _FLOAT.sub(lambda found: f"{float(found[0]):.6g}", json.dumps(plain, ensure_ascii=False))
    return _RUN.sub("…", text)


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, str_keys=True, order="deterministic", enc_hook=lambda other: type(other).__name__)


def _ordered(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _ordered(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(key): _ordered(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(canonical(each) for each in value)
    return [_ordered(each) for each in value] if isinstance(value, list | tuple) else value


def _change(document: Any, draw: random.Random, words: Words) -> str:
    """One value somewhere inside becomes another one; returns what was done."""
    holder, path = document, ""
    while True:
        key = _key(holder, draw)
        path = f"{path}.{key}" if path else str(key)
        inside = holder[key]
        if not isinstance(inside, dict | list) or not inside or (holder is not document and draw.random() < 0.08):
            break
        holder = inside
    new = _other(holder[key], draw, words.get(str(key), ()))
    if new is _DROP:
        del holder[key]
        return f"{path} dropped"
    holder[key] = new
    return f"{path}={f'{len(new)} parts' if isinstance(new, dict | list) else json.dumps(new)}"


def _key(holder: Any, draw: random.Random) -> Any:
    """Of a list the first or the last more often than one between."""
    if isinstance(holder, dict):
        return draw.choice(list(holder))
    return draw.choice((0, len(holder) - 1, draw.randrange(len(holder))))


def _other(value: Any, draw: random.Random, words: tuple[Any, ...]) -> Any:
    if draw.random() < 0.2:
        return _DROP
    if words:
        return draw.choice(words)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice((0, 1, value + 1, value * 2, value // 2, value * 10, -value))
    if isinstance(value, float):
        return draw.choice((0.0, 1.0, 0.5, 0.9, value * 2, value / 2, value * 10, -value, value * 1.01))
    if isinstance(value, str):
        return draw.choice(("", f"{value}x", value[:-1]))
    if isinstance(value, list):
        return draw.choice(([], value[1:], value[:-1], value[::-1], [*value, *value[:1]]))
    if isinstance(value, dict):
        return draw.choice(({}, dict(list(value.items())[1:]), dict(list(value.items())[:-1])))
    return draw.choice((0, 1, "", "x", True))
