"""Slow alerts of the price-alerts benches: when they came, and whether the job was at a checkpoint then."""

import statistics
import threading
from collections.abc import Iterable
from itertools import repeat
from typing import Any

from bench._alert_trace import Acknowledged, acknowledged
from flinkops.local.probe import get_json
from flinkops.local.state import FleetInfo

SLOW_MS = 50.0
_APART_MS = 250.0
_POLL_SECONDS = 20.0  # Flink remembers its last ten checkpoints
_SHOWN = 5

Times = tuple[float, float]
"""From and to, milliseconds since the epoch."""


class Checkpoints(threading.Thread):
    """Collects when a job's checkpoints began and ended, and how long they held up its tasks."""

    def __init__(self, info: FleetInfo, job_id: str, *, in_detail: bool = False) -> None:
        super().__init__(daemon=True)
        self._in_detail = in_detail
        self.parts: list[Acknowledged] = []
        """Of each subtask, where details were asked for; after `end`."""
        self._info, self._path = info, f"/jobs/{job_id}"
        self._times: dict[int, Times] = {}
        self._held_up_ms: dict[int, int] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            self._sample()

    def end(self) -> list[Times]:
        """All of them, in order."""
        self._ended.set()
        self.join()
        self._sample()
        return sorted(self._times.values())

    def held_up_ms(self) -> dict[str, float]:
        """The synchronous part of its slowest task, of all checkpoints; after `end`."""
        found = sorted(self._held_up_ms.values())
        return {"median": statistics.median(found), "max": found[-1]} if found else {}

    def _sample(self) -> None:
        answer = get_json(self._info.rest_url, f"{self._path}/checkpoints") or {}
        for each in answer.get("history", ()):
            began = each["trigger_timestamp"]
            self._times[each["id"]] = (began, began + max(0, each["end_to_end_duration"]))
            if each["status"] == "COMPLETED" and each["id"] not in self._held_up_ms:
                if self._in_detail:
                    for vertex in self._vertices():
                        self.parts += acknowledged(self._info.rest_url, self._path, each, vertex)
                parts = map(self._synchronous_ms, self._vertices(), repeat(each["id"]))
                self._held_up_ms[each["id"]] = max(parts, default=0)

    def _vertices(self) -> list[str]:
        return [vertex["id"] for vertex in (get_json(self._info.rest_url, self._path) or {}).get("vertices", ())]

    def _synchronous_ms(self, vertex: str, checkpoint: int) -> int:
        answer = get_json(self._info.rest_url, f"{self._path}/checkpoints/details/{checkpoint}/subtasks/{vertex}")
        duration = (answer or {}).get("summary", {}).get("checkpoint_duration", {})
        return int(duration.get("sync", {}).get("max", 0))


def stalls(alerts: Iterable[tuple[float, float]], checkpoints: list[Times]) -> dict[str, Any]:
    """What was slow, from alerts as (append of the scrape, latency), both in milliseconds.

    A stretch ends where for a quarter of a second every alert was in time.
    """
    slow = sorted((ingested, latency) for ingested, latency in alerts if latency > SLOW_MS)
    stretches: list[list[tuple[float, float]]] = []
    for each in slow:
        if stretches and each[0] - stretches[-1][-1][0] < _APART_MS:
            stretches[-1].append(each)
        else:
            stretches.append([each])
    described = [_described(stretch, checkpoints) for stretch in stretches]
    return {
        "slow_alerts": len(slow),
        "slow_stretches": len(stretches),
        "slow_alerts_at_a_checkpoint": sum(each["alerts"] for each in described if each["at_a_checkpoint"]),
        "slowest": sorted(described, key=lambda each: -each["longest_ms"])[:_SHOWN],
    }


def _described(stretch: list[tuple[float, float]], checkpoints: list[Times]) -> dict[str, Any]:
    began, ended = stretch[0][0], max(ingested + latency for ingested, latency in stretch)
    return {
        "at_ms": round(began),
        "alerts": len(stretch),
        "longest_ms": round(max(latency for _, latency in stretch), 1),
        "at_a_checkpoint": any(first < ended and began < last for first, last in checkpoints),
    }
