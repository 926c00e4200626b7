"""Asks TaskManagers whether the topics that a job reads are gone: by the ends of their logs."""

from collections.abc import Sequence

from flinkops.model.detail import LogFile, LostTopic
from flinkops.outside.lost_topics import RECENT_SECONDS, lost_topics_in_log
from flinkops.sources.deadline import Deadline
from flinkops.sources.protocol import HasJobDetails

MOST_LOGS = 2
"""Every subtask that reads of it says so, and Flink sends whole files."""


def lost_topics(
    source: HasJobDetails,
    taskmanager_ids: Sequence[str],
    topics: Sequence[str],
    now_ms: int,
    *,
    deadline_seconds: float,
) -> tuple[LostTopic, ...]:
    """By name. A log that nobody writes to is not read: what its last lines say may be over. Raises Unreachable."""
    deadline = Deadline(deadline_seconds)
    found: dict[str, LostTopic] = {}
    for each in taskmanager_ids[:MOST_LOGS]:
        log = _newest(source.taskmanager_logs(each, deadline_seconds=deadline.remaining_seconds))
        if log is None or log.modified_ms is None or now_ms - log.modified_ms > RECENT_SECONDS * 1000:
            continue
        text = source.taskmanager_log(each, log.name, deadline_seconds=deadline.remaining_seconds)
        for topic in lost_topics_in_log(text, topics):
            found.setdefault(topic, LostTopic(topic, f"the log of TaskManager {each}"))
    return tuple(found[topic] for topic in sorted(found))


def _newest(logs: Sequence[LogFile]) -> LogFile | None:
    return max(
        (each for each in logs if each.name.endswith(".log")),
        key=lambda each: (each.modified_ms or 0, each.name),
        default=None,
    )
