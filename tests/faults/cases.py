"""The faults and the healthy controls: one file each, which fixes before any rule is tuned when symptoms begin."""

from pathlib import Path
from typing import Any, Literal

import msgspec

FOLDER = Path(__file__).parent
Set = Literal["tuning", "reported"]
SETS: tuple[Set, ...] = ("tuning", "reported")
_CONFIGURATION, _FEED, _RESCALED = "configuration", "feed", "rescaled_to"


class Symptom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Symptoms begin at the first poll at which the raw fact (symptoms.FACTS) is at this limit or above."""

    fact: str
    limit: float
    why: str


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Kafka topic: so many of its partitions get records, all together so many a second."""

    partitions: int
    fed: int
    per_second: int


class Job(msgspec.Struct, frozen=True):
    """One job to run: its name, the knobs of LabJob, Flink's settings."""

    name: str
    options: dict[str, str]
    configuration: dict[str, str]
    parallelism: int = 2
    feed: Feed | None = None
    rescaled_to: int | None = None
    """In place, as soon as it runs."""


class Case(msgspec.Struct, frozen=True):
    """One fault at one strength. ``alone``: it is the TaskManager's or the cluster's, no other job runs meanwhile."""

    name: str
    strength: str
    code: str
    about: str
    symptom: Symptom
    job: Job
    alone: bool = False
    fills_slots: bool = False


class Control(msgspec.Struct, frozen=True):
    """One healthy job that is watched for a while, and what is done to it meanwhile."""

    name: str
    about: str
    watch_seconds: float
    job: Job
    during: Literal["", "rescale", "savepoint"] = ""


class _CaseFile(msgspec.Struct, forbid_unknown_fields=True):
    about: str
    code: str
    symptom: Symptom
    options: dict[str, Any]
    tuning: dict[str, dict[str, Any]]
    reported: dict[str, dict[str, Any]]
    configuration: dict[str, str] = {}
    alone: bool = False
    fills_slots: bool = False


class _ControlFile(msgspec.Struct, forbid_unknown_fields=True):
    about: str
    watch_seconds: float
    options: dict[str, Any]
    configuration: dict[str, str] = {}
    during: Literal["", "rescale", "savepoint"] = ""


def cases(chosen: Set) -> list[Case]:
    """All faults at the strengths of one set. Raises msgspec.ValidationError for a file that is wrong."""
    found: list[Case] = []
    for path in sorted((FOLDER / "injected").glob("*.toml")):
        file = msgspec.toml.decode(path.read_bytes(), type=_CaseFile)
        strengths = file.tuning if chosen == "tuning" else file.reported
        found.extend(_case(path.stem, file, strength, own) for strength, own in strengths.items())
    return found


def controls() -> list[Control]:
    """All healthy controls."""
    found = []
    for path in sorted((FOLDER / "healthy").glob("*.toml")):
        file = msgspec.toml.decode(path.read_bytes(), type=_ControlFile)
        job = _job(path.stem, file.options, file.configuration)
        found.append(Control(path.stem, file.about, file.watch_seconds, job, file.during))
    return found


def _case(name: str, file: _CaseFile, strength: str, own: dict[str, Any]) -> Case:
    configuration = file.configuration | own.pop(_CONFIGURATION, {})
    feed = msgspec.convert(own.pop(_FEED, None), Feed | None)
    rescaled_to = msgspec.convert(own.pop(_RESCALED, None), int | None)
    plain = _job(f"{name}-{strength}", file.options | own, configuration)
    job = msgspec.structs.replace(plain, feed=feed, rescaled_to=rescaled_to)
    return Case(name, strength, file.code, file.about, file.symptom, job, file.alone, file.fills_slots)


def _job(name: str, options: dict[str, Any], configuration: dict[str, str]) -> Job:
    texts = {key: str(value) for key, value in options.items()}
    return Job(f"orders-{name}", texts, configuration, int(texts.pop("parallelism", "2")))
