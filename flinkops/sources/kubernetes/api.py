"""Reading the Kubernetes API: raw JSON, page by page, with a deadline, and permissions named when they are missing."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from flinkops.errors import UNAUTHORIZED, Denied, Unreachable
from flinkops.model.json_reading import Json, items, section, text
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink.http import BadAnswer, NotFound, Rejected, RestClient
from flinkops.sources.kubernetes.resources import GROUP, VERSION

PAGE_SIZE = 250
READER_ROLE = "deploy/rbac-reader.yaml"
_WATCH_SECONDS = 290  # the server ends a watch after it; the next goes on from where it was

_decoder: "msgspec.json.Decoder[dict[str, Any]]" = msgspec.json.Decoder(dict[str, Any])


class Gone(BadAnswer):
    """HTTP 410: the continue token or resourceVersion is too old; list again from the start."""


class KubeClient(RestClient):
    """A RestClient whose refusals are put in Kubernetes' terms."""

    def _refusal(self, status: int, content: bytes, path: str, location: str | None) -> Unreachable:
        said = status_message(content)
        if status == UNAUTHORIZED:
            return Denied(
                f"the API server {self.url} does not accept these credentials (HTTP 401)",
                next_step="log in again; `kubectl auth whoami` tries them",
                http_status=status,
            )
        if status == 403:
            return Denied(
                said or f"the API server {self.url} forbids {path.partition('?')[0][:120]}",
                http_status=status,
                user=_forbidden_user(said),
            )
        if status == 410:
            return Gone(f"{self.url}: {said or 'the list has expired'}", http_status=status)
        if status == 404 and said:
            return NotFound(f"{self.url}: {said}")
        if said:
            return Rejected(f"{self.url} answers HTTP {status}: {said}", http_status=status)
        return super()._refusal(status, content, path, location)


def get_object(client: KubeClient, path: str, deadline: Deadline) -> Json:
    """One object. Raises NotFound, Denied, Unreachable or one of its kinds."""
    return client.get(path, _decoder, deadline)


class Listed(NamedTuple):
    """All objects of a list, and the version of the whole from which a watch goes on."""

    objects: list[Json]
    version: str | None


def list_all(client: KubeClient, path: str, deadline: Deadline, **selectors: str | None) -> list[Json]:
    """All objects under `path`, over all pages. A list that expires under way is begun again, once.

    Keyword arguments are the API's query parameters (labelSelector, fieldSelector); None is left out.
    """
    return list_versioned(client, path, deadline, **selectors).objects


def pods_of(client: KubeClient, namespace: str, cluster: str, deadline: Deadline) -> list[Json]:
    """The pods of the Flink cluster named `cluster`."""
    return list_all(client, core_path("pods", namespace), deadline, labelSelector=f"app={cluster}")


def list_versioned(client: KubeClient, path: str, deadline: Deadline, **selectors: str | None) -> Listed:
    """As :func:`list_all`, with the list's version."""
    query = {key: value for key, value in selectors.items() if value}
    try:
        return _all_pages(client, path, query, deadline)
    except Gone:
        return _all_pages(client, path, query, deadline)


def _all_pages(client: KubeClient, path: str, query: dict[str, str], deadline: Deadline) -> Listed:
    objects: list[Json] = []
    token: str | None = None
    while True:
        page_query = {**query, "limit": str(PAGE_SIZE), **({"continue": token} if token else {})}
        page = get_object(client, f"{path}?{urlencode(page_query)}", deadline)
        objects += items(page, "items")
        metadata = section(page, "metadata")
        token = text(metadata, "continue")
        if token is None:
            return Listed(objects, text(metadata, "resourceVersion"))


class Change(NamedTuple):
    """One event of a watch. ``kind``: STARTED (the server has agreed), ADDED, MODIFIED, DELETED, BOOKMARK."""

    kind: str
    object: Json


def watch_changes(
    client: KubeClient, path: str, version: str, *, idle_seconds: float, selector: str | None = None
) -> Iterator[Change]:
    """What changes under `path` since `version`, until the server or `client.close()` ends it.

    Raises Gone when `version` is too old, Overdue after `idle_seconds` without a word (bookmarks come each minute),
    Denied, BadAnswer or Unreachable.
    """
    query = {
        "watch": "1",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(_WATCH_SECONDS),
        **({"labelSelector": selector} if selector else {}),
    }
    for line in client.stream(f"{path}?{urlencode(query)}", idle_seconds=idle_seconds):
        if not line:
            yield Change("STARTED", {})
            continue
        try:
            event = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadAnswer(f"{client.url} sends something that is not JSON in a watch") from None
        kind, about = text(event, "type") or "", section(event, "object")
        if kind == "ERROR":
            said = " ".join((text(about, "message") or "the watch failed").split())[:300]
            raise (Gone if about.get("code") == 410 else BadAnswer)(f"{client.url}: {said}")
        yield Change(kind, about)


def flink_resources(client: KubeClient, deadline: Deadline) -> frozenset[str]:
    """The plural names of the Flink operator's resources that this cluster has; empty without the operator."""
    try:
        found = get_object(client, f"/apis/{GROUP}/{VERSION}", deadline)
    except NotFound:
        return frozenset()
    return frozenset(name for one in items(found, "resources") if (name := text(one, "name")) and "/" not in name)


def custom_path(plural: str, namespace: str | None) -> str:
    """The path of the operator's resources `plural`, in one namespace or (None) in all."""
    scope = "" if namespace is None else f"/namespaces/{quote(namespace, safe='')}"
    return f"/apis/{GROUP}/{VERSION}{scope}/{quote(plural, safe='')}"


def core_path(plural: str, namespace: str) -> str:
    """The path of core resources (pods, events) of one namespace."""
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/{plural}"


def denied_line(verb: str, resource: str, namespace: str | None, problem: Denied) -> str:
    """Which permission is missing, where, and which role has it."""
    if not problem.logged_in:
        return problem.line()
    where = "in all namespaces" if namespace is None else f"in namespace {namespace}"
    who = f" as {problem.user}" if problem.user else ""
    hint = "; a single one may be allowed: -n NAMESPACE" if namespace is None else ""
    return f"not allowed to {verb} {resource} {where}{who}{hint} (the role in {READER_ROLE} suffices)"


def _forbidden_user(said: str) -> str | None:
    """Kubernetes has no field for it: ``pods is forbidden: User "NAME" cannot list resource …``."""
    return said.partition('User "')[2].partition('"')[0] or None


def named_denial(verb: str, resource: str, namespace: str | None, problem: Denied) -> Denied:
    """The same refusal with :func:`denied_line` as its words."""
    line = denied_line(verb, resource, namespace, problem)
    return Denied(line, http_status=problem.http_status, user=problem.user)


class _Status(msgspec.Struct):
    message: str = ""


_status_decoder = msgspec.json.Decoder(_Status)


def status_message(content: bytes) -> str:
    """The message of a Kubernetes Status object, on one line and bounded; empty when it is none."""
    try:
        return " ".join(_status_decoder.decode(content).message.split())[:300]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
