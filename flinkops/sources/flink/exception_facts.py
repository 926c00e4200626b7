"""Exceptions and rescales of a job as facts: bounded, without serialised Java objects."""

from flinkops.model.facts import ExceptionFacts, RescaleFacts
from flinkops.sources.flink import wire

MAX_EXCEPTIONS = 8
MAX_RESCALES = 20
_MESSAGE_CHARACTERS = 1500
_LINE_CHARACTERS = 400


def exceptions_facts(answer: wire.JobExceptions) -> tuple[ExceptionFacts, ...]:
    """Newest first."""
    newest_first = sorted(answer.exception_history.entries, key=lambda entry: -entry.timestamp)
    return tuple(map(_exception, newest_first[:MAX_EXCEPTIONS]))


def rescales_facts(answer: list[wire.Rescale]) -> tuple[RescaleFacts, ...]:
    """Newest first; entries without a start are not rescales yet."""
    facts = [
        RescaleFacts(
            started_ms=entry.start_timestamp_in_millis,
            ended_ms=entry.end_timestamp_in_millis,
            state=entry.terminal_state or "IN_PROGRESS",
            cause=entry.trigger_cause or "",
            reason=entry.terminated_reason,
        )
        for entry in answer
        if entry.start_timestamp_in_millis
    ]
    return tuple(sorted(facts, key=lambda fact: -fact.started_ms)[:MAX_RESCALES])


def cause_chain(stacktrace: str) -> str:
    r"""The first line of a Java stack trace and its "Caused by" lines: the root cause is the last of them.

    >>> cause_chain("java.lang.RuntimeException: a\n\tat b.C.d(C.java:1)\nCaused by: java.io.IOException: x\n\t...")
    'java.lang.RuntimeException: a\nCaused by: java.io.IOException: x'
    """
    lines = stacktrace.splitlines()
    kept = [line.strip()[:_LINE_CHARACTERS] for line in lines[:1] if line.strip()]
    kept += [line.strip()[:_LINE_CHARACTERS] for line in lines[1:] if line.startswith("Caused by: ")]
    if sum(len(line) + 1 for line in kept) <= _MESSAGE_CHARACTERS:
        return "\n".join(kept)
    head = _first_of(kept)
    tail = _first_of(kept[len(head) :][::-1])[::-1]
    return "\n".join([*head, *(["…"] if len(head) + len(tail) < len(kept) else []), *tail])


def _first_of(lines: list[str]) -> list[str]:
    """As many whole lines as fit into half a message, and at least one: half a line may be half a secret."""
    length = 0
    for number, line in enumerate(lines):
        length += len(line) + 1
        if length > _MESSAGE_CHARACTERS // 2 and number:
            return lines[:number]
    return lines


def _exception(entry: wire.ExceptionEntry) -> ExceptionFacts:
    return ExceptionFacts(
        at_ms=entry.timestamp,
        name=entry.exception_name,
        message=cause_chain(entry.stacktrace),
        vertex=entry.task_name,
        taskmanager=entry.task_manager_id or entry.endpoint,
    )
