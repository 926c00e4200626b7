"""From settings to Flink REST APIs: addresses, and the secrets that the settings refer to."""

import os
import re
from pathlib import Path

import msgspec

from flinkops.config.guard import matching_source
from flinkops.config.settings import Settings, SourceSettings
from flinkops.errors import UsageError
from flinkops.input_file import read_input_text
from flinkops.model.address import address_of
from flinkops.model.endpoint import RestEndpoint, parse_endpoint
from flinkops.outside.logs import warn_once

_MOST_SECRET_BYTES = 2**16
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,200}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""What RFC 9110 and Python's HTTP take."""


def rest_endpoints(settings: Settings) -> list[RestEndpoint]:
    """The REST endpoints of the settings. UsageError when a secret that one refers to is not there."""
    if not settings.rest:
        return [_endpoint(source) for source in settings.sources]
    endpoints = {}
    for url in settings.rest:
        endpoint = _endpoint_at(settings, url)
        endpoints[endpoint.name] = endpoint
    return list(endpoints.values())


def _endpoint_at(settings: Settings, url: str) -> RestEndpoint:
    """A listed source by its name, or by any spelling of its address: with its TLS and login then."""
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


def _endpoint(source: SourceSettings) -> RestEndpoint:
    if not source.verify:
        warn_once(f'TLS certificates of source "{source.name}" are not checked (verify = false)')
    endpoint = parse_endpoint(
        source.rest,
        name=source.name,
        headers={
            key: _header(key, resolve_secret(value, source.name), source.name) for key, value in source.headers.items()
        },
        client_certificate_file=source.client_cert,
        client_key_file=source.client_key,
        ca_file=source.ca_file,
        verify=source.verify,
    )
    if source.username is None:
        return endpoint
    password = resolve_secret(source.password, source.name) if source.password else None
    return msgspec.structs.replace(endpoint, username=source.username, password=password)


def _header(name: str, value: str, source: str) -> str:
    """The value. Raises UsageError where HTTP has no such header; never shows a value."""
    if _HEADER_NAME.fullmatch(name) is None:
        raise UsageError(f'source "{source}": {name!r} is no name of an HTTP header')
    if _HEADER_VALUE.fullmatch(value) is None:
        raise UsageError(f'source "{source}": the value of header {name} has a line break or what HTTP cannot send')
    return value


def resolve_secret(reference: str, source: str) -> str:
    """What ``env:NAME`` or ``file:PATH`` stands for. UsageError when it is not there; never shows a value."""
    kind, _, where = reference.partition(":")
    if kind == "env":
        value = os.environ.get(where)
        if value is None:
            raise UsageError(f'source "{source}" needs the environment variable {where}, which is not set')
        return value
    try:
        return read_input_text(Path(where).expanduser(), most_bytes=_MOST_SECRET_BYTES).strip()
    except RuntimeError as problem:  # no home folder
        raise UsageError(f'source "{source}" needs the file {where}: {problem}') from None
    except UsageError as problem:
        raise UsageError(f'source "{source}" needs a file: {problem.what}') from None
