"""Custom resources of the Flink operator, from their JSON to facts. Pure: no I/O, never raises on odd objects.

What an older operator does not write, and what a newer one adds, is told by the presence of the field, never by a
version number.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from flinkops.clock import parse_iso_utc
from flinkops.model.facts import ResourceFacts, SnapshotFacts
from flinkops.model.json_reading import Json, items, section, text
from flinkops.model.operator_marks import LAST_STATE_DUMMY, managed_by

GROUP = "flink.apache.org"
VERSION = "v1beta1"
DEFAULT_REST_PORT = 8081
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def component(pod: Json) -> str | None:
    """What of a Flink cluster a pod is: jobmanager, taskmanager."""
    return text(section(section(pod, "metadata"), "labels"), "component")


def number(parent: object, key: str) -> int | None:
    """The integer under `key` (the operator writes some as strings), else None."""
    child = parent.get(key) if isinstance(parent, Mapping) else None
    if isinstance(child, str) and _WHOLE.fullmatch(child):
        return int(child)
    return child if isinstance(child, int) and not isinstance(child, bool) else None


def time_ms(parent: object, key: str) -> int | None:
    """A Kubernetes time (RFC 3339, up to nanoseconds) in milliseconds since the epoch, else None."""
    stamp = text(parent, key)
    if stamp is None:
        return None
    if "." in stamp:  # datetime takes at most microseconds
        whole, _, rest = stamp.partition(".")
        digits = rest.rstrip("Z")
        stamp = f"{whole}.{digits[:6]}Z" if digits.isdigit() else stamp
    try:
        return parse_iso_utc(stamp)
    except ValueError:
        return None


def identity(resource: Json) -> tuple[str, str]:
    """Namespace and name."""
    metadata = section(resource, "metadata")
    return text(metadata, "namespace") or "default", text(metadata, "name") or ""


def job_id(resource: Json) -> str | None:
    """The Flink job id that the operator recorded last."""
    return text(section(section(resource, "status"), "jobStatus"), "jobId")


def is_session_cluster(deployment: Json) -> bool:
    """A FlinkDeployment without a job of its own."""
    return not section(section(deployment, "spec"), "job")


def flink_setting(deployment: Json, key: str) -> str | None:
    """A setting of ``spec.flinkConfiguration``, written with dots or (newer operators) nested; None where not set."""
    configuration = section(section(deployment, "spec"), "flinkConfiguration")
    value = configuration.get(key)
    if value is None:
        *parents, last = key.split(".")
        for parent in parents:
            configuration = section(configuration, parent)
        value = configuration.get(last)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def rest_port(deployment: Json) -> int:
    """The port of the ``NAME-rest`` service: rest.port where it is set."""
    value = flink_setting(deployment, "rest.port") or ""
    return int(value) if value.isascii() and value.isdigit() else DEFAULT_REST_PORT


def upgrade_savepoint(resource: Json) -> str | None:
    """Path of the savepoint that the operator took when it last stopped the job.

    ``upgradeSavepointPath`` where the operator writes it (the newer field), else the last savepoint of trigger type
    UPGRADE. None when the last upgrade took none.
    """
    status = section(section(resource, "status"), "jobStatus")
    path = text(status, "upgradeSavepointPath")
    if path is not None:
        return None if path == LAST_STATE_DUMMY else path
    last = section(section(status, "savepointInfo"), "lastSavepoint")
    return text(last, "location") if last.get("triggerType") == "UPGRADE" else None


def thrown(resource: Json) -> Json | None:
    """The exception of ``status.error`` (JSON text in all operators so far; else its text as the message)."""
    raw = text(section(resource, "status"), "error")
    if raw is None:
        return None
    try:
        parsed: Json = json.loads(raw)
    except (ValueError, RecursionError):
        return {"message": raw}
    return parsed


def error_text(resource: Json) -> str | None:
    """The message of ``status.error``, on one line."""
    parsed = thrown(resource)
    if parsed is None:
        return None
    told: list[str] = []
    for cause in (parsed, *items(parsed, "throwableList")):
        message = text(cause, "message")
        if message and told and told[-1].endswith(message):
            told[-1] = message  # what wraps it only puts its own name before it
        elif message and message not in told:
            told.append(message)
    raw = text(section(resource, "status"), "error") or ""
    return " ".join(" <- ".join(told).split()) or " ".join(raw.split())


def resource_facts(resource: Json, *, context: str, kind: str) -> ResourceFacts:
    """What one FlinkDeployment or FlinkSessionJob says of itself; `context` names the cluster it is in."""
    namespace, name = identity(resource)
    metadata, spec, status = (section(resource, key) for key in ("metadata", "spec", "status"))
    job, job_status = section(spec, "job"), section(status, "jobStatus")
    owner = next(iter(items(metadata, "ownerReferences")), {})
    return ResourceFacts(
        context=context,
        namespace=namespace,
        name=name,
        kind=kind,
        resource_version=text(metadata, "resourceVersion") or "",
        generation=number(metadata, "generation"),
        observed_generation=number(status, "observedGeneration"),
        lifecycle_state=text(status, "lifecycleState"),
        reconciliation_state=text(section(status, "reconciliationStatus"), "state"),
        jobmanager_status=text(status, "jobManagerDeploymentStatus"),
        desired_state=(text(job, "state") or "running") if job else None,
        upgrade_mode=(text(job, "upgradeMode") or "stateless") if job else None,
        operator_job_state=text(job_status, "state"),
        flink_job_name=text(job_status, "jobName"),
        upgrade_savepoint=upgrade_savepoint(resource),
        deleting=text(metadata, "deletionTimestamp") is not None,
        deleting_since_ms=time_ms(metadata, "deletionTimestamp"),
        finalizers=tuple(str(one) for one in _list(metadata, "finalizers")),
        status_changed_ms=_changed_ms(metadata, of_status=True) or _operator_ms(status),
        spec_changed_ms=_changed_ms(metadata, of_status=False),
        session_cluster=text(spec, "deploymentName"),
        owner=f"{owner.get('kind')}/{owner.get('name')}" if owner else None,
        managed_by=managed_by(metadata),
        error=error_text(resource),
        image=text(spec, "image"),
        labels={str(key): str(value) for key, value in section(metadata, "labels").items()},
    )


def _list(parent: object, key: str) -> list[Any]:
    child = parent.get(key) if isinstance(parent, Mapping) else None
    return child if isinstance(child, list) else []


def _changed_ms(metadata: Json, *, of_status: bool) -> int | None:
    """When spec or status were last changed, as the API server notes it for each writer (``managedFields``)."""
    times = [
        at_ms
        for one in items(metadata, "managedFields")
        if (text(one, "subresource") == "status" if of_status else "f:spec" in section(one, "fieldsV1"))
        and (at_ms := time_ms(one, "time")) is not None
    ]
    return max(times, default=None)


def _operator_ms(status: Json) -> int | None:
    """The newest time that the operator itself has written; what it wrote without a time may be newer."""
    reconciled = number(section(status, "reconciliationStatus"), "reconciliationTimestamp")
    return max((one for one in (reconciled, number(section(status, "jobStatus"), "updateTime")) if one), default=None)


def snapshot_facts(snapshot: Json) -> SnapshotFacts:
    """One FlinkStateSnapshot."""
    spec, status = section(snapshot, "spec"), section(snapshot, "status")
    savepoint = section(spec, "savepoint")
    kind: Literal["savepoint", "checkpoint"] = "savepoint" if "savepoint" in spec else "checkpoint"
    labels = section(section(snapshot, "metadata"), "labels")
    return SnapshotFacts(
        name=identity(snapshot)[1],
        kind=kind,
        state=text(status, "state") or "TRIGGER_PENDING",
        trigger=text(labels, "snapshot.trigger-type") or "",
        path=text(status, "path") or text(savepoint, "path"),
        at_ms=time_ms(status, "resultTimestamp") or time_ms(section(snapshot, "metadata"), "creationTimestamp"),
        dispose_on_delete=savepoint.get("disposeOnDelete", True) is not False,
        error=text(status, "error"),
    )


def snapshots_by_job(snapshots: Iterable[Json]) -> dict[tuple[str, str, str], tuple[SnapshotFacts, ...]]:
    """The snapshots of each job: (namespace, kind, name) of what they refer to -> newest first."""
    found: dict[tuple[str, str, str], list[SnapshotFacts]] = {}
    for snapshot in snapshots:
        reference = section(section(snapshot, "spec"), "jobReference")
        key = (identity(snapshot)[0], text(reference, "kind") or "FlinkDeployment", text(reference, "name") or "")
        found.setdefault(key, []).append(snapshot_facts(snapshot))
    return {key: tuple(sorted(of_job, key=lambda one: -(one.at_ms or 0))) for key, of_job in found.items()}
