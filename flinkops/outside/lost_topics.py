"""What a TaskManager's log tells of topics that are gone: Kafka's consumer asks again, Flink notes nothing."""

import re
from collections.abc import Container
from datetime import datetime
from typing import Final

_GONE = re.compile(
    r"unknown topic or partition error in fetch for partition ([\w.-]{1,249})-\d{1,9}\b"
    r"|[{ ,]([\w.-]{1,249})=UNKNOWN_TOPIC_OR_PARTITION"
)
"""Of Kafka's consumer: at each fetch, and at each answer about where the topics are."""
_AT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
RECENT_SECONDS: Final = 60.0
"""Before the log's last line. The consumer repeats it each second; a topic that was away for a moment is back since."""


def lost_topics_in_log(text: str, topics: Container[str]) -> tuple[str, ...]:
    """Those of these topics that the end of a log says are gone, by name."""
    lines = [(at, line) for line in text.splitlines() if (at := _time_of(line)) is not None]
    if not lines:
        return ()
    last = lines[-1][0]
    found: set[str] = set()
    for at, line in lines:
        if (last - at).total_seconds() <= RECENT_SECONDS:
            found.update(topic for told in _GONE.finditer(line) if (topic := told[1] or told[2]) in topics)
    return tuple(sorted(found))


def _time_of(line: str) -> datetime | None:
    told = _AT.match(line)
    try:
        return datetime.fromisoformat(told[0]) if told else None
    except ValueError:
        return None
