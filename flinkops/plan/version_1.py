"""Plans and journal entries as flinkops wrote them in schema_version 1, put into the form of today. Pure, on builtins.

A step then had an action's name and arguments that were all text (nested values as JSON in text), what it saw was a map
of texts, and a precondition was ``name:argument``. Numbers stay texts here: they are converted without `strict`.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Json = dict[str, Any]

_JSON_ARGUMENTS = ("launch", "bounds", "parallelism", "patch", "before", "known")
_ACTIONS = {"take-back": "begin-rollback"}

_OUTCOME_TAGS = {
    "trigger-savepoint": "savepoint-triggered",
    "await-savepoint": "savepoint-completed",
    "verify-savepoint": "savepoint-verified",
    "dispose-savepoint": "savepoint-disposed",
    "check-files": "files-checked",
    "require-parallelism": "parallelism-required",
    "verify-parallelism": "parallelism-seen",
    "verify-stable": "stability-seen",
    "measure-load": "load-measured",
    "verify-flow": "flow-seen",
    "verify-throughput": "throughput-seen",
    "prepare-launch": "launch-prepared",
    "stop-with-savepoint": "stop-begun",
    "await-end": "job-ended",
    "submit-job": "job-submitted",
    "verify-restored": "restore-verified",
    "cancel-job": "job-cancelled",
    "dry-run-patch": "dry-run-passed",
    "patch-resource": "resource-patched",
    "await-taken-up": "change-taken-up",
    "await-suspended": "job-suspended",
    "note-backup": "backup-kept",
    "await-upgrade-savepoint": "upgrade-savepoint-taken",
    "verify-new-job": "new-job-verified",
    "take-back": "rollback-begun",
    "remove-resource": "resource-removed",
    "create-resource": "resource-created",
}
_WAYS = {"never stopped": "not-stopped"}


def plan_hash(plan: Json) -> str:
    """What version 1 wrote as the hash of this plan: over its JSON, with the arguments of each step sorted."""
    ordered = {**plan}
    for steps in ("steps", "rollback_steps"):
        ordered[steps] = [{**one, "arguments": dict(sorted(one["arguments"].items()))} for one in plan[steps]]
    return hashlib.sha256(msgspec.json.encode(ordered)).hexdigest()


def upgraded_plan(plan: Json) -> Json:
    """A plan of version 1. Raises ValueError for what no version wrote."""
    return {
        **plan,
        "preconditions": [_precondition(one) for one in plan.get("preconditions", ())],
        "steps": [_step(one) for one in plan.get("steps", ())],
        "rollback_steps": [_step(one) for one in plan.get("rollback_steps", ())],
    }


def upgraded_entry(entry: Json) -> Json:
    """A line of a journal of version 1. Raises ValueError for what no version wrote."""
    new = {key: value for key, value in entry.items() if key != "seen"}
    if (plan := entry.get("plan")) is not None:
        new["plan"] = upgraded_plan(plan)
    if entry.get("event") == "outcome":
        new["found"] = _outcomes(entry.get("action", ""), entry.get("seen", {}), entry.get("outcome") == "ok")
    if entry.get("action") in _ACTIONS:
        new["action"] = _ACTIONS[entry["action"]]
    return new


def _precondition(word: str) -> Json:
    name, _, argument = word.partition(":")
    if name == "parallelism":
        vertex, _, parallelism = argument.partition("=")
        return {"requires": name, "vertex": vertex, "parallelism": parallelism}
    fields = {"job-id": "job_id", "state": "state", "uid": "uid", "spec": "hash"}
    return {"requires": name, **({fields[name]: argument} if name in fields else {})}


def _step(step: Json) -> Json:
    action = step["action"]
    arguments = {key: _argument(key, value) for key, value in step.get("arguments", {}).items()}
    if "format" in arguments:
        arguments["savepoint_format"] = arguments.pop("format").lower()
    if action in ("remove-resource", "create-resource"):
        arguments["of_rollback"] = "way" in arguments
    do = {**arguments, "action": _ACTIONS.get(action, action)}
    return {"name": step["name"], "do": do, "only_reads": step.get("only_looks", False)}


def _argument(name: str, value: str) -> Any:
    if name in _JSON_ARGUMENTS:
        return msgspec.json.decode(value)
    return None if (name, value) == ("mode", "back") else value  # as the rollback decides


def _outcomes(action: str, seen: Mapping[str, str], ended_well: bool) -> list[Json]:
    """What was noted on the way stands beside what the step found; a step that failed has found nothing else."""
    left = {name: value for name, value in seen.items() if value != ""}
    noted = [one for note in _NOTES if (one := note(left)) is not None]
    if not ended_well:
        return noted
    tag = _OUTCOME_TAGS.get(action, action)
    if (way := left.pop("way_back", None)) is not None:
        left["rollback_way"] = _WAYS.get(way, way)
    return [*noted, {"found": tag, **left}]


def _checkpoint_noted(left: dict[str, str]) -> Json | None:
    names = ("checkpoint_before", "checkpoint_path")
    found = {name: left.pop(name) for name in names if name in left}
    return {"found": "checkpoint-noted", **found} if "checkpoint_before" in found else None


def _state_lost(left: dict[str, str]) -> Json | None:
    why = left.pop("went_back", None)
    if why is None:
        return None
    found = {"found": "state-lost", "state_lost": why}
    if (at := left.pop("began_anew_ms", None)) is not None:
        found["restarted_empty_ms"] = at
        if "stopped_ms" in left:
            found["stopped_ms"] = left.pop("stopped_ms")
    return found


def _job_gone(left: dict[str, str]) -> Json | None:
    why = left.pop("job_gone", None)
    return None if why is None else {"found": "job-gone", "job_gone": why}


_NOTES: tuple[Callable[[dict[str, str]], Json | None], ...] = (_checkpoint_noted, _state_lost, _job_gone)
