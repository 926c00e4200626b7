"""What planning a change of a custom resource needs to know beyond a poll of the fleet."""

from typing import NamedTuple
from urllib.parse import quote

from flinkops.errors import Denied, FlinkopsError
from flinkops.model.json_reading import Json, items, section, text
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink.http import NotFound
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.api import KubeClient, core_path, custom_path, get_object, list_all, named_denial
from flinkops.sources.kubernetes.autoscaler_state import autoscaler_data
from flinkops.sources.kubernetes.operator_configuration import read_configuration
from flinkops.sources.kubernetes.operator_version import OperatorSeen, read_operator
from flinkops.sources.kubernetes.resources import GROUP

_PLURALS = {
    "FlinkDeployment": "flinkdeployments",
    "FlinkSessionJob": "flinksessionjobs",
    "FlinkBlueGreenDeployment": "flinkbluegreendeployments",
}
_DEFINITION = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/flinkdeployments.{GROUP}"


class Read(NamedTuple):
    """The resource as it is now, its definition, and the evidence; None where it could not be read."""

    resource: Json
    definition: Json
    ha_metadata: bool | None
    jobmanager_never_started: bool | None
    operator: OperatorSeen
    operator_configuration: dict[str, str] | None = None  # flat; the defaults of every job
    cluster: Json | None = None  # the FlinkDeployment that a session job runs on; empty when there is none
    autoscaler: dict[str, str] | None = None  # the data of its autoscaler's ConfigMap; empty when there is none


def read_for_plan(access: KubeAccess, kind: str, namespace: str, name: str, *, deadline_seconds: float) -> Read:
    """Reads one resource and its definition; raises Denied with the missing permission, or Unreachable."""
    deadline = Deadline(deadline_seconds)
    client = KubeClient(access.endpoint())
    path = f"{custom_path(_PLURALS[kind], namespace)}/{quote(name, safe='')}"
    try:
        with client.enforced(deadline):
            resource = _allowed(client, path, deadline, f"{_PLURALS[kind]}.{GROUP}", namespace)
            session = text(section(resource, "spec"), "deploymentName")
            operator = read_operator(client, deadline)
            return Read(
                resource,
                _allowed(client, _DEFINITION, deadline, "customresourcedefinitions", None),
                _ha_metadata(client, namespace, session or name, deadline),
                _never_started(client, namespace, session or name, deadline),
                operator,
                read_configuration(client, operator.deployment, deadline),
                None if session is None else _session_cluster(client, namespace, session, deadline),
                _autoscaler(client, namespace, name, deadline),
            )
    finally:
        client.close()


def read_definition(access: KubeAccess, *, deadline_seconds: float) -> Json:
    """The definition of FlinkDeployment, whose schema tells what the operator can. Raises Denied or Unreachable."""
    deadline = Deadline(deadline_seconds)
    client = KubeClient(access.endpoint())
    try:
        with client.enforced(deadline):
            return _allowed(client, _DEFINITION, deadline, "customresourcedefinitions", None)
    finally:
        client.close()


def _allowed(client: KubeClient, path: str, deadline: Deadline, resource: str, namespace: str | None) -> Json:
    try:
        return get_object(client, path, deadline)
    except Denied as problem:
        raise named_denial("get", resource, namespace, problem) from None


def _session_cluster(client: KubeClient, namespace: str, name: str, deadline: Deadline) -> Json:
    plural = _PLURALS["FlinkDeployment"]
    path = f"{custom_path(plural, namespace)}/{quote(name, safe='')}"
    try:
        return _allowed(client, path, deadline, f"{plural}.{GROUP}", namespace)
    except NotFound:
        return {}


def _autoscaler(client: KubeClient, namespace: str, name: str, deadline: Deadline) -> dict[str, str] | None:
    try:
        return autoscaler_data(client, namespace, name, deadline)
    except NotFound:
        return {}
    except FlinkopsError:
        return None


def _ha_metadata(client: KubeClient, namespace: str, name: str, deadline: Deadline) -> bool | None:
    """Whether there is a ConfigMap of Flink's high availability that the operator takes for a job's metadata."""
    found = _labelled(client, "configmaps", namespace, f"app={name},configmap-type=high-availability", deadline)
    return None if found is None else any(is_ha_metadata(one) for one in found)


def _labelled(client: KubeClient, kind: str, namespace: str, labels: str, deadline: Deadline) -> list[Json] | None:
    """Those of the core API with these labels; None where they could not be read."""
    try:
        return list_all(client, core_path(kind, namespace), deadline, labelSelector=labels)
    except FlinkopsError:
        return None


def is_ha_metadata(configmap: Json) -> bool:
    """As the operator tells (``isValidHaConfigMap``): the one for the election of the JobManager is none.

    That one stays when a job has ended, and those of its jobs go.
    """
    metadata = section(configmap, "metadata")
    name = text(metadata, "name") or ""
    if metadata.get("deletionTimestamp") is not None:
        return False
    if name.endswith("-config-map"):
        return not name.endswith("-cluster-config-map")
    return name.endswith("-jobmanager-leader")


def _never_started(client: KubeClient, namespace: str, name: str, deadline: Deadline) -> bool | None:
    """Whether the JobManager was never available (``jmPodNeverStarted``).

    By its Deployment, as the operator tells; where that is not allowed, by its pods: whether no container of them has
    ever run.
    """
    path = f"/apis/apps/v1/namespaces/{quote(namespace, safe='')}/deployments/{quote(name, safe='')}"
    try:
        return was_never_available(get_object(client, path, deadline))
    except NotFound:
        return False
    except FlinkopsError:
        return _no_container_ran(client, namespace, name, deadline)


def was_never_available(deployment: Json) -> bool:
    """It is not available, and has not been since it was made."""
    created = text(section(deployment, "metadata"), "creationTimestamp")
    return any(
        text(one, "type") == "Available"
        and text(one, "status") == "False"
        and created is not None
        and text(one, "lastTransitionTime") == created
        for one in items(section(deployment, "status"), "conditions")
    )


def _no_container_ran(client: KubeClient, namespace: str, name: str, deadline: Deadline) -> bool | None:
    pods = _labelled(client, "pods", namespace, f"app={name},component=jobmanager", deadline)
    if pods is None:
        return None
    containers = [one for pod in pods for one in items(section(pod, "status"), "containerStatuses")]
    ran = any(
        "running" in section(one, "state") or "terminated" in section(one, "state") or section(one, "lastState")
        for one in containers
    )
    return bool(pods) and not ran
