"""What a pod that runs once is made of, as objects of the Kubernetes API. Pure.

Its Job owns all the rest (ConfigMaps, the NetworkPolicy), so that whatever removes the Job removes everything: we do at
the end, and after a ``kill -9`` of ours the Job's own deadline and its time to live do.
"""

import base64
import hashlib
import os
import platform
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from flinkops.errors import OperationFailed
from flinkops.model.json_reading import Json, items, section, text
from flinkops.sources.kubernetes.resources import identity

MANAGED = "app.kubernetes.io/managed-by"
PURPOSE = "flinkops.io/purpose"
RUN = "flinkops.io/run"
PLACE = "flinkops.io/place"
PROCESS = "flinkops.io/process"
MANAGER = "flinkops"
TIME_TO_LIVE_SECONDS = 120
"""How long a Job that has ended stays when nobody removes it: enough to read its output after a lost connection."""
MOST_PAYLOAD_BYTES = 700_000
"""Of one ConfigMap, which holds 1 MiB of base64 at most."""
_MOST_COMMAND_BYTES = 128 * 1024
_GRACE_SECONDS = 5
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?")


class Payload(msgspec.Struct, frozen=True):
    """Files for the pod: a ConfigMap, and a volume `volume` of the pod that its containers mount by that name."""

    name: str
    files: Mapping[str, bytes]

    @property
    def volume(self) -> str:
        """The name to mount it by."""
        return f"flinkops-{self.name}"


class PodTask(msgspec.Struct, frozen=True):
    """A pod that is to run once in `namespace`.

    ``pod`` is a pod template (metadata and spec), whose first container's exit code and output are the result.
    ``purpose`` is a word for names and labels. ``owner`` is the custom resource it is for: it goes with that.
    ``egress`` are the rules of a NetworkPolicy for it; None: no such policy, all it may reach. ``deadline_seconds`` is
    for the whole of it; ``room_seconds`` how long it may wait for a node.
    """

    namespace: str
    purpose: str
    pod: Mapping[str, Any]
    deadline_seconds: int
    payloads: tuple[Payload, ...] = ()
    owner: Json | None = None
    egress: Sequence[Json] | None = None
    room_seconds: float = 60.0

    @property
    def container(self) -> str:
        """The container whose output and exit code count."""
        return str(items(section(self.pod, "spec"), "containers")[0]["name"])


def literal(word: str) -> str:
    """A word of a command or a value of a variable that Kubernetes hands on as it is: it expands ``$(NAME)``.

    >>> literal("a$(B)$$")
    'a$$(B)$$$$'
    """
    return word.replace("$", "$$")


def new_name(purpose: str) -> str:
    """Of one run; also of its Job. Raises OperationFailed for a purpose that is no word for a name."""
    if not _LABEL.fullmatch(purpose):
        raise OperationFailed(f"{purpose!r} cannot be part of a name in Kubernetes")
    return f"flinkops-{purpose}-{secrets.token_hex(4)}"


def checked(task: PodTask) -> None:
    """Raises OperationFailed for what the API server or the kernel would not take, before anything is created."""
    for payload in task.payloads:
        size = sum(len(content) for content in payload.files.values())
        if size > MOST_PAYLOAD_BYTES:
            raise OperationFailed(
                f"the files {payload.name} for a pod have {size} bytes, a ConfigMap takes {MOST_PAYLOAD_BYTES}"
            )
    for container in items(section(task.pod, "spec"), "containers"):
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        if (size := sum(len(str(word).encode()) for word in words)) > _MOST_COMMAND_BYTES:
            raise OperationFailed(f"the command of a pod has {size} bytes, more than {_MOST_COMMAND_BYTES}")


def job_manifest(task: PodTask, name: str) -> dict[str, Any]:
    """The Job: one pod, one try, its own deadline, and removed some time after its end."""
    spec = dict(section(task.pod, "spec"))
    spec["restartPolicy"] = "Never"
    spec["terminationGracePeriodSeconds"] = _GRACE_SECONDS
    spec["volumes"] = [
        *items(spec, "volumes"),
        *({"name": one.volume, "configMap": {"name": f"{name}-{one.name}"}} for one in task.payloads),
    ]
    metadata = section(task.pod, "metadata")
    labels = {**section(metadata, "labels"), **_labels(task.purpose, name)}
    template: dict[str, Any] = {"metadata": {"labels": labels}, "spec": spec}
    if annotations := section(metadata, "annotations"):
        template["metadata"]["annotations"] = dict(annotations)
    about: dict[str, Any] = {"name": name, "labels": _labels(task.purpose, name)}
    if task.owner is not None:
        about["ownerReferences"] = [_reference(task.owner)]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": about,
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": task.deadline_seconds,
            "ttlSecondsAfterFinished": TIME_TO_LIVE_SECONDS,
            "template": template,
        },
    }


def payload_manifest(task: PodTask, payload: Payload, job: Json) -> dict[str, Any]:
    """A ConfigMap that goes with the Job."""
    name = identity(job)[1]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _owned(task, f"{name}-{payload.name}", job),
        "binaryData": {key: base64.b64encode(content).decode("ascii") for key, content in payload.files.items()},
    }


def policy_manifest(task: PodTask, egress: Sequence[Json], job: Json) -> dict[str, Any]:
    """A NetworkPolicy for the one pod: nobody reaches it, it reaches what `egress` says."""
    name = identity(job)[1]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _owned(task, name, job),
        "spec": {
            "podSelector": {"matchLabels": {RUN: name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": list(egress),
        },
    }


def selector(purpose: str) -> str:
    """Of all Jobs of this purpose that this machine has started."""
    return f"{MANAGED}={MANAGER},{PURPOSE}={purpose},{PLACE}={this_place()}"


def left_behind(job: Json) -> bool:
    """Whether the process of this machine that made it is gone."""
    made_by = text(section(section(job, "metadata"), "labels"), PROCESS)
    return made_by is not None and not _lives(made_by)


def this_place() -> str:
    """This machine, boot and container, as a word that tells nobody its name: processes are counted within it."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _labels(purpose: str, name: str) -> dict[str, str]:
    process = f"{os.getpid()}-{_started(os.getpid()) or 0}"
    return {MANAGED: MANAGER, PURPOSE: purpose, RUN: name, PLACE: this_place(), PROCESS: process}


def _lives(process: str) -> bool:
    number, _, started = process.partition("-")
    if not number.isdecimal():
        return True
    now = _started(int(number))
    if now is not None:
        return str(now) == started
    if Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _started(process: int) -> int | None:
    """When it was started, in ticks since boot: a number that is given again has another one."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return None


def _owned(task: PodTask, name: str, job: Json) -> dict[str, Any]:
    run = identity(job)[1]
    return {"name": name, "labels": _labels(task.purpose, run), "ownerReferences": [_reference(job)]}


def _reference(owner: Json) -> dict[str, Any]:
    """Without blockOwnerDeletion, which would take a further permission."""
    metadata = section(owner, "metadata")
    return {
        "apiVersion": text(owner, "apiVersion"),
        "kind": text(owner, "kind"),
        "name": text(metadata, "name"),
        "uid": text(metadata, "uid"),
    }
