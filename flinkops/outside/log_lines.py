"""What of a log is worth keeping when it leaves the machine: warnings, errors and stack traces."""

import re

_LEVEL = re.compile(r".{0,120}?(?<![A-Za-z])(TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|SEVERE|CRITICAL)(?![A-Za-z])")
_GRAVE = frozenset({"WARN", "WARNING", "ERROR", "FATAL", "SEVERE", "CRITICAL"})
_TRACE = re.compile(r"\s{1,16}at [\w$.<>/]{1,300}\(|\s{0,16}Caused by: |\s{0,16}Suppressed: |\s{1,16}\.\.\. \d{1,6} ")
_EXCEPTION = re.compile(r"(?:[a-z][\w]{0,60}\.){1,12}[A-Z]\w{0,80}(?:Exception|Error|Throwable)\b")


def grave_lines(text: str) -> tuple[str, int]:
    r"""Records of WARN and above with all their lines, and stack traces of any level; how many lines were left out.

    >>> grave_lines("1 INFO a\n2 WARN b\n  more\n3 DEBUG c\njava.io.IOException: x\n\tat a.B.c(B.java:1)")
    ('2 WARN b\n  more\njava.io.IOException: x\n\tat a.B.c(B.java:1)', 2)
    """
    kept, left_out, grave = [], 0, False
    for line in text.splitlines():
        if found := _LEVEL.match(line):
            grave = found[1] in _GRAVE
        if grave or _TRACE.match(line) or _EXCEPTION.match(line):
            kept.append(line)
        else:
            left_out += 1
    return "\n".join(kept), left_out
