"""The journal: what was about to be done and what came of it, one line of JSON each.

A line is on the disk before the step that it announces begins. A crash may tear the last line, which is repaired in
silence. A line that cannot be read otherwise may be an action that is not finished: until `repair` has set it aside,
no action begins.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from flinkops.act.journal_file import JournalFile, Line, Reserve
from flinkops.act.step_kinds import known_members
from flinkops.clock import Clock, iso_utc
from flinkops.errors import OperationFailed, Refused, UsageError
from flinkops.model.plan import Plan, StepResult, Target, Verb
from flinkops.model.steps import Findings, StepOutcome, described
from flinkops.model.tagged import UNREADABLE, work_out
from flinkops.outside.shell import shell_word
from flinkops.ownership import current_user
from flinkops.plan.version_1 import upgraded_entry
from flinkops.private_file import refuse_shared_folder
from flinkops.user_folders import state_folder

SCHEMA_VERSION = 2
REPAIR = "flinkops action repair"
_BYTES_A_STEP = 8_192  # its two lines; errors and what was seen are much shorter
_BYTES_BESIDE_STEPS = 65_536

EventName = Literal["planned", "intent", "outcome", "interrupted", "finished"]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line. ``planned`` carries the whole plan; ``intent`` comes before a step, ``outcome`` after it.

    ``found`` is what the step found and noted on the way, each under the tag of its struct.
    """

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
    found: tuple[StepOutcome, ...] = ()
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
    outcomes: tuple[StepOutcome, ...] = ()
    unfinished_step: str | None = None

    @property
    def label(self) -> str:
        """The action by its verb and id; ids that were made here begin with the verb."""
        verb, plan_id = self.plan.verb, self.plan.id
        return plan_id if plan_id.startswith(verb) else f"{verb} {plan_id}"

    @property
    def resumable(self) -> bool:
        """It stopped in the middle: killed, interrupted, or its time was up."""
        return self.outcome in (None, "timed-out")

    @property
    def found(self) -> Findings:
        """What its steps found."""
        return Findings(self.outcomes)


class Damage(msgspec.Struct, frozen=True):
    """A line that says nothing to this version. ``newer``: a later flinkops wrote it, and can read it."""

    path: Path
    number: int
    reason: str
    newer: bool = False

    def __str__(self) -> str:
        return f"line {self.number} of {self.path}: {self.reason}"


class Repair(msgspec.Struct, frozen=True):
    """What `Journal.repair` did: the lines that it set aside, and where everything is kept as it was."""

    set_aside: tuple[Damage, ...]
    copy: Path | None
    unfinished: tuple[ActionRecord, ...]


class JournalFailed(OperationFailed):
    """A line could not be written; what it would have said is not recorded."""


class Journal:
    """One journal in one folder, which several processes may share."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._file = JournalFile(folder)
        self.path = self._file.path
        self._clock = clock
        self._who = current_user()
        self._host = socket.gethostname()
        self._reserves: dict[str, Reserve] = {}

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
        found: Sequence[StepOutcome] = (),
        error: str | None = None,
    ) -> Entry:
        """Write one line and wait until it is on the disk. Raises JournalFailed when that cannot be done."""
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
            found=tuple(found),
            error=error,
            plan=plan if event == "planned" else None,
        )
        self._write(entry)
        return entry

    def _write(self, entry: Entry) -> None:
        # The plan has to go into the file itself: without room for it nothing begins.
        reserve = None if entry.event == "planned" else self._reserves.get(entry.plan_id)
        try:
            self._file.append(msgspec.json.encode(entry) + b"\n", reserve)
        except OSError as problem:
            raise JournalFailed(f"the journal {self.path} cannot be written: {problem.strerror or problem}") from None

    @contextmanager
    def room_for(self, plan: Plan) -> Iterator[None]:
        """The disk space of all lines of an action, set aside before its first step.

        Raises Refused when there is none: nothing has been done then.
        """
        size = len(msgspec.json.encode(plan))
        steps = len(plan.steps) + len(plan.rollback_steps)
        try:
            reserved = self._file.reserved(plan.id, 2 * size + steps * _BYTES_A_STEP + _BYTES_BESIDE_STEPS)
            reserve = reserved.__enter__()
        except OSError as problem:
            raise Refused(
                f"the journal {self.path} has no room for a whole action: {problem.strerror or problem};"
                " nothing was done",
                next_step="free some space, or choose another folder with --journal DIR",
            ) from None
        self._reserves[plan.id] = reserve
        try:
            yield
        finally:
            del self._reserves[plan.id]
            reserved.__exit__(None, None, None)

    def entries(self) -> Iterator[Entry]:
        """All lines that can be read, oldest first. Raises OperationFailed when the file cannot be."""
        return iter(self._read()[0])

    def damage(self) -> tuple[Damage, ...]:
        """The lines that cannot be read, without a torn last one."""
        return self._read()[1]

    def refuse_damaged(self) -> None:
        """Raises Refused when a line cannot be read: it may be an action that is not finished."""
        if not (damage := self.damage()):
            return
        more = f" (and {len(damage) - 1} more)" if len(damage) > 1 else ""
        next_step = "use the newer flinkops, or another folder with --journal DIR"
        if not any(one.newer for one in damage):
            next_step = f"{REPAIR} sets such lines aside and keeps a copy"
        raise Refused(f"the journal is damaged: {damage[0]}{more}; nothing is done beside it", next_step=next_step)

    def refuse_shared(self) -> None:
        """Raises Refused when others can read into the folder. The user's own is closed to them instead."""
        with suppress(OSError, UsageError):
            if self.folder == default_folder():
                self.folder.chmod(0o700)
        refuse_shared_folder(self.folder, instead=f"chmod 700 {shell_word(str(self.folder))}, or choose another")

    def repair(self) -> Repair:
        """Set aside what cannot be read; every action of which a line can be read stays.

        Raises Refused for lines of a newer version, OperationFailed when the folder cannot be written.
        """
        damage = self.damage()
        if newer := [one for one in damage if one.newer]:
            raise Refused(
                f"{newer[0]}; it is not set aside", next_step="use the newer flinkops, or another folder with --journal"
            )
        if not damage:
            return Repair((), None, self._unfinished())
        at = (iso_utc(self._clock.now_ms()) or "").replace(":", "").replace("-", "")
        try:
            copy = self._file.rewrite(_readable, f".damaged-{at}")
        except OSError as problem:
            raise OperationFailed(
                f"the journal {self.path} cannot be repaired: {problem.strerror or problem}; it is as it was"
            ) from None
        return Repair(damage, copy, self._unfinished())

    def records(self) -> tuple[ActionRecord, ...]:
        """One record a plan, oldest first."""
        grouped: dict[str, list[Entry]] = {}
        for entry in self.entries():
            grouped.setdefault(entry.plan_id, []).append(entry)
        return tuple(_record(entries) for entries in grouped.values())

    def record(self, plan_id: str) -> ActionRecord:
        """The record of one plan. Raises UsageError when there is none."""
        for record in self.records():
            if record.plan.id == plan_id:
                return record
        raise UsageError(f"the journal {self.path} knows no action {plan_id!r}", next_step="flinkops history")

    def _unfinished(self) -> tuple[ActionRecord, ...]:
        return tuple(record for record in self.records() if record.resumable)

    def _read(self) -> tuple[list[Entry], tuple[Damage, ...]]:
        try:
            lines = self._file.lines()
        except OSError as problem:
            raise OperationFailed(f"the journal {self.path} cannot be read: {problem.strerror or problem}") from None
        read = [_entry(line) for line in lines]
        return (
            [one for one in read if isinstance(one, Entry)],
            tuple(one for one in read if isinstance(one, Damage)),
        )


