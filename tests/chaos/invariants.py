"""What holds after every command, whatever was done to it."""

import json
import re
from itertools import pairwise
from pathlib import Path

from flinkops.errors import ExitCode
from tests.chaos.commands import Ran

CODES = frozenset(int(code) for code in ExitCode)
PLANTED = "planted-secret"
"""In every secret that the suite plants."""
_MOST_LINES = 60
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LEFT_OVERS = re.compile(r"(\.part|\.tmp|~)$")


def broken(ran: Ran, *, may_be_killed: bool = False, secrets: bool = True) -> list[str]:
    """Which invariants of one command do not hold, one line each."""
    found = []
    said = ran.out + ran.err
    if ran.hung:
        found.append(f"it hangs: killed after {ran.command.timeout_seconds:g} s")
    elif ran.code not in CODES and not (may_be_killed and ran.code == -9):
        found.append(f"exit code {ran.code} is not documented")
    if "Traceback (most recent call last)" in said:
        found.append(f"a traceback: {said[said.index('Traceback') :].strip()[:1500]}")
    if "unexpected " in ran.err and "the details are in" in ran.err:
        found.append(f"a mistake of ours: {ran.err.strip()[-300:]}")
    if secrets and PLANTED in said:
        at = said.index(PLANTED)
        found.append(f"a planted secret is shown: …{said[max(0, at - 60) : at + 40]!r}")
    if control := _CONTROL.search(said):
        found.append(f"a control character in what is printed: {control[0]!r}")
    lines = ran.err.strip().splitlines()
    if ran.code not in (0, ExitCode.NOT_HEALTHY, -9) and not ran.hung and _can_speak(ran):
        if not lines and not ran.out.strip():
            if ran.code != ExitCode.INTERRUPTED:
                found.append(f"exit code {ran.code} without a word")
        elif len(lines) > _MOST_LINES:
            found.append(f"{len(lines)} lines on stderr")
    found += _documents(ran)
    return found


def _can_speak(ran: Ran) -> bool:
    words = [one if isinstance(one, str) else "" for one in ran.command.argv]
    options = ran.command.options
    speechless = options.get("stderr", "file") != "file" or "RLIMIT_FSIZE" in options.get("limits", {})
    return not speechless and not {"-q", "--quiet"} & set(words)


def _documents(ran: Ran) -> list[str]:
    """JSON on stdout is whole, or not there."""
    words = [one if isinstance(one, str) else "" for one in ran.command.argv]
    as_json = any(before in ("-o", "--output") and after == "json" for before, after in pairwise(words))
    # The rules of `alerts` are YAML; without a stderr the usage of a command goes to stdout.
    if words[:1] == ["alerts"] or ran.command.options.get("stderr", "file") != "file":
        return []
    if not as_json or not ran.out.strip() or ran.command.options.get("stdout", "file") != "file" or ran.code == -9:
        return []
    if ran.code == ExitCode.FAILED and "RLIMIT_FSIZE" in ran.command.options.get("limits", {}):
        return []  # the file that stdout is takes no more, and the command says so
    for line in ran.out.strip().splitlines():
        try:
            json.loads(line)
        except ValueError:
            return [f"stdout is no JSON: {line[:120]!r}"]
    return []


def left_over(folder: Path) -> list[str]:
    """Files that were begun and not finished."""
    return [f"left behind: {path.name}" for path in folder.rglob("*") if _LEFT_OVERS.search(path.name)]
