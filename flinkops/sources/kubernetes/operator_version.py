"""The Flink operator itself: which version runs, as its Deployment says. Only to match known bugs of a version."""

import re
from typing import NamedTuple

from flinkops.errors import Denied, FlinkopsError
from flinkops.model.json_reading import Json, items, section, text
from flinkops.sources.deadline import Deadline
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.api import KubeClient, denied_line, list_all
from flinkops.sources.kubernetes.resources import identity, number

DEPLOYMENT = "flink-kubernetes-operator"
"""The name that its Helm chart gives it; a role may be limited to it (resourceNames)."""

_DEPLOYMENTS = "/apis/apps/v1/deployments"
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?(?:-[\w.]+)?")


class OperatorSeen(NamedTuple):
    """The operator's Deployment. ``version`` is None where it could not be read, and ``unknown`` says why."""

    version: str | None = None
    namespace: str | None = None
    image: str | None = None
    ready: int | None = None
    unknown: str | None = None
    deployment: Json | None = None  # itself, where it is one


def operator_of(access: KubeAccess, *, deadline_seconds: float) -> OperatorSeen:
    """That of the cluster. Never raises."""
    client, deadline = KubeClient(access.endpoint()), Deadline(deadline_seconds)
    try:
        with client.enforced(deadline):
            return read_operator(client, deadline)
    finally:
        client.close()


def read_operator(client: KubeClient, deadline: Deadline) -> OperatorSeen:
    """Searches for the operator in all namespaces. Never raises: what cannot be read is unknown, with the reason."""
    try:
        found = list_all(client, _DEPLOYMENTS, deadline, fieldSelector=f"metadata.name={DEPLOYMENT}")
    except Denied as problem:
        return OperatorSeen(unknown=denied_line("list", f"deployments.apps {DEPLOYMENT}", None, problem))
    except FlinkopsError as problem:
        return OperatorSeen(unknown=problem.line())
    seen = [operator_seen(one) for one in found]
    if len({one.version for one in seen}) > 1:
        several = ", ".join(f"{one.version or 'unknown'} in {one.namespace}" for one in seen)
        return OperatorSeen(unknown=f"several operators run here ({several}): which one reconciles a job is not known")
    return seen[0] if seen else OperatorSeen(unknown=f"there is no Deployment named {DEPLOYMENT}")


def operator_seen(deployment: Json) -> OperatorSeen:
    """What the operator's Deployment says: the chart's version label, else the tag of its image. Pure."""
    containers = items(section(section(section(deployment, "spec"), "template"), "spec"), "containers")
    images = [image for one in containers if (image := text(one, "image"))]
    image = next((one for one in images if "operator" in one), images[0] if images else None)
    label = text(section(section(deployment, "metadata"), "labels"), "app.kubernetes.io/version")
    version = _version(label) or _version(_tag(image or ""))
    return OperatorSeen(
        version=version,
        namespace=identity(deployment)[0],
        image=image,
        ready=number(section(deployment, "status"), "readyReplicas") or 0,
        deployment=deployment,
        unknown=None if version else f"neither a label nor the image {image} tells the operator's version",
    )


def _tag(image: str) -> str:
    """Of ``registry:5000/name:TAG@sha256:…`` the TAG."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def _version(words: str | None) -> str | None:
    match = _VERSION.match((words or "").removeprefix("v"))
    return match[0] if match else None
