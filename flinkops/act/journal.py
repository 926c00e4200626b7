"""The journal: what was about to be done and what came of it, one line of JSON each, never rewritten.

A line is on the disk before the step that it announces begins. A crash may tear the last line: readers skip it,
the next writer starts a new one.
"""

import fcntl
import getpass
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from flinkops.clock import Clock
from flinkops.errors import OperationFailed, UsageError
from flinkops.model.plan import Plan, StepResult, is_for_people

SCHEMA_VERSION = 1
JOURNAL_FILE = "journal.jsonl"

EventName = Literal["planned", "intent", "outcome", "interrupted", "finished"]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line. ``planned`` carries the whole plan; ``intent`` comes before a step, ``outcome`` after it."""

    schema_version: int
    at_ms: int
    event: EventName
    plan_id: str
    plan_hash: str
    who: str
    host: str
    pid: int
    verb: str
    source: str
    job_name: str
    job_id: str
    namespace: str | None = None
    step: str = ""
    action: str = ""
    outcome: str = ""
    seconds: float | None = None
    seen: dict[str, str] = {}
    error: str | None = None
    plan: Plan | None = None


class ActionRecord(msgspec.Struct, frozen=True):
    """All that the journal knows of one plan. ``outcome`` None: it never came to an end."""

    plan: Plan
    plan_hash: str
    started_ms: int
    who: str
    host: str
    pid: int
    outcome: str | None = None
    error: str | None = None
    ended_ms: int | None = None
    steps: tuple[StepResult, ...] = ()
    seen: dict[str, str] = {}
    unfinished_step: str | None = None

    @property
    def resumable(self) -> bool:
        """It stopped in the middle: killed, interrupted, or its time was up."""
        return self.outcome in (None, "timed-out")


class Journal:
    """One journal in one folder, which several processes may share."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.path = folder / JOURNAL_FILE
        self._clock = clock
        self._who = _user()
        self._host = socket.gethostname()

    def append(
        self,
        event: EventName,
        plan: Plan,
        plan_hash: str,
        *,
        step: str = "",
        action: str = "",
        outcome: str = "",
        seconds: float | None = None,
        seen: dict[str, str] | None = None,
        error: str | None = None,
    ) -> Entry:
        """Write one line and wait until it is on the disk. Raises OperationFailed when that cannot be done."""
        entry = Entry(
            schema_version=SCHEMA_VERSION,
            at_ms=self._clock.now_ms(),
            event=event,
            plan_id=plan.id,
            plan_hash=plan_hash,
            who=self._who,
            host=self._host,
            pid=os.getpid(),
            verb=plan.verb,
            source=plan.target.source,
            job_name=plan.target.job_name,
            job_id=plan.target.job_id,
            namespace=plan.target.namespace,
            step=step,
            action=action,
            outcome=outcome,
            seconds=None if seconds is None else round(seconds, 3),
            seen=seen or {},
            error=error,
            plan=plan if event == "planned" else None,
        )
        try:
            self._write(msgspec.json.encode(entry) + b"\n")
        except OSError as problem:
            raise OperationFailed(
                f"the journal {self.path} cannot be written: {problem.strerror or problem}",
                next_step="nothing is done without a journal; choose another folder with --journal DIR",
            ) from None
        return entry

    def entries(self) -> Iterator[Entry]:
        """All lines that can be read, oldest first; torn lines and those of newer versions are skipped."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as problem:
            raise OperationFailed(f"the journal {self.path} cannot be read: {problem.strerror or problem}") from None
        for line in content.splitlines():
            try:
                yield _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue

    def records(self) -> tuple[ActionRecord, ...]:
        """One record a plan, oldest first."""
        grouped: dict[str, list[Entry]] = {}
        for entry in self.entries():
            grouped.setdefault(entry.plan_id, []).append(entry)
        return tuple(record for entries in grouped.values() if (record := _record(entries)) is not None)

    def record(self, plan_id: str) -> ActionRecord:
        """The record of one plan. Raises UsageError when there is none."""
        for record in self.records():
            if record.plan.id == plan_id:
                return record
        raise UsageError(f"the journal {self.path} knows no action {plan_id!r}", next_step="flinkops history")

    def _write(self, line: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # somebody died in the middle of a line
            while line:
                line = line[os.write(descriptor, line) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(self.folder)


_decoder = msgspec.json.Decoder(Entry)


def default_folder() -> Path:
    """The user's state folder of this program."""
    import platformdirs

    return platformdirs.user_state_path("flinkops") / "journal"


def _record(entries: list[Entry]) -> ActionRecord | None:
    planned = next((entry for entry in entries if entry.plan is not None), None)
    if planned is None or planned.plan is None:
        return None
    steps: dict[str, StepResult] = {}
    seen: dict[str, str] = {}
    finished: Entry | None = None
    unfinished: str | None = None
    for entry in entries:
        if entry.event == "intent":
            finished, unfinished = None, entry.step
        elif entry.event == "outcome":
            unfinished = None
            seen.update(entry.seen)
            steps[entry.step] = _step_result(entry)
        elif entry.event == "finished":
            finished = entry
    return ActionRecord(
        plan=planned.plan,
        plan_hash=planned.plan_hash,
        started_ms=planned.at_ms,
        who=planned.who,
        host=entries[-1].host,
        pid=entries[-1].pid,
        outcome=finished.outcome if finished else None,
        error=finished.error if finished else None,
        ended_ms=finished.at_ms if finished else None,
        steps=tuple(steps.values()),
        seen=seen,
        unfinished_step=unfinished,
    )


def _step_result(entry: Entry) -> StepResult:
    outcome: Literal["ok", "failed", "timed-out", "skipped"] = "failed"
    if entry.outcome in ("ok", "timed-out", "skipped"):
        outcome = entry.outcome  # type: ignore[assignment]
    text = entry.error or describe_seen(entry.seen)
    return StepResult(entry.step, entry.at_ms, entry.seconds or 0.0, outcome, text)


def describe_seen(seen: dict[str, str]) -> str:
    """What a step saw, in one line, without what only later steps need."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in seen.items() if value and is_for_people(name)
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
