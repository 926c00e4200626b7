"""Reads a setting that is a map ("a:1,b:2", or YAML) as Flink does. Pure.

Source: ``ConfigurationUtils.convertToProperties`` and ``StructuredOptionsSplitter`` of Flink 1.17 to 1.20.
"""

from collections.abc import Iterator


def read_map(text: str, *, yaml: bool) -> dict[str, str | None]:
    """The pairs, in order. With `yaml` (Flink 1.19 and newer) the text may be a YAML map as well. Raises ValueError.

    >>> read_map("a:1,b:2", yaml=False), read_map("{a: 3}", yaml=True), read_map("{a:3}", yaml=True)
    ({'a': '1', 'b': '2'}, {'a': '3'}, {'a:3': None})
    """
    if yaml and (found := _from_yaml(text)) is not None:
        return found
    pairs: dict[str, str | None] = {}
    for item in _split(text, ","):
        parts = list(_split(item, ":"))
        if len(parts) != 2:
            raise ValueError("Map item is not a key-value pair (missing ':'?)")
        if parts[0] in pairs:
            raise ValueError(f"Duplicate key {parts[0]}")
        pairs[parts[0]] = parts[1]
    return pairs


def _from_yaml(text: str) -> dict[str, str | None] | None:
    import yaml

    try:
        found = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (texts only, no objects)
    except yaml.YAMLError:
        return None
    if not isinstance(found, dict):
        return None
    return {str(key): str(value) if value != "" else None for key, value in found.items()}


def _split(text: str, delimiter: str) -> Iterator[str]:
    """Its parts, trimmed; a part may stand in quotes, doubled where they are meant."""
    rest = text.lstrip()
    while rest:
        if rest[0] in "'\"":
            part, rest = _quoted(rest)
            rest = rest.lstrip()
            if rest and not rest.startswith(delimiter):
                raise ValueError("Could not split string. Illegal quoting.")
        else:
            part, _, _ = rest.partition(delimiter)
            rest = rest[len(part) :]
        if part.strip() or text.lstrip()[:1] in ("'", '"'):
            yield part.strip()
        rest = rest.removeprefix(delimiter).lstrip()


def _quoted(text: str) -> tuple[str, str]:
    """What stands in the quotes at the beginning, and what follows them."""
    quote, part, position = text[0], "", 1
    while position < len(text):
        if text[position] != quote:
            part += text[position]
        elif text[position + 1 : position + 2] == quote:
            part += quote
            position += 1
        else:
            return part, text[position + 1 :]
        position += 1
    raise ValueError(f"Could not split string. Quoting was not closed properly: {text}")
