"""What can be done to a job from the screen, what is typed for it, and the command that does the same. Pure."""

import shlex
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flinkops.errors import FlinkopsError, UsageError
from flinkops.model.assessment import JobAssessment
from flinkops.model.plan import Plan, Result
from flinkops.outside.shell import shell_words
from flinkops.sources.protocol import TakesActions
from flinkops.tui.job_view import selector

if TYPE_CHECKING:  # imported when something is to be done: the first paint does not wait for it
    from flinkops.act.executor import Progress
    from flinkops.model.request import ActionRequest, RequestVerb

_MODES = frozenset({"--savepoint", "--last-state", "--stateless"})


@dataclass(frozen=True)
class Kind:
    """One thing that can be done to a job. `hint` non-empty: what to type for it, as on the command line."""

    title: str
    verb: "RequestVerb"
    command: str
    says: str
    hint: str = ""


KINDS = (
    Kind("savepoint", "savepoint-create", "savepoint create", "while it runs on"),
    Kind("rescale", "rescale", "rescale", "another parallelism in place", "2, or VERTEX=2 VERTEX=3 (ids)"),
    Kind("upgrade", "upgrade", "upgrade", "stop with a savepoint, start changed",
         "--image IMAGE --parallelism 2 --set KEY=VALUE --arg ARG --jar JAR --entry-class C --py FILE"),
    Kind("restart", "restart", "restart", "stop with a savepoint, start as it was"),
    Kind("suspend", "suspend", "suspend", "stop with a savepoint"),
    Kind("resume", "resume", "resume", "start from the latest savepoint"),
    Kind("rollback", "rollback", "rollback", "back before its last upgrade, with its state"),
)  # fmt: skip
SAVEPOINT = KINDS[0]


def words_of(kind: Kind, text: str) -> list[str]:
    """What was typed for it, as words of the command line. Raises UsageError when it makes no sense."""
    try:
        words = shlex.split(text)
    except ValueError as problem:  # a quotation that does not end
        raise UsageError(f"{text!r}: {problem}") from None
    if kind.verb == "upgrade":
        return words if _MODES & set(words) else ["--savepoint", *words]
    if kind.verb == "rescale" and not any(word.startswith("-") for word in words):
        return _rescale_words(words)
    return words


def _rescale_words(words: list[str]) -> list[str]:
    """A number for all vertices, or ID=N for some."""
    if not words:
        raise UsageError("no parallelism was given")
    if len(words) == 1 and words[0].isdigit():
        return ["--parallelism", words[0]]
    if bad := [word for word in words if "=" not in word]:
        raise UsageError(f"{bad[0]!r} is neither a parallelism nor VERTEX=N")
    return [part for word in words for part in ("--vertex", word)]


def request_of(kind: Kind, job: JobAssessment, text: str) -> "ActionRequest":
    """What is asked for, read as the command line reads it. Raises UsageError when it makes no sense."""
    from flinkops.act.request_reading import parse_request

    return parse_request(kind.verb, words_of(kind, text), job.name)


def command_of(kind: Kind, job: JobAssessment, text: str, where: Sequence[str]) -> str:
    """The command line that does the same; `where` are its options that name the place."""
    parts = [f"flinkops {kind.command} {selector(job)}", shell_words(words_of(kind, text)), shell_words(where)]
    return " ".join(part for part in parts if part)


@dataclass
class Planning:
    """A plan that is being made; `others` are marked jobs that come after it."""

    kind: Kind
    job: JobAssessment
    source: TakesActions
    text: str = ""
    others: tuple[JobAssessment, ...] = ()


@dataclass
class Running:
    """One action that was confirmed: it runs whether or not its screen is open."""

    plan: Plan
    planning: Planning
    steps: list["Progress"] = field(default_factory=list)
    result: Result | None = None
    error: str | None = None
    over: threading.Event = field(default_factory=threading.Event)  # its thread has ended
    broken_off: FlinkopsError | None = None  # why it did not come to a result, as its thread knows it

    @property
    def ended(self) -> bool:
        """Whether it is over, one way or the other."""
        return self.result is not None or self.error is not None

    @property
    def outcome(self) -> str:
        """In one word."""
        return self.result.outcome if self.result else "not done" if self.error else "running"
