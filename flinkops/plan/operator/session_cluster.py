"""A session job as the Flink operator sees it: together with the FlinkDeployment that it runs on. Pure.

Source: apache/flink-kubernetes-operator 1.7.0, ``SessionJobReconciler``, ``FlinkConfigManager.getSessionJobConfig`` and
``DefaultValidator.validateSessionJob``.
"""

from collections.abc import Mapping
from typing import Any

from flinkops.model.json_reading import section
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.spec import configuration, job_of

Resource = Mapping[str, Any]

SESSION_JOB = "FlinkSessionJob"


def is_session_job(resource: Resource) -> bool:
    """Whether it is a job that is submitted to a Flink cluster which is a resource of its own."""
    return resource.get("kind") == SESSION_JOB


def has_job(resource: Resource) -> bool:
    """Whether it is an application, or a session job; not a session cluster."""
    return bool(job_of(section(resource, "spec")))


def on_cluster(spec: Spec, cluster: Resource | None) -> dict[str, Any]:
    """The spec with what the cluster adds: its Flink version, and its settings wherever the job has none of its own."""
    if cluster is None:
        return dict(spec)
    of_cluster = section(cluster, "spec")
    settings = {**configuration(of_cluster), **configuration(spec)}
    return {**spec, "flinkVersion": of_cluster.get("flinkVersion"), "flinkConfiguration": settings}


def joined(resource: Resource, cluster: Resource | None) -> dict[str, Any]:
    """The resource with the spec and the JobManager's status as the operator puts them together."""
    if cluster is None:
        return dict(resource)
    manager = section(cluster, "status").get("jobManagerDeploymentStatus")
    status = {**section(resource, "status"), "jobManagerDeploymentStatus": manager}
    return {**resource, "spec": on_cluster(section(resource, "spec"), cluster), "status": status}


def why_not_ready(resource: Resource, cluster: Resource | None) -> str | None:
    """Why the operator does nothing about a session job just now; None when it does."""
    name = section(resource, "spec").get("deploymentName")
    if not cluster:
        return f"the operator waits for its session cluster: there is no FlinkDeployment {name}"
    manager = section(cluster, "status").get("jobManagerDeploymentStatus")
    return None if manager == "READY" else f"the operator waits for its session cluster {name}: JobManager {manager}"
