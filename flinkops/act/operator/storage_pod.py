"""Asks a storage from within the cluster: a short-lived pod with a job's account, environment, volumes and network.

The machine of whoever is on call has no credentials to the bucket; the job has. Only commands that read a storage run
there, and nothing but their document comes back.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from flinkops.act.backend import StorageCommand
from flinkops.act.operator.control import KubeControl
from flinkops.clock import SystemClock
from flinkops.config.storage import StorageSettings, StorageTable, settings_of
from flinkops.errors import ExitCode, OperationFailed, Unreachable
from flinkops.model.json_reading import Json, items, section, text
from flinkops.outside.text import clean
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.pod_task import Payload, PodTask, literal
from flinkops.sources.kubernetes.resources import identity
from flinkops.sources.kubernetes.short_pods import PodEnd, run_pod
from flinkops.sources.storage.stores import place_of

PURPOSE: Final = "storage"
_MAIN: Final = "flink-main-container"
_SETTINGS: Final = "settings"
_FOLDER: Final = "/etc/flinkops"
_FILE: Final = "flinkops.toml"
_HOME: Final = "/tmp"  # noqa: S108 - of the pod alone
_OF_POD: Final = (
    "serviceAccountName", "imagePullSecrets", "nodeSelector", "affinity", "tolerations", "priorityClassName",
    "hostAliases", "dnsPolicy", "dnsConfig", "hostNetwork", "runtimeClassName", "schedulerName", "securityContext",
    "topologySpreadConstraints", "volumes",
)  # fmt: skip
_OF_CONTAINER: Final = ("env", "envFrom", "volumeMounts", "securityContext")
_MEMORY: Final = "512Mi"
_RESOURCES: Final = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": _MEMORY}}


def flink_deployment(control: KubeControl) -> Json:
    """What describes the job's JobManager: its FlinkDeployment, or the session cluster's. Raises OperationFailed."""
    resource = control.resource()
    if control.ref.kind == "FlinkSessionJob":
        cluster = control.verbs.session_cluster(control.ref, resource)
        if cluster is None:
            raise OperationFailed(f"the session cluster of {control.ref.name} does not exist")
        return cluster
    if control.ref.kind == "FlinkBlueGreenDeployment":
        return {**resource, "spec": section(section(section(resource, "spec"), "template"), "spec")}
    return resource


def ask_there(access: KubeAccess, task: PodTask, note: Callable[[str], None]) -> tuple[int, dict[str, Any]]:
    """The exit code of the command in the pod, and its document.

    Raises what `run_pod` raises: Denied with the role that is missing; Unreachable for an exit code of 3 without a
    document, OperationFailed for any other.
    """
    return _answer(run_pod(access, task, SystemClock(), note=note))


def storage_task(resource: Json, command: StorageCommand) -> PodTask:
    """The pod for `flinkops COMMAND`, made after the JobManager of this FlinkDeployment.

    Its sidecars, init containers, probes and ports are left out. How the storage is reached comes from the command's
    table, else from the job's own Flink configuration; credentials from the job's environment.
    """
    namespace, _ = identity(resource)
    spec = section(resource, "spec")
    templates = [section(spec, "podTemplate"), section(section(spec, "jobManager"), "podTemplate")]
    settings = Payload(_SETTINGS, {_FILE: _settings(command.path, command.table, section(spec, "flinkConfiguration"))})
    pod = _pod(templates)
    pod.setdefault("serviceAccountName", text(spec, "serviceAccount") or "default")
    container = _container(templates)
    container |= {
        "name": "flinkops",
        "image": command.image,
        "imagePullPolicy": text(spec, "imagePullPolicy") or "IfNotPresent",
        "command": ["flinkops"],
        "args": [literal(word) for word in (*command.words, "-o", "json", "--quiet", "--config", f"{_FOLDER}/{_FILE}")],
        "env": [*container.get("env", ()), {"name": "HOME", "value": _HOME}],
        "volumeMounts": [
            *container.get("volumeMounts", ()),
            {"name": settings.volume, "mountPath": _FOLDER, "readOnly": True},
        ],
        "resources": _RESOURCES,
    }
    return PodTask(
        namespace,
        PURPOSE,
        {"metadata": _metadata(templates), "spec": {**pod, "containers": [container]}},
        command.deadline_seconds,
        payloads=(settings,),
        owner=resource,
    )


def _metadata(templates: Sequence[Json]) -> dict[str, dict[str, Any]]:
    """Labels and annotations of the resource's template and the JobManager's; a kind without any is left out."""
    metadata = {
        kind: {key: value for one in templates for key, value in section(section(one, "metadata"), kind).items()}
        for kind in ("labels", "annotations")
    }
    return {kind: found for kind, found in metadata.items() if found}


def _pod(templates: Sequence[Json]) -> dict[str, Any]:
    """Of the resource's template and the JobManager's; lists of named things are laid over each other."""
    found: dict[str, Any] = {}
    for template in templates:
        spec = section(template, "spec")
        for key in _OF_POD:
            if key in spec:
                found[key] = _laid(found.get(key), spec[key])
    return found


def _container(templates: Sequence[Json]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for template in templates:
        for container in items(section(template, "spec"), "containers"):
            if container.get("name") == _MAIN:
                for key in _OF_CONTAINER:
                    if key in container:
                        found[key] = _laid(
                            found.get(key), container[key], by="mountPath" if "Mounts" in key else "name"
                        )
    return found


def _laid(below: object, above: Any, *, by: str = "name") -> Any:
    if not isinstance(below, list) or not isinstance(above, list):
        return above
    named = {one.get(by) for one in above if isinstance(one, dict) and by in one}
    return [*(one for one in below if not isinstance(one, dict) or one.get(by) not in named), *above]


def _settings(path: str, table: StorageTable, configuration: Json) -> bytes:
    """A flinkops.toml for the pod."""
    place = place_of(path)
    if place.kind != "s3":
        return b""
    own = settings_of(table, place.storage)
    used = own if own != StorageSettings() else _as_flink(configuration)
    values = {"endpoint": used.endpoint, "region": used.region, "path_style": used.path_style}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if value is not None]
    return "\n".join([f"[storage.{json.dumps(place.storage)}]", *lines, ""]).encode() if lines else b""


def _as_flink(configuration: Mapping[str, Any]) -> StorageSettings:
    """How Flink's plug-ins reach S3; their log-in is not read."""

    def said(*keys: str) -> str | None:
        found = next((configuration[key] for key in keys if configuration.get(key) is not None), None)
        return None if found is None else str(found)

    style = said("s3.path.style.access", "s3.path-style-access")
    endpoint = said("s3.endpoint")
    return StorageSettings(
        endpoint=endpoint if endpoint is None or "://" in endpoint else f"https://{endpoint}",
        region=said("s3.endpoint.region", "s3.region"),
        path_style=None if style is None else style.lower() == "true",
    )


def _answer(end: PodEnd) -> tuple[int, dict[str, Any]]:
    for line in reversed(end.output):
        try:
            return end.exit_code, msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError):
            continue
    said = next(
        (clean(line)[:300] for line in reversed(end.output) if line.strip()), end.reason or "it printed nothing"
    )
    if end.out_of_memory:
        raise OperationFailed(f"the pod was killed at its limit of {_MEMORY} of memory")
    if end.exit_code == ExitCode.UNREACHABLE:
        raise Unreachable(f"from within the cluster: {said}")
    raise OperationFailed(f"the pod ended with exit code {end.exit_code}: {said}")
