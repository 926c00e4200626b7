"""The Kubernetes events that concern one job: of its resource, its Flink cluster's pods, and its snapshots. Pure."""

import re
from collections.abc import Collection, Iterable

from flinkops.model.detail import KubeEvent
from flinkops.model.json_reading import Json, section, text
from flinkops.sources.kubernetes.resources import number
from flinkops.sources.kubernetes.startup_blockers import belongs, event_ms

_RESOURCES = frozenset({"FlinkDeployment", "FlinkSessionJob", "FlinkStateSnapshot", "FlinkBlueGreenDeployment"})
_POD_HASH = re.compile(r"-[bcdf-hj-np-tv-z24-9]{5}$")
_TASKMANAGER = re.compile(r"-taskmanager-\d+-\d+$")  # native mode
_TEXT_CHARACTERS = 1000
MOST = 200


def events_of(events: Iterable[Json], *, resources: Collection[str], cluster: str) -> tuple[KubeEvent, ...]:
    """Newest first, at most `MOST`.

    `resources` are the names of the job's custom resources; `cluster` is the Flink cluster that it runs on.
    """
    found = [_event(one) for one in events if _concerns(section(one, "involvedObject"), resources, cluster)]
    return tuple(sorted(found, key=lambda one: -(one.at_ms or 0))[:MOST])


def _concerns(about: Json, resources: Collection[str], cluster: str) -> bool:
    name, kind = text(about, "name") or "", text(about, "kind") or ""
    if kind in _RESOURCES:
        return name in resources
    if kind == "Pod":
        return _TASKMANAGER.sub("", name) == cluster or belongs(_POD_HASH.sub("", name), cluster)
    return kind in ("Deployment", "ReplicaSet", "StatefulSet") and belongs(name, cluster)


def _event(event: Json) -> KubeEvent:
    about, series = section(event, "involvedObject"), section(event, "series")
    return KubeEvent(
        at_ms=event_ms(event),
        kind=text(event, "type") or "Normal",
        reason=_one_line(text(event, "reason") or ""),
        object=_one_line(f"{text(about, 'kind') or 'object'}/{text(about, 'name') or ''}"),
        text=_one_line(text(event, "message") or ""),
        count=number(series, "count") or number(event, "count") or 1,
    )


def _one_line(words: str) -> str:
    """Cut, and on one line."""
    return " ".join(words[:_TEXT_CHARACTERS].split())
