"""When each pod of a Flink cluster was created, scheduled, had its image, and started. Pure."""

from collections.abc import Iterable

from flinkops.model.effect import PodTimes
from flinkops.model.json_reading import Json, items, section, text
from flinkops.sources.kubernetes.resources import component, identity, time_ms
from flinkops.sources.kubernetes.startup_blockers import event_ms

_MAIN_CONTAINER = "flink-main-container"


def pod_times(pods: Iterable[Json], events: Iterable[Json]) -> tuple[PodTimes, ...]:
    """`events` may be of the whole namespace: Pulled ones of these pods tell when the image was there."""
    pulled: dict[str, int] = {}
    for event in events:
        name, at_ms = text(section(event, "involvedObject"), "name") or "", event_ms(event)
        if event.get("reason") == "Pulled" and at_ms is not None:
            pulled[name] = max(at_ms, pulled.get(name, 0))
    found = []
    for pod in pods:
        metadata, status, name = section(pod, "metadata"), section(pod, "status"), identity(pod)[1]
        created_ms = time_ms(metadata, "creationTimestamp")
        if created_ms is None:
            continue
        manager = component(pod) == "jobmanager"
        found.append(PodTimes(name, manager, created_ms, _scheduled(status), pulled.get(name), _started(status)))
    return tuple(found)


def _scheduled(status: Json) -> int | None:
    conditions = [one for one in items(status, "conditions") if one.get("type") == "PodScheduled"]
    return next((time_ms(one, "lastTransitionTime") for one in conditions if one.get("status") == "True"), None)


def _started(status: Json) -> int | None:
    containers = [one for one in items(status, "containerStatuses") if one.get("name") == _MAIN_CONTAINER]
    return next((time_ms(section(section(one, "state"), "running"), "startedAt") for one in containers), None)
