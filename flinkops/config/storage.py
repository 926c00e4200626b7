"""The ``[storage]`` of `flinkops.toml`: how object storage is reached. No credentials: each cloud's tools have those.

.. code-block:: toml

    [storage]
    pod_image = "registry.example/flinkops:0.1.0"   # for --via cluster

    [storage."s3://bucket"]      # or "s3://*": every bucket
    endpoint = "https://minio.example:9000"
    region = "eu-central-1"
    path_style = true
    profile = "flink"
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from flinkops.errors import UsageError

EVERY = "*"
POD_IMAGE = "pod_image"
_SCHEMES = {"s3": ("endpoint", "region", "path_style", "profile"), "gs": ("endpoint",), "abfss": ("endpoint",)}


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Of one bucket or container; None: what its cloud takes by itself."""

    endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None
    profile: str | None = None


StorageTable = Mapping[str, StorageSettings]
"""By storage, as ``sources.storage.location.Location.storage`` spells it."""


def settings_of(table: StorageTable, storage: str) -> StorageSettings:
    """Those of this storage, else those for all of its scheme."""
    every = f"{storage.partition('://')[0]}://{EVERY}"
    return table.get(storage) or table.get(every) or StorageSettings()


def read_storage(tables: object, where: str) -> dict[str, StorageSettings]:
    """The tables of a file. UsageError names what is wrong, and where."""
    if not isinstance(tables, dict):
        raise UsageError(f'[storage] of {where} is not a table of tables such as [storage."s3://bucket"]')
    named = {str(name): one for name, one in tables.items() if name != POD_IMAGE}
    return {_storage(name, where): _settings(name, one, where) for name, one in named.items()}


def read_pod_image(tables: Mapping[str, object], where: str) -> str:
    """The image of the pods that read storage from within a cluster. Raises UsageError for what is no name of one."""
    image = tables[POD_IMAGE]
    if not isinstance(image, str) or not image or not image.isprintable() or " " in image:
        raise UsageError(f'"{POD_IMAGE}" in [storage] of {where}: {image!r} is not an image')
    return image


def _storage(name: str, where: str) -> str:
    scheme, separator, root = name.partition("://")
    if not separator or scheme not in _SCHEMES or not root.strip("/") or "/" in root.rstrip("/"):
        raise UsageError(
            f'[storage."{name}"] of {where} names no storage',
            next_step='write "s3://BUCKET", "gs://BUCKET", "abfss://CONTAINER@ACCOUNT", or * for every one',
        )
    return f"{scheme}://{root.rstrip('/')}"


def _settings(name: str, table: object, where: str) -> StorageSettings:
    place = f'[storage."{name}"] of {where}'
    if not isinstance(table, dict):
        raise UsageError(f"{place} is not a table")
    known = _SCHEMES[name.partition("://")[0]]
    for key, value in table.items():
        if key not in known:
            raise UsageError(f'unknown key "{key}" in {place}', next_step=f"known: {', '.join(known)}")
        if key == "path_style" and not isinstance(value, bool):
            raise UsageError(f'"path_style" in {place}: {value!r} is neither true nor false')
        if key != "path_style" and (not isinstance(value, str) or not value or not value.isprintable()):
            raise UsageError(f'"{key}" in {place}: {value!r} is not a text')
    if "endpoint" in table:
        _refuse_endpoint(table["endpoint"], place)
    return StorageSettings(**{str(key): value for key, value in table.items()})


def _refuse_endpoint(endpoint: str, place: str) -> None:
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in endpoint:
        raise UsageError(f'"endpoint" in {place} is no address such as https://HOST:PORT, without credentials')
