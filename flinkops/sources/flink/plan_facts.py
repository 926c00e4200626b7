"""What Flink's plan says about event time: which vertices need a watermark, which make one, how long windows are.

The descriptions are those of Flink's planner (``WindowAggregate(...)``) and of its DataStream operators
(``Window(TumblingEventTimeWindows(5000), ...)``); an operator that a job named itself says nothing. Timers are set by
keyed operators only, and none of them tells whether it does.
"""

import html
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from flinkops.model.quantities import parse_duration

_SQL_FIRST = re.compile(r"\[\d+\]:")
"""How the SQL planner begins an operator. Only the first of a chain can be keyed, so that it alone can set timers."""
_SQL_EVENT_TIME = re.compile(r"\bisRowTime=true")
_SQL_ORDERED = re.compile(r"\b(?:TemporalSort|Match)\(")
"""By a time column: in event time unless that is one of processing time."""
_SQL_WINDOW = re.compile(
    r"\b(?:WindowAggregate|GlobalWindowAggregate|LocalWindowAggregate|WindowTableFunction|GroupWindowAggregate|"
    r"WindowJoin|WindowRank|WindowDeduplicate|TemporalJoin|OverAggregate)\("
)
"""In event time where the job's tables have a watermark, else in processing time; see `_time_columns`."""
_TIME_COLUMN = re.compile(r"\btime_col=\[(\w+)\]|\borderBy=\[(\w+) ASC[,\]]")
_PROCESSING_COLUMN = re.compile(r"\bPROCTIME\(\) AS (\w+)")
_STREAM_EVENT_TIME = re.compile(
    r"EventTime\w{0,60}Windows\b|EventTimeTrigger|EventTimeSessionWindows|\bInterval Join\b"
)
_STREAM_PROCESSING_TIME_FIRST = re.compile(r"Window\((?=[^\n]{0,300}ProcessingTime)(?![^\n]{0,300}EventTime)")
_MAKES = re.compile(
    r"\bWatermarkAssigner\(|\bwatermark=\[|\bwatermark=true\b|\browtime=true\b|\bTimestamps/Watermarks\b"
)


_SQL_SIZE = re.compile(r"\b(?:(?:max_)?size|gap)=\[([0-9]{1,12} ?[a-z]{1,12})\]")
"""Of TUMBLE, HOP and CUMULATE; a session lasts for its gap at least."""
_STREAM_SIZE = re.compile(
    r"\b(?:(?:Tumbling|Sliding)(?:EventTime|ProcessingTime)|(?:EventTime|ProcessingTime)Session)Windows\((\d{1,15})\b"
)
_JOIN_BOUND = re.compile(r"\b(?:left|right)(?:Lower|Upper)Bound=-?(\d{1,15})\b")


class EventTimeUse(NamedTuple):
    """Of one vertex. ``needs`` None: its description does not tell; ``makes``: it makes watermarks.

    ``window_seconds``: for how long the longest of its windows and interval joins keeps what came; None: none said.
    """

    needs: bool | None = None
    makes: bool = False
    window_seconds: float | None = None


NOT_TOLD = EventTimeUse()


def event_time_uses(descriptions: Iterable[tuple[str, str]]) -> dict[str, EventTimeUse]:
    """By vertex id, from (id, description) as Flink sends it, with entities and line breaks of HTML."""
    return _uses(tuple(descriptions))


@lru_cache(maxsize=1024)
def _uses(descriptions: tuple[tuple[str, str], ...]) -> dict[str, EventTimeUse]:
    """The plan of a job does not change while it runs: the same texts come with each poll."""
    texts = {vertex: html.unescape(text.replace("<br/>", "\n")) for vertex, text in descriptions}
    whole = "\n".join(texts.values())
    declared = _MAKES.search(whole) is not None
    processing = frozenset(_PROCESSING_COLUMN.findall(whole))
    return {
        vertex: EventTimeUse(
            _needs(text, processing, declared=declared), _MAKES.search(text) is not None, _window_seconds(text)
        )
        for vertex, text in texts.items()
    }


def _window_seconds(text: str) -> float | None:
    sizes = [seconds for each in _SQL_SIZE.findall(text) if (seconds := _duration(each)) is not None]
    milliseconds = [int(each) for each in (*_STREAM_SIZE.findall(text), *_JOIN_BOUND.findall(text))]
    return max((*sizes, *(each / 1000 for each in milliseconds)), default=None)


def _duration(text: str) -> float | None:
    try:
        return parse_duration(text)
    except ValueError:
        return None


def _needs(text: str, processing: frozenset[str], *, declared: bool) -> bool | None:
    if _STREAM_EVENT_TIME.search(text) or _SQL_EVENT_TIME.search(text):
        return True
    columns = {name for pair in _TIME_COLUMN.findall(text) for name in pair if name}
    in_processing_time = bool(columns) and columns <= processing
    if _SQL_ORDERED.search(text):
        return not in_processing_time
    if _SQL_WINDOW.search(text):
        return declared and not in_processing_time
    return False if _SQL_FIRST.match(text) or _STREAM_PROCESSING_TIME_FIRST.match(text) else None
