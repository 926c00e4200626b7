"""Why a client did not submit, from what it printed."""

import re

from flinkops.outside.text import clean

_LONGEST = 400
# Flink's client prints the frames of an InvalidProgramException without "at ".
_FRAME = re.compile(r"at |[\w.$/<>@]+\((?:[\w$]+\.\w+(?::\d+)?|Native Method|Unknown Source)\)$|\.\.\. \d+ more$")


def last_cause(output: str, name: str | None = None) -> str:
    r"""One line: what the job `name` says itself, else the innermost exception, else the last line.

    >>> last_cause("Caused by: java.lang.IllegalStateException: no such topic\n  at x.Y(Y.java:1)\n")
    'java.lang.IllegalStateException: no such topic'
    >>> last_cause("Not allowed here.\n\torg.X.<init>(X.java:9)\n\tmy.Job.main(Job.java:1)\n")
    'Not allowed here.'
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    own = [line for line in lines if name and line.startswith(f"{name}: ")]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    text = (own or causes or [line for line in lines if not _FRAME.match(line)] or ["it says nothing"])[-1]
    return clean(text)[:_LONGEST]
