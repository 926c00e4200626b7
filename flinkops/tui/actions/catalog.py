"""What can be done to a job from the screen, what is typed for it, and the command that does the same. Pure."""

import argparse
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flinkops.errors import UsageError
from flinkops.model.assessment import JobAssessment
from flinkops.model.plan import Plan, Result
from flinkops.sources.kubernetes.access import HasKubernetesAccess
from flinkops.sources.protocol import HasRestEndpoint
from flinkops.tui.job_view import selector

if TYPE_CHECKING:  # imported when something is to be done: the first paint does not wait for it
    from flinkops.act.executor import Progress
    from flinkops.act.rest.prepare import Wish, WishVerb

Source = HasRestEndpoint | HasKubernetesAccess


def takes_actions(source: object, job: JobAssessment) -> bool:
    """Whether there is a way to act on this job: its own REST API, or its custom resource."""
    if isinstance(source, HasKubernetesAccess):
        return job.facts is not None and job.facts.resource is not None and job.kind != "rest"
    return isinstance(source, HasRestEndpoint)


@dataclass(frozen=True)
class Kind:
    """One thing that can be done to a job. `hint` non-empty: what to type for it, as on the command line."""

    title: str
    verb: "WishVerb"
    command: str
    says: str
    hint: str = ""


KINDS = (
    Kind("savepoint", "savepoint-create", "savepoint create", "while it goes on"),
    Kind("rescale", "rescale", "rescale", "another parallelism in place", "2, or VERTEX=2 VERTEX=3 (ids)"),
    Kind("upgrade", "upgrade", "upgrade", "stop with a savepoint, start changed",
         "--parallelism 2 --set KEY=VALUE --arg ARG --jar ID --entry-class C --py FILE"),
    Kind("restart", "restart", "restart", "stop with a savepoint, start as it was"),
    Kind("suspend", "suspend", "suspend", "stop with a savepoint"),
    Kind("resume", "resume", "resume", "start from the latest savepoint"),
    Kind("rollback", "rollback", "rollback", "back before its last upgrade, with its state"),
)  # fmt: skip
SAVEPOINT = KINDS[0]


def wish_of(kind: Kind, text: str) -> "Wish":
    """What was typed for this kind of action. Raises UsageError when it makes no sense."""
    from flinkops.act.rest.prepare import Wish

    if kind.verb == "rescale":
        parallelism, vertices = _parallelism_of(text)
        return Wish(kind.verb, parallelism=parallelism, vertices=vertices)
    if kind.verb == "upgrade":
        return Wish(kind.verb, change=_change_of(text))
    return Wish(kind.verb)


def _parallelism_of(text: str) -> tuple[int | None, dict[str, int]]:
    """A number for all vertices, or ID=N for some."""
    words = text.split()
    if len(words) == 1 and words[0].isdigit():
        return int(words[0]), {}
    vertices = {}
    for word in words:
        vertex, equals, number = word.rpartition("=")
        if not equals or not vertex or not number.isdigit():
            raise UsageError(f"{word!r} is neither a parallelism nor VERTEX=N")
        vertices[vertex] = int(number)
    if not vertices:
        raise UsageError("no parallelism was given")
    return None, vertices


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise UsageError(message)


def _change_of(text: str) -> Any:
    """The options of `flinkops upgrade` that say what changes."""
    from flinkops.plan.redeploy import Change

    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--parallelism", "-p", type=int)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--arg", action="append")
    for option in ("--jar", "--entry-class", "--py"):
        parser.add_argument(option)
    try:
        given = parser.parse_args(shlex.split(text))
    except ValueError as problem:  # a quotation that does not end
        raise UsageError(f"{text!r}: {problem}") from None
    settings = {}
    for pair in given.set:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {pair}: KEY=VALUE is expected")
        settings[key] = value
    arguments = None if given.arg is None else tuple(given.arg)
    return Change(given.parallelism, settings, arguments, given.jar, given.entry_class, given.py)


def command_of(kind: Kind, job: JobAssessment, text: str, source: Source) -> str:
    """The command line that does the same."""
    options = text.strip()
    if kind.verb == "rescale":
        words = options.split()
        options = f"--parallelism {options}" if options.isdigit() else " ".join(f"--vertex {word}" for word in words)
    elif kind.verb == "upgrade":
        options = f"--savepoint {options}".rstrip()
    parts = [f"flinkops {kind.command} {selector(job)}", options, where_option(source)]
    return " ".join(part for part in parts if part)


def where_option(source: Source) -> str:
    """How a command names the source."""
    if isinstance(source, HasRestEndpoint):
        return f"--rest {shlex.quote(source.endpoint.url)}"
    return f"--context {shlex.quote(source.access.context)}"


@dataclass
class Planning:
    """A plan that is being made; `others` are marked jobs that come after it."""

    kind: Kind
    job: JobAssessment
    source: Source
    text: str = ""
    others: tuple[JobAssessment, ...] = ()


@dataclass
class Running:
    """One action that was confirmed: it goes on whether or not its screen is open."""

    plan: Plan
    planning: Planning
    steps: list["Progress"] = field(default_factory=list)
    result: Result | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it is over, one way or the other."""
        return self.result is not None or self.error is not None

    @property
    def outcome(self) -> str:
        """In one word."""
        return self.result.outcome if self.result else "not done" if self.error else "running"
