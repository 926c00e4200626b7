"""Why a client did not submit, from what it printed."""

from flinkops.outside.text import clean

_LONGEST = 400


def last_cause(output: str, name: str | None = None) -> str:
    r"""One line: what the job `name` says itself, else the innermost exception, else the last line.

    >>> last_cause("Caused by: java.lang.IllegalStateException: no such topic\n  at x.Y(Y.java:1)\n")
    'java.lang.IllegalStateException: no such topic'
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    own = [line for line in lines if name and line.startswith(f"{name}: ")]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    text = (own or causes or [line for line in lines if not line.startswith("at ")] or ["it says nothing"])[-1]
    return clean(text)[:_LONGEST]
