"""What a log tells of a TaskManager that ended itself: Flink's REST API says only that it is gone."""

import re
from collections.abc import Container, Iterator
from typing import Final

from flinkops.model.detail import FatalError

_FATAL = re.compile(
    r"FATAL - exception in exception handler of task (.{1,500}?) \(([0-9a-f]{32})_([0-9a-f]{32})_\d+_\d+\)"
)
"""Of Flink's Task, when it throws again while it is being closed: its name; execution, vertex, subtask, attempt."""
_CAUSED_BY: Final = "Caused by: "
_EXCEPTION = re.compile(r"(?:[a-z]\w{0,60}\.){1,12}[A-Z][\w$]{0,100}(?::|$)")
_FURTHER = re.compile(r"\s|Caused by: |Suppressed: |(?:[a-z]\w{0,60}\.){1,12}[A-Z]")
_MOST_LINES: Final = 400
_MOST_CHARACTERS: Final = 400
_MOST_CAUSES: Final = 12


def fatal_errors_in_log(text: str, vertices: Container[str], source: str) -> tuple[FatalError, ...]:
    """Those of the tasks of these vertices, oldest first."""
    return tuple(FatalError(_name(block), "\n".join(block), source, task) for task, block in _blocks(text, vertices))


def _blocks(text: str, vertices: Container[str]) -> Iterator[tuple[str, list[str]]]:
    """The name of each such task, with its exception: the first line of the chain, and one for each cause."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        told = _FATAL.search(line)
        if told is None or told[3] not in vertices:
            continue
        block: list[str] = []
        for further in (
            line[told.end() :].replace("\\n", "\n").splitlines()[1:] + lines[index + 1 : index + _MOST_LINES]
        ):
            if not _FURTHER.match(further):
                break
            if further.startswith(_CAUSED_BY) or (not block and _EXCEPTION.match(further)):
                block.append(further[:_MOST_CHARACTERS])
        if block:
            yield told[1], [*block[:1], *block[1:][-_MOST_CAUSES:]]


def _name(block: list[str]) -> str:
    return block[0].partition(":")[0]
