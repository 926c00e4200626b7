"""The status document (docs/contract: schema_version 1) as JSON, JSON lines and YAML."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from flinkops.clock import iso_utc
from flinkops.model.assessment import FleetAssessment, JobAssessment, Reason
from flinkops.model.facts import ResourceFacts, SourceStatus
from flinkops.model.measures import MEASURES
from flinkops.model.operator_resource import held_by
from flinkops.outside.text import shown

SCHEMA_VERSION = 1
_DIGITS = 6

# What a terminal might obey or hide, in data that is otherwise printed as it is: written as \uXXXX, it stays the same.
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")

# Those of the job itself; the measures follow by themselves.
_FIELDS = JobAssessment.__struct_fields__
JOB_FIELDS = _FIELDS[: _FIELDS.index("not_applicable") + 1]
RESOURCE_FIELDS = (
    "image",
    "upgrade_mode",
    "upgrade_savepoint",
    "generation",
    "observed_generation",
    "session_cluster",
    "owner",
    "blue_green_state",
    "managed_by",
    "operator_version",
)
VERTEX_FIELDS = (
    "id",
    "name",
    "parallelism",
    "busy_ratio",
    "backpressured_ratio",
    "idle_ratio",
    "records_in_per_second",
    "records_out_per_second",
    "watermark",
    "watermark_state",
)


def status_document(fleet: FleetAssessment) -> dict[str, Any]:
    """The document as plain values, in the contract's order."""
    return {
        **_header(fleet),
        "sources": [source_document(source) for source in fleet.sources],
        "jobs": [job_document(job) for job in fleet.jobs],
    }


def job_document(job: JobAssessment) -> dict[str, Any]:
    """One job of the document."""
    reasons = job.health.reasons
    special = {
        "health": {"level": job.health.level, "reasons": [_reason(reason) for reason in reasons]},
        "vertices": [{field: _plain(getattr(vertex, field)) for field in VERTEX_FIELDS} for vertex in job.vertices],
        "unknown": {**job.unknown, **_without_number(reasons), **_undated_deletion(job)},
    }
    document = {field: special[field] if field in special else _plain(getattr(job, field)) for field in JOB_FIELDS}
    document |= {each.name: _plain(job.measures.get(each.name)) for each in MEASURES}
    if job.facts is not None and job.facts.resource is not None:
        document["resource"] = resource_document(job.facts.resource)
    return document


def _undated_deletion(job: JobAssessment) -> dict[str, str]:
    resource = None if job.facts is None else job.facts.resource
    if resource is None or not resource.deleting or iso_utc(resource.deleting_since_ms) is not None:
        return {}
    return {"resource.deletion.since": "the resource is being deleted, and its deletionTimestamp is not a time"}


def resource_document(resource: ResourceFacts) -> dict[str, Any]:
    """What the operator's resource says beside the measurements; only what it does say."""
    said = {field: getattr(resource, field) for field in RESOURCE_FIELDS}
    document = {field: value for field, value in said.items() if value is not None}
    if resource.deleting:
        since = iso_utc(resource.deleting_since_ms)
        document["deletion"] = {"since": since, "held_by": held_by(resource), "finalizers": list(resource.finalizers)}
    if resource.snapshots:
        document["snapshots"] = [msgspec.to_builtins(one) for one in resource.snapshots]
    return document


def source_document(source: SourceStatus) -> dict[str, Any]:
    """One source of the document."""
    return {
        "name": source.name,
        "kind": "rest" if source.kind == "recording" else source.kind,
        "state": source.state,
        "age_seconds": _plain(source.age_seconds),
        "error": source.error,
    }


def encode_line(document: Any) -> str:
    """One line of JSON; secrets are masked, what a terminal would obey is escaped."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", msgspec.json.encode(shown(document)).decode())


def encode_yaml(document: Any) -> str:
    """YAML, likewise."""
    import yaml

    return yaml.safe_dump(shown(document), sort_keys=False, allow_unicode=False, width=120).rstrip("\n")


def status_json(fleet: FleetAssessment) -> str:
    """The document on one line."""
    return encode_line(status_document(fleet))


def status_jsonl(fleet: FleetAssessment) -> str:
    """A line for each job, each with the time of the snapshot."""
    taken_at = iso_utc(fleet.taken_ms)
    return "\n".join(
        encode_line({"schema_version": SCHEMA_VERSION, "taken_at": taken_at, **job_document(job)}) for job in fleet.jobs
    )


def status_yaml(fleet: FleetAssessment) -> str:
    """The document as YAML."""
    return encode_yaml(status_document(fleet))


def _header(fleet: FleetAssessment) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "taken_at": iso_utc(fleet.taken_ms),
        "poll_seconds": _plain(fleet.poll_seconds),
    }


def _reason(reason: Reason) -> dict[str, Any]:
    since = iso_utc(reason.since_ms)
    return {
        "code": reason.code.value,
        "text": reason.text,
        "value": _plain(reason.value),
        "limit": _plain(reason.limit),
        "level": reason.level,
        "brief": reason.cell,
        **({"since": since} if since else {}),
    }


def _without_number(reasons: Sequence[Reason]) -> dict[str, str]:
    """Every null of the document has its reason, these too."""
    return {
        f"health.reasons.{index}.{field}": "this reason is not a number against a limit"
        for index, reason in enumerate(reasons)
        for field in ("value", "limit")
        if getattr(reason, field) is None
    }


def _plain(value: Any) -> Any:
    """Structs as dicts, floats to the microsecond and the byte: more digits only look exact."""
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, msgspec.Struct):
        return {field: _plain(getattr(value, field)) for field in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
