"""Where a savepoint or checkpoint lies: which spellings name one place. Pure."""

from urllib.parse import unquote

METADATA_FILE = "_metadata"


def same_place(one: str | None, other: str | None) -> bool:
    """Whether two paths name one savepoint, as Flink qualifies them.

    Flink puts its default file system before a path without a scheme and its own authority where there is none,
    drops doubled and trailing slashes, and takes a savepoint's folder for its ``_metadata``.

    >>> same_place("hdfs:///sp/1", "hdfs://namenode:8020/sp/1/_metadata"), same_place("/sp//1/", "file:/sp/1")
    (True, True)
    >>> same_place("s3://a/sp/1", "s3://b/sp/1"), same_place("s3://a/1", "gs://a/1"), same_place(None, None)
    (False, False, False)
    """
    if one is None or other is None:
        return False
    first, second = _parts(one), _parts(other)
    agree = all(a is None or b is None or a == b for a, b in zip(first[:2], second[:2], strict=True))
    return agree and first[2] == second[2]


_SAME_STORAGE = {"s3a": "s3", "s3p": "s3", "abfs": "abfss", "wasb": "wasbs"}
"""Schemes that reach one storage by other ways."""
DEFAULT_SCHEME_KEY = "fs.default-scheme"


def qualified(path: str, default_scheme: str | None) -> str:
    """A path without a scheme as Flink qualifies it with its ``fs.default-scheme``; others as they are.

    >>> qualified("/sp", "hdfs://nn:8020/"), qualified("s3://b/sp", "hdfs://nn:8020"), qualified("/sp", None)
    ('hdfs://nn:8020/sp', 's3://b/sp', '/sp')
    """
    scheme, separator, rest = (default_scheme or "").partition("://")
    if not separator or scheme == "file" or not path.startswith("/"):
        return path
    return f"{scheme}://{rest.partition('/')[0]}/{path.lstrip('/')}"


def _parts(path: str) -> tuple[str | None, str | None, str]:
    """Scheme and authority, None where the default of the cluster would be put in, and the path."""
    text = unquote(path)
    scheme, colon, rest = text.partition(":")
    if not colon or "/" in scheme:
        return None, None, _cleaned(text)
    scheme = _SAME_STORAGE.get(scheme.lower(), scheme.lower())
    if not rest.startswith("//"):
        return scheme, None, _cleaned(rest)
    authority, slash, inner = rest[2:].partition("/")
    return scheme, authority.lower() or None, _cleaned(f"{slash}{inner}")


def _cleaned(path: str) -> str:
    steps = [step for step in path.split("/") if step]
    return "/".join(steps[:-1] if steps[-1:] == [METADATA_FILE] else steps)
