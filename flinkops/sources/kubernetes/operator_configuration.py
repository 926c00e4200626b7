"""The Flink operator's own configuration, whose settings are the defaults of every job that it runs.

It is read from the ConfigMap that the operator's Deployment mounts, and is what the operator has: it reads the file
again by itself. Secrets in it are not kept: nothing but settings that a plan asks for leaves here.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import yaml

from flinkops.errors import FlinkopsError
from flinkops.model.json_reading import Json, items, section, text
from flinkops.model.option_names import AUTOSCALER, OPERATOR
from flinkops.sources.deadline import Deadline
from flinkops.sources.kubernetes.api import KubeClient, core_path, get_object

CONFIG_MAP = "flink-operator-config"
"""As the Helm chart names it; which one is read the operator's Deployment says."""
_LEGACY, _YAML = "flink-conf.yaml", "config.yaml"
_FOLDER = "/opt/flink/conf"
_KEPT = (
    OPERATOR,
    AUTOSCALER,
    "high-availability",
    "execution.checkpointing.",
    "state.",
    "jobmanager.",
    "taskmanager.",
    "scheduler-mode",
    "pipeline.",
    "kubernetes.",
)
_SECRET = ("password", "secret", "token", "access.key", "access-key", "account.key", "credential")


def read_configuration(client: KubeClient, deployment: Json | None, deadline: Deadline) -> dict[str, str] | None:
    """Flat, key to text; None where it cannot be told: no such Deployment, not allowed, or mounted another way."""
    source = _mounted(deployment) if deployment is not None else None
    if source is None:
        return None
    namespace, name, file = source
    try:
        found = get_object(client, f"{core_path('configmaps', namespace)}/{quote(name, safe='')}", deadline)
    except FlinkopsError:
        return None
    data = section(found, "data")
    file = file or (_LEGACY if _LEGACY in data else _YAML)
    return None if (content := text(data, file)) is None else parse_configuration(content, legacy=file == _LEGACY)


def parse_configuration(content: str, *, legacy: bool) -> dict[str, str] | None:
    r"""Of a ``flink-conf.yaml`` (one setting a line, the last one counts) or a ``config.yaml``; None for no YAML.

    >>> parse_configuration("# none\nstate.savepoints.dir: s3://b/sp # here\n", legacy=True)
    {'state.savepoints.dir': 's3://b/sp'}
    >>> parse_configuration("kubernetes: {operator: {reconcile.interval: 15 s}}", legacy=False)
    {'kubernetes.operator.reconcile.interval': '15 s'}
    """
    if legacy:
        pairs = dict(_lines(content))
    else:
        try:
            found = yaml.load(content, Loader=yaml.BaseLoader)  # noqa: S506 (texts only, no objects)
        except yaml.YAMLError:
            return None
        if found is not None and not isinstance(found, dict):
            return None
        pairs = dict(_flat(found or {}))
    return {key: value for key, value in pairs.items() if _is_kept(key)}


def _is_kept(key: str) -> bool:
    return key.startswith(_KEPT) and not any(word in key.lower() for word in _SECRET)


def _lines(content: str) -> Iterator[tuple[str, str]]:
    for line in content.splitlines():
        key, colon, value = line.partition("#")[0].strip().partition(": ")
        if colon and key.strip() and value.strip():
            yield key.strip(), value.strip()


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, one in value.items():
        if isinstance(one, dict):
            yield from _flat(one, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ";".join(map(str, one)) if isinstance(one, list) else str(one)


def _mounted(deployment: Json) -> tuple[str, str, str | None] | None:
    """Namespace and name of the ConfigMap at Flink's folder, and the file of it where only some are mounted."""
    pod = section(section(section(deployment, "spec"), "template"), "spec")
    names = {
        text(mount, "name")
        for container in items(pod, "containers")
        for mount in items(container, "volumeMounts")
        if (text(mount, "mountPath") or "").rstrip("/") == _FOLDER
    }
    for volume in items(pod, "volumes"):
        source = section(volume, "configMap")
        if text(volume, "name") in names and (name := text(source, "name")):
            files = {text(item, "path") for item in items(source, "items")}
            one = next((file for file in (_LEGACY, _YAML) if file in files), None)
            namespace = text(section(deployment, "metadata"), "namespace") or ""
            return None if files and one is None else (namespace, name, one)
    return None
