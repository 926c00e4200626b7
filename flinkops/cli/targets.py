"""From settings to sources: which Flink is looked at, and which of its jobs is meant."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flinkops.errors import OperationFailed, Unreachable, UsageError

if TYPE_CHECKING:
    from flinkops.cli.options import Common
    from flinkops.collect import Collector
    from flinkops.config.settings import Settings, SourceSettings
    from flinkops.model.endpoint import RestEndpoint
    from flinkops.model.identity import Identified
    from flinkops.observer import Observer
    from flinkops.sources.protocol import Source, Wanted

KUBERNETES_KEYS = ("context", "kubeconfig", "namespace", "all_namespaces", "selector", "rest_via")
DEFAULT_TIMEOUT_SECONDS = 8.0
NO_TARGET = "no Flink to look at: no --rest, no sources in flinkops.toml, no embedded fleet running, no kubeconfig"


J = TypeVar("J", bound="Identified")


def open_sources(settings: "Settings", wanted: "Wanted | None" = None) -> list["Source"]:
    """The sources that the settings name, else the embedded fleet, else the kubeconfig's current context.

    Jobs that are not ``wanted`` are listed but not asked about.
    --rest on the command line takes the place of the listed ``sources``. Raises UsageError for what cannot be meant,
    Unreachable when there is nothing to look at.
    """
    from flinkops.cli.cluster_targets import open_kubernetes_sources
    from flinkops.sources.flink.source import FlinkRestSource

    found: list[Source] = [FlinkRestSource(endpoint, wanted=wanted) for endpoint in rest_endpoints(settings)]
    if names_kubernetes(settings):
        found += open_kubernetes_sources(settings, wanted)
    if found:
        return found
    fleet = embedded_endpoint()
    if fleet is not None:
        return [FlinkRestSource(fleet, wanted=wanted)]
    from flinkops.sources.kubernetes.access import in_cluster, kubeconfig_exists

    if kubeconfig_exists() or in_cluster():
        return [*open_kubernetes_sources(settings, wanted)]
    raise Unreachable(NO_TARGET, next_step="start one with ./dev up, or name one: --rest URL")


def embedded_endpoint() -> "RestEndpoint | None":
    """The embedded fleet's REST API, when one runs."""
    from flinkops.local.state import find_running
    from flinkops.model.endpoint import parse_endpoint

    fleet = find_running()
    return parse_endpoint(fleet.rest_url, name="local") if fleet else None


def names_kubernetes(settings: "Settings") -> bool:
    """Whether a Kubernetes cluster is asked for: on the command line, in the environment, or in ``sources``."""
    named = any(settings.origins.get(key, "default") != "default" for key in KUBERNETES_KEYS)
    return named or bool(settings.kubernetes and not settings.rest)


def rest_endpoints(settings: "Settings") -> list["RestEndpoint"]:
    """The REST endpoints of the settings. UsageError when a secret that one refers to is not there."""
    if not settings.rest:
        return [_endpoint(source) for source in settings.sources]
    endpoints = {}
    for url in settings.rest:
        endpoint = _endpoint_at(settings, url)
        endpoints[endpoint.name] = endpoint
    return list(endpoints.values())


def _endpoint_at(settings: "Settings", url: str) -> "RestEndpoint":
    """A listed source by its name, or by any spelling of its address: with its TLS and login then."""
    import msgspec

    from flinkops.config.guard import matching_source
    from flinkops.model.address import address_of
    from flinkops.model.endpoint import parse_endpoint

    named = next((source for source in settings.sources if source.name == url), None)
    if named is not None:
        return _endpoint(named)
    typed = parse_endpoint(url)
    source = matching_source(settings, url)
    if source is None:
        return typed
    endpoint = _endpoint(source)
    if address_of(url).host != address_of(source.rest).host:
        endpoint = msgspec.structs.replace(endpoint, url=typed.url)
    if typed.username is not None:
        endpoint = msgspec.structs.replace(endpoint, username=typed.username, password=typed.password)
    return endpoint


def _endpoint(source: "SourceSettings") -> "RestEndpoint":
    import msgspec

    from flinkops.model.endpoint import parse_endpoint

    endpoint = parse_endpoint(
        source.rest,
        name=source.name,
        headers={key: resolve_secret(value, source.name) for key, value in source.headers.items()},
        client_certificate_file=source.client_cert,
        client_key_file=source.client_key,
        ca_file=source.ca_file,
        verify=source.verify,
    )
    if source.username is None:
        return endpoint
    password = resolve_secret(source.password, source.name) if source.password else None
    return msgspec.structs.replace(endpoint, username=source.username, password=password)


def resolve_secret(reference: str, source: str) -> str:
    """What ``env:NAME`` or ``file:PATH`` stands for. UsageError when it is not there; never shows a value."""
    import os

    kind, _, where = reference.partition(":")
    if kind == "env":
        value = os.environ.get(where)
        if value is None:
            raise UsageError(f'source "{source}" needs the environment variable {where}, which is not set')
        return value
    try:
        return Path(where).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f'source "{source}" needs the file {where}: {error}') from None


def open_collector(settings: "Settings", sources: Sequence["Source"] | None = None) -> "Collector":
    """The sources of the settings, or those given, looked at together."""
    from flinkops.clock import SystemClock
    from flinkops.collect import Collector

    timeout = DEFAULT_TIMEOUT_SECONDS if settings.timeout_seconds is None else settings.timeout_seconds
    return Collector(open_sources(settings) if sources is None else sources, SystemClock(), deadline_seconds=timeout)


def open_observer(common: "Common", sources: Sequence["Source"] | None = None) -> "Observer":
    """What `status`, the TUI and the exporter look through. The caller closes it."""
    from flinkops.observer import Observer

    return Observer(open_collector(common.settings, sources), common.settings.policy)


def pick_job(jobs: Sequence[J], wanted: str) -> J:
    """The one job that is meant.

    Raises UsageError, listing them, when several match; OperationFailed when none does: the command made sense.
    """
    import difflib

    from flinkops.model.identity import full_name, matching

    found = matching(jobs, wanted)
    if len(found) == 1:
        return found[0]
    if found:
        names = [full_name(job) for job in found]
        in_full = len(set(names)) == len(found) and any(job.namespace for job in found)
        choices = ", ".join(
            f"{name if in_full else job.id} ({job.cluster})" for job, name in list(zip(found, names, strict=True))[:10]
        )
        how = "namespace/name" if in_full else "id"
        raise UsageError(f'{len(found)} jobs match "{wanted}"', next_step=f"name one by its {how}: {choices}")
    near = difflib.get_close_matches(wanted, [job.name for job in jobs], n=1)
    known = f'did you mean "{near[0]}"?' if near else f"there are {len(jobs)}: flinkops status -o name lists them"
    raise OperationFailed(f'no job "{wanted}"', next_step=known)
