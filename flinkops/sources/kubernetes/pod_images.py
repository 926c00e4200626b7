"""Which image each pod of a Flink cluster runs. Pure."""

from collections.abc import Iterable

from flinkops.model.effect import PodImage
from flinkops.model.json_reading import Json, items, section, text
from flinkops.sources.kubernetes.resources import component, identity, time_ms
from flinkops.sources.kubernetes.startup_blockers import is_ending

_MAIN_CONTAINER = "flink-main-container"
_ENDED = frozenset({"Succeeded", "Failed"})


def pod_images(pods: Iterable[Json]) -> tuple[PodImage, ...]:
    """By the pod's own spec, what admission has put there included; a pod that ends, or has ended, is left out."""
    found = []
    for pod in pods:
        metadata, image = section(pod, "metadata"), _main_image(pod)
        if image is None or is_ending(pod) or text(section(pod, "status"), "phase") in _ENDED:
            continue
        manager = component(pod) == "jobmanager"
        found.append(PodImage(identity(pod)[1], manager, image, time_ms(metadata, "creationTimestamp") or 0))
    return tuple(found)


def _main_image(pod: Json) -> str | None:
    containers = items(section(pod, "spec"), "containers")
    return next((text(one, "image") for one in containers if one.get("name") == _MAIN_CONTAINER), None)
