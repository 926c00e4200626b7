"""What identifies a plan: its id, its hash, and the ids derived from it that make its steps idempotent."""

import hashlib
from typing import Any

import msgspec

from flinkops.clock import iso_utc
from flinkops.errors import UsageError
from flinkops.model.plan import Plan
from flinkops.model.tagged import UNREADABLE, Members
from flinkops.plan import version_1

FILE_SCHEMA_VERSION = 2


class Stamp(msgspec.Struct, frozen=True):
    """When a plan is made, under which id, and the command line that says the same."""

    plan_id: str
    now_ms: int
    command: str = ""


def stamp(verb: str, now_ms: int, randomness: bytes, command: str = "") -> Stamp:
    """A stamp with an id that sorts by time and that people can type.

    >>> stamp("savepoint-create", 0, bytes([1, 2, 3])).plan_id
    'savepoint-create-19700101T000000-010203'
    """
    at = (iso_utc(now_ms) or "").partition(".")[0].replace("-", "").replace(":", "")
    return Stamp(f"{verb}-{at}-{randomness.hex()}", now_ms, command)


def canonical_json(value: object) -> str:
    """JSON with sorted keys: what a step's arguments hold, and what is hashed.

    UsageError for a text of bytes that are no UTF-8: neither Flink nor the journal could keep it.
    """
    try:
        return msgspec.json.encode(value, order="deterministic").decode()
    except UnicodeEncodeError as problem:
        raise UsageError(f"{problem.object!a} is not UTF-8", next_step="nothing was done; name it in UTF-8") from None


def plan_hash(plan: Plan) -> str:
    """SHA-256 over everything in the plan: two plans with the same hash do the same."""
    return hashlib.sha256(canonical_json(plan).encode()).hexdigest()


def derived_id(plan_id: str, purpose: str) -> str:
    """32 hexadecimal digits, the same for the same plan and purpose.

    Flink takes such an id for a savepoint trigger and for a job, and starts neither twice: that is what makes
    repeating a step after a crash safe.
    """
    return hashlib.sha256(f"{plan_id}/{purpose}".encode()).hexdigest()[:32]


class _PlanFile(msgspec.Struct, frozen=True):
    schema_version: int
    hash: str
    plan: Plan


class _RawPlanFile(msgspec.Struct, frozen=True):
    schema_version: int
    hash: str
    plan: dict[str, Any]


def encode_plan_file(plan: Plan) -> bytes:
    """A saved plan (``--out``), readable by people too."""
    document = _PlanFile(FILE_SCHEMA_VERSION, plan_hash(plan), plan)
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def decode_plan_file(content: bytes, name: str, members: Members) -> Plan:
    """The inverse of :func:`encode_plan_file`, also for files of earlier versions; `name` is the file's, for messages.

    `members` are the steps and preconditions that are known. Raises UsageError when it is no plan, one of a newer
    version or another build, or one that was edited: what was confirmed is done.
    """
    try:
        document = msgspec.json.decode(content, type=_RawPlanFile)
        version = document.schema_version
        if version > FILE_SCHEMA_VERSION:
            raise UsageError(
                f"{name} has schema_version {version}, this flinkops reads up to {FILE_SCHEMA_VERSION}",
                next_step="use the newer flinkops that saved it",
            )
        plan = version_1.upgraded_plan(document.plan) if version == 1 else document.plan
        read = members.convert(plan, Plan, strict=version != 1)
        digest = version_1.plan_hash(document.plan) if version == 1 else plan_hash(read)
    except UNREADABLE as problem:
        raise UsageError(f"{name} is not a saved plan: {problem}", next_step="make one with --out FILE") from None
    if document.hash != digest:
        if version != 1 and (field := _other_field(document.plan, msgspec.to_builtins(read))) is not None:
            raise UsageError(
                f"{name} was saved by another version of flinkops, whose plans differ in {field}",
                next_step="plan again with --out FILE, or apply it with the flinkops that saved it",
            )
        raise UsageError(f"{name} was changed after it was saved", next_step="plan again with --out FILE")
    return read


def _other_field(saved: object, read: object, at: str = "") -> str | None:
    """The first field that only one of the two has, dotted; None where they differ in values alone."""
    if isinstance(saved, dict) and isinstance(read, dict):
        if alone := sorted(saved.keys() ^ read.keys()):
            return f"{at}{alone[0]}"
        pairs = [(str(key), saved[key], read[key]) for key in saved]
    elif isinstance(saved, list | tuple) and isinstance(read, list | tuple):
        pairs = [(str(index), *both) for index, both in enumerate(zip(saved, read, strict=False))]
    else:
        return None
    return next((found for key, one, other in pairs if (found := _other_field(one, other, f"{at}{key}."))), None)
