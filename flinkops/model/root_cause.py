"""The root cause in what Java says of a failure: the deepest exception of its chain, as class and message."""

import re
from typing import NamedTuple

from flinkops.model.facts import ExceptionFacts

_CLASS = r"(?:[\w$]{1,100}+\.){1,30}+[\w$]{0,100}?(?:Exception|Error|Throwable|Failure)[\w$]{0,100}+"
_TOLD = re.compile(rf"({_CLASS})(?:: ?(.*))?$", re.DOTALL)
_WRAPPED = re.compile(rf"{_CLASS}: (?={_CLASS}(?::|$))")
"""An exception whose message is the text of the one that it wraps (SerializedThrowable, CompletionException)."""
_CAUSED_BY = "Caused by: "
LONGEST_CHARACTERS = 200


class RootCause(NamedTuple):
    """``kind`` is the class with its package; empty where the text names none."""

    kind: str
    message: str

    @property
    def text(self) -> str:
        """On one bounded line, with the package."""
        return _bounded(": ".join(filter(None, self)))

    @property
    def short(self) -> str:
        """Without the package: what differs comes first."""
        return _bounded(": ".join(filter(None, (self.kind.rpartition(".")[2], self.message))))


def root_cause(exception: ExceptionFacts) -> RootCause:
    """Of one of a job's exceptions; its text is the first line of the chain and a line for each cause."""
    return root_in(exception.message) if exception.message.strip() else RootCause(exception.name, "")


def root_in(text: str) -> RootCause:
    r"""Of any text that Flink gives for a failure.

    >>> root_in("a.B: x\nCaused by: java.io.IOException: java.net.ConnectException: refused").short
    'ConnectException: refused'
    >>> root_in("Checkpoint expired before completing.")
    RootCause(kind='', message='Checkpoint expired before completing.')
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line.removeprefix(_CAUSED_BY) for line in lines if line.startswith(_CAUSED_BY)]
    deepest = causes[-1] if causes else lines[0] if lines else ""
    while wrapper := _WRAPPED.match(deepest):
        deepest = deepest[wrapper.end() :]
    told = _TOLD.match(deepest)
    kind, message = (told[1], told[2] or "") if told else ("", deepest)
    return RootCause(kind, " ".join(message.split()))


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_CHARACTERS else text[: LONGEST_CHARACTERS - 1] + "…"
