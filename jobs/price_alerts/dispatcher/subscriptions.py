# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""Which client wants which alerts: the subscriptions, as a file or a compacted topic holds them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from flinkops.errors import UsageError

from .alert import Alert, Kind
from .globs import is_exact, is_prefix
from .signing import standard_key

_MAX_PATTERN_CHARACTERS = 256
_MAX_FILTERS = 1000
_MAX_WILDCARD_CHARACTERS = 16_384
_MAX_BRACKETS = 256
_MAX_CONCURRENCY = 1024
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SECRET_CHARACTERS = (16, 1024)
_MAX_FILE_BYTES = 256 * 1024 * 1024
_MAX_URL_CHARACTERS = 2048
_SHOWN_CHARACTERS = 128


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alerts: all conditions must hold.

    `sku` and `retailer` are shell patterns (`*`, `?`, `[...]`), case-sensitive. `direction` and `min_change_ratio`
    (0.05 is five percent) apply to price alerts only; `up` and `down` leave out those without a change ratio.
    """

    sku: str = "*"
    retailer: str = "*"
    direction: Literal["any", "up", "down"] = "any"
    min_change_ratio: float = 0.0
    kinds: tuple[Kind, ...] = ("price", "availability")

    def wants(self, alert: Alert) -> bool:
        """Whether the conditions other than the patterns hold."""
        if alert.kind not in self.kinds:
            return False
        if alert.kind == "availability":
            return True
        change = alert.change_ratio
        if change is None:
            return self.direction == "any" and self.min_change_ratio <= 0
        if (self.direction == "up" and change <= 0) or (self.direction == "down" and change >= 0):
            return False
        return abs(change) >= self.min_change_ratio


class Subscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One client: where its alerts go, the secret that signs them, and which alerts it wants.

    While the secret is rotated `previous_secret` signs too, until all of the client's receivers know the new one.
    """

    client: str
    url: str
    secret: str
    previous_secret: str | None = None
    filters: tuple[Filter, ...] = (Filter(),)
    concurrency: int | None = None

    def __repr__(self) -> str:
        """Without the secret, and without the path of the URL, which often is one."""
        host = urlsplit(self.url).hostname if _url_problem(self.url, allow_http=True) is None else None
        return f"Subscription(client={self.client!r}, host={host!r}, filters={len(self.filters)})"

    def secrets(self) -> list[str]:
        """Those that sign, the newest first."""
        return [self.secret] if self.previous_secret is None else [self.secret, self.previous_secret]

    def patterns(self) -> set[str]:
        """All its shell patterns."""
        return {pattern for each in self.filters for pattern in (each.sku, each.retailer)}

    def problem(self, *, allow_http: bool) -> str | None:
        """Why this subscription cannot be served; None when it can."""
        if not _CLIENT.fullmatch(self.client):
            return "client must be 1 to 128 letters, digits, '.', '_' or '-'"
        for secret in self.secrets():
            if problem := _secret_problem(secret):
                return problem
        if len(self.filters) > _MAX_FILTERS:
            return f"more than {_MAX_FILTERS} filters"
        if any(len(each) > _MAX_PATTERN_CHARACTERS for each in self.patterns()):
            return f"a pattern is longer than {_MAX_PATTERN_CHARACTERS} characters"
        wildcards = "".join(each for each in self.patterns() if not is_exact(each) and not is_prefix(each))
        if len(wildcards) > _MAX_WILDCARD_CHARACTERS or wildcards.count("[") > _MAX_BRACKETS:
            return (
                f"more than {_MAX_WILDCARD_CHARACTERS} characters or {_MAX_BRACKETS} brackets in patterns that are"
                " neither a whole name nor a beginning with * behind it"
            )
        if self.concurrency is not None and not 1 <= self.concurrency <= _MAX_CONCURRENCY:
            return f"concurrency must be 1 to {_MAX_CONCURRENCY}"
        return _url_problem(self.url, allow_http=allow_http)


def _secret_problem(secret: str) -> str | None:
    if not _SECRET_CHARACTERS[0] <= len(secret) <= _SECRET_CHARACTERS[1]:
        return f"secret must have {_SECRET_CHARACTERS[0]} to {_SECRET_CHARACTERS[1]} characters"
    try:
        standard_key(secret)
    except UnicodeEncodeError:
        return "secret is no text that UTF-8 can hold"
    except ValueError as error:
        return f"secret: {error}"
    return None


def _url_problem(url: str, *, allow_http: bool) -> str | None:
    if len(url) > _MAX_URL_CHARACTERS:
        return f"url is longer than {_MAX_URL_CHARACTERS} characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "url is none"
    if parts.scheme != "https" and not (allow_http and parts.scheme == "http"):
        return "url must begin with https://"
    if not parts.hostname or parts.username is not None or port == 0 or not url.isprintable() or " " in url:
        return "url must name a host, without a user or blanks"
    return None


def decode_one(document: bytes) -> Subscription:
    """A subscription as the topic holds it. Raises UsageError."""
    try:
        return msgspec.json.decode(document, type=Subscription)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UsageError(f"not a subscription: {ascii(str(error))[1:-1]}") from None


class Rejected(msgspec.Struct, frozen=True):
    """A subscription that is not served, and why. `client` is its name, or where it is where it has none."""

    client: str
    problem: str


class _Named(msgspec.Struct):
    client: str


def read_file(path: Path) -> tuple[list[Subscription], list[Rejected]]:
    """The subscriptions of a file, a JSON list, and those of its items that are none.

    Raises UsageError where it is no such file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise UsageError(f"the subscriptions {path} are longer than {_MAX_FILE_BYTES} bytes")
        documents = msgspec.json.decode(content, type=list[msgspec.Raw])
    except OSError as error:
        raise UsageError(f"cannot read the subscriptions {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UsageError(f"the subscriptions {path} cannot be used: {error}") from None
    good: list[Subscription] = []
    bad: list[Rejected] = []
    for number, document in enumerate(documents, start=1):
        try:
            good.append(decode_one(bytes(document)))
        except UsageError as error:
            bad.append(Rejected(_name_of(document) or f"number {number} of the file", error.what))
    return good, bad


def _name_of(document: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(document, type=_Named).client[:_SHOWN_CHARACTERS]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def sort_out(
    subscriptions: Sequence[Subscription], *, allow_http: bool
) -> tuple[dict[str, Subscription], list[Rejected]]:
    """The usable ones by client, the last of a client counting, and those that cannot be served."""
    good: dict[str, Subscription] = {}
    bad: list[Rejected] = []
    for subscription in subscriptions:
        problem = subscription.problem(allow_http=allow_http)
        if problem:
            bad.append(Rejected(subscription.client[:_SHOWN_CHARACTERS], problem))
        else:
            good[subscription.client] = subscription
    return good, bad