class _Version(msgspec.Struct):
    schema_version: int


_version = msgspec.json.Decoder(_Version)


@cache
def _decoder() -> "msgspec.json.Decoder[Entry]":
    work_out(Entry)
    return msgspec.json.Decoder(Entry, dec_hook=known_members().hook())


def _entry(line: Line) -> Entry | Damage:
    try:
        version = _version.decode(line.content).schema_version
        if version > SCHEMA_VERSION:
            return Damage(line.path, line.number, f"a newer flinkops wrote it (schema_version {version})", newer=True)
        if version == 1:
            return known_members().convert(upgraded_entry(msgspec.json.decode(line.content)), Entry, strict=False)
        return _decoder().decode(line.content)
    except UNREADABLE as problem:
        return Damage(line.path, line.number, f"it cannot be read: {problem}"[:200])


def _readable(lines: list[Line]) -> list[bytes]:
    return [line.content for line in lines if isinstance(_entry(line), Entry)]


def default_folder() -> Path:
    """The user's state folder of this program."""
    return state_folder() / "journal"


def _record(entries: list[Entry]) -> ActionRecord:
    planned = next((entry for entry in entries if entry.plan is not None), entries[0])
    steps: dict[str, StepResult] = {}
    outcomes: list[StepOutcome] = []
    finished: Entry | None = None
    unfinished: str | None = None
    for entry in entries:
        if entry.event == "intent":
            finished, unfinished = None, entry.step
        elif entry.event == "outcome":
            unfinished = None
            outcomes.extend(entry.found)
            steps[entry.step] = _step_result(entry)
        elif entry.event == "finished":
            finished = entry
    return ActionRecord(
        plan=planned.plan or _lost_plan(entries[0]),
        plan_hash=planned.plan_hash,
        started_ms=planned.at_ms,
        who=planned.who,
        host=entries[-1].host,
        pid=entries[-1].pid,
        outcome=finished.outcome if finished else None,
        error=finished.error if finished else None,
        ended_ms=finished.at_ms if finished else None,
        steps=tuple(steps.values()),
        outcomes=tuple(outcomes),
        unfinished_step=unfinished,
    )


def _lost_plan(entry: Entry) -> Plan:
    """What stands for the plan of an action whose first line was damaged: it cannot be resumed, only given up."""
    try:
        verb = msgspec.convert(entry.verb, Verb)
    except msgspec.ValidationError:
        verb = "upgrade"
    kind = "rest" if entry.namespace is None else "FlinkDeployment"
    return Plan(
        id=entry.plan_id,
        verb=verb,
        target=Target(entry.source, entry.job_name, entry.job_id, entry.namespace, kind),
        created_ms=entry.at_ms,
        refused=("its plan was lost with a damaged line of the journal: see to the job, then give the action up",),
    )


def _step_result(entry: Entry) -> StepResult:
    outcome: Literal["ok", "failed", "timed-out", "skipped"] = "failed"
    if entry.outcome in ("ok", "timed-out", "skipped"):
        outcome = entry.outcome  # type: ignore[assignment]
    text = entry.error or described(entry.found)
    return StepResult(entry.step, entry.at_ms, entry.seconds or 0.0, outcome, text)
