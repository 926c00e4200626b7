"""Settings that are on or off, as Flink writes them."""

from collections.abc import Mapping


def is_on(settings: Mapping[str, str], key: str, *, default: bool) -> bool:
    """Whether a boolean setting is on. Flink takes "true" and "false" in any case, and fails on all else: not on.

    >>> is_on({"a": " True "}, "a", default=False), is_on({}, "a", default=True), is_on({"a": "1"}, "a", default=True)
    (True, True, False)
    """
    return settings.get(key, str(default)).strip().lower() == "true"
