"""The faults and the healthy controls: one file each, which fixes before any rule is tuned when symptoms begin."""

from pathlib import Path
from typing import Any, Literal

import msgspec

FOLDER = Path(__file__).parent
Set = Literal["tuning", "reported"]
SETS: tuple[Set, ...] = ("tuning", "reported")
During = Literal["", "rescale", "savepoint", "topic-deleted", "topic-recreated", "network-cut"]
"""What is done to the job while it is watched; the first two are harmless by themselves."""


SecondTaskManager = Literal["", "plain", "clock-ahead"]
"""A second TaskManager, to which a half of the job's subtasks go; its clock may be wrong."""


class Symptom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Symptoms begin at the first poll at which the raw fact (symptoms.FACTS) is at this limit or above."""

    fact: str
    limit: float
    why: str = ""


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Kafka topic: so many of its partitions get records, all together so many a second.

    ``hot_share`` of them go to the first partition, the rest evenly to all that are fed.
    """

    partitions: int
    fed: int
    per_second: int
    hot_share: float = 0.0
    hung_after_seconds: float | None = None
    """Then a transaction is opened in each of these partitions, and never ended."""


class Job(msgspec.Struct, frozen=True):
    """One job to run: its name, the knobs of LabJob, Flink's settings."""

    name: str
    options: dict[str, str]
    configuration: dict[str, str]
    parallelism: int = 2
    feed: Feed | None = None
    rescaled_to: int | None = None
    """In place, as soon as it runs."""
    small_disk_megabytes: int | None = None
    """What RocksDB works in."""


class Case(msgspec.Struct, frozen=True):
    """One fault, or several at once, at one strength; the first of ``codes`` is the one to be named first.

    ``alone``: it is the TaskManager's or the cluster's, no other job runs meanwhile. ``symptom`` None: it is there
    from the submission on. ``watch_seconds``: for how long to ask after its symptoms. ``beside``: jobs that run
    meanwhile, and of which nothing is asked.
    """

    name: str
    strength: str
    codes: tuple[str, ...]
    about: str
    symptom: Symptom | None
    job: Job
    alone: bool = False
    fills_slots: bool = False
    during: During = ""
    watch_seconds: float | None = None
    beside: tuple[Job, ...] = ()
    twice: bool = False
    """The job itself runs a second time."""
    second_taskmanager: SecondTaskManager = ""

    @property
    def code(self) -> str:
        """The one to be named first."""
        return self.codes[0]


class Control(msgspec.Struct, frozen=True):
    """One healthy job that is watched for a while, and what is done to it meanwhile."""

    name: str
    about: str
    watch_seconds: float
    job: Job
    during: During = ""


class CaseFile(msgspec.Struct, forbid_unknown_fields=True):
    """One file: a fault with ``code`` or ``codes``, a healthy control without. A strength adds to the options."""

    about: str = ""
    code: str | None = None
    codes: tuple[str, ...] | None = None
    symptom: Symptom | None = None
    options: dict[str, Any] = {}
    tuning: dict[str, dict[str, Any]] = {}
    reported: dict[str, dict[str, Any]] = {}
    configuration: dict[str, str] = {}
    alone: bool = False
    fills_slots: bool = False
    during: During = ""
    watch_seconds: float | None = None
    beside: dict[str, dict[str, Any]] = {}
    twice: bool = False
    second_taskmanager: SecondTaskManager = ""
    small_disk_megabytes: int | None = None
