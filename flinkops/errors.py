"""The errors a user may see, and the exit codes that scripts rely on (docs/contract: "Exit codes")."""

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says to its caller."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    TIMEOUT = 4
    REFUSED = 5
    NOT_HEALTHY = 10
    INTERRUPTED = 130


UNAUTHORIZED = 401
UNAVAILABLE = 503


class FlinkopsError(Exception):
    """One clear line for the user: what, where, what to do next. Never shown with a traceback without --debug."""

    exit_code = ExitCode.FAILED

    def __init__(self, what: str, *, next_step: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step

    def line(self) -> str:
        """The message and, where known, the next step, on one line."""
        text = self.what if self.next_step is None else f"{self.what}; {self.next_step}"
        return " ".join(text.split())


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """The next step for a name that there is not: the nearest one that there is, else `otherwise`.

    >>> did_you_mean("key-skw", ["key-skew", "gc-pressure"], "see docs/doctor.md")
    'did you mean "key-skew"?'
    """
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    return f'did you mean "{near[0]}"?' if near else otherwise


class OperationFailed(FlinkopsError):
    """It was tried and did not work."""


class NotInTime(OperationFailed):
    """What one step waits for did not come about within the step's own limit; nothing said that it will not."""


class UsageError(FlinkopsError):
    """The command line or a file of the user's says something that makes no sense."""

    exit_code = ExitCode.USAGE


class Unreachable(FlinkopsError):
    """Nothing answered, or what answered was not what we asked for.

    ``http_status`` is that of the answer, None when there was none: decide by it, never by the words.
    """

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, what: str, *, next_step: str | None = None, http_status: int | None = None) -> None:
        super().__init__(what, next_step=next_step)
        self.http_status = http_status


class Denied(Unreachable):
    """It answered, and said that we may not. ``user``: who it took us for, where it said so."""

    def __init__(
        self, what: str, *, next_step: str | None = None, http_status: int | None = None, user: str | None = None
    ) -> None:
        super().__init__(what, next_step=next_step, http_status=http_status)
        self.user = user

    @property
    def logged_in(self) -> bool:
        """Whether it knows who we are and a permission is missing; else the credentials were not accepted."""
        return self.http_status != UNAUTHORIZED


class TimedOut(FlinkopsError):
    """No outcome within the time given; it may still be running."""

    exit_code = ExitCode.TIMEOUT


class Refused(FlinkopsError):
    """We will not: read-only, a precondition does not hold, or the user declined."""

    exit_code = ExitCode.REFUSED


class Interrupted(FlinkopsError):
    """The user stopped waiting (Ctrl-C); the journal knows how far it came."""

    exit_code = ExitCode.INTERRUPTED
