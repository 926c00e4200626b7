"""Why a deployment does not come up, read from its pods and their events. Pure.

With an image that does not exist the operator writes nothing into the custom resource, for as long as one waits: it
stays DEPLOYING / RECONCILING. The kubelet and the scheduler know.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from flinkops.model.facts import StuckFacts
from flinkops.model.json_reading import Json, items, section, text
from flinkops.sources.kubernetes.resources import identity, number, time_ms

_WAITING = {
    "ErrImagePull": "image",
    "ErrImageNeverPull": "image",
    "ImagePullBackOff": "image",
    "InvalidImageName": "image",
    "ImageInspectError": "image",
    "RegistryUnavailable": "image",
    "CrashLoopBackOff": "crash-loop",
    "CreateContainerConfigError": "container",
    "CreateContainerError": "container",
    "RunContainerError": "container",
    "StartError": "container",
}
_EVENTS = {
    "FailedScheduling": "unschedulable",
    "FailedMount": "volume",
    "FailedAttachVolume": "volume",
    "FailedCreate": "quota",
    "FailedCreatePodSandBox": "container",
    "Evicted": "other",
}
_OOM_EXIT_CODE = 137  # SIGKILL: with reason OOMKilled it was the memory limit
_SAFE_HASH = re.compile(r"-[bcdf-hj-np-tv-z24-9]{6,10}$")  # how Kubernetes ends the name of a replica set
_EVENT_MAX_AGE_MS = 30 * 60 * 1000


def stuck_reasons(pods: Sequence[Json], events: Iterable[Json], *, cluster: str, now_ms: int) -> tuple[StuckFacts, ...]:
    """The reasons that hold up the Flink cluster named `cluster`: one per kind and object, in the order of gravity.

    `events` may be of the whole namespace: only warnings of the last half hour about the cluster's resource,
    deployments, replica sets and pods count, and only while a pod is in the state that they explain.
    """
    found: dict[tuple[str, str], StuckFacts] = {}
    for reason in (*_of_pods(pods), *_of_events(events, pods, cluster, now_ms)):
        found.setdefault((reason.code, reason.object), reason)
    return tuple(found.values())


def _of_pods(pods: Sequence[Json]) -> Iterator[StuckFacts]:
    for pod in pods:
        name, status = identity(pod)[1], section(pod, "status")
        for container in (*items(status, "initContainerStatuses"), *items(status, "containerStatuses")):
            yield from _of_container(name, container)
        for condition in items(status, "conditions"):
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                told = text(condition, "message") or "the scheduler found no node"
                yield StuckFacts("unschedulable", name, told, time_ms(condition, "lastTransitionTime"))
        if status.get("phase") == "Failed" and (why := text(status, "reason")):
            yield StuckFacts("other", name, f"{why}: {text(status, 'message') or 'the pod failed'}")


def _of_container(pod: str, container: Json) -> Iterator[StuckFacts]:
    waiting = section(section(container, "state"), "waiting")
    recovered = container.get("ready") is True
    for key in ("state",) if recovered else ("state", "lastState"):
        ended = section(section(container, key), "terminated")
        if ended.get("reason") == "OOMKilled":
            told = f"container {container.get('name')} was killed: it used more memory than its limit"
            yield StuckFacts("oom-killed", pod, told, time_ms(ended, "finishedAt"))
        elif ended and ended.get("exitCode") == _OOM_EXIT_CODE and section(container, "state").get("terminated"):
            yield StuckFacts("other", pod, f"container {container.get('name')} was killed (exit code 137)")
    code = _WAITING.get(str(waiting.get("reason")))
    if code is not None:
        restarts = number(container, "restartCount") or 0
        last = section(section(container, "lastState"), "terminated")
        exit_words = f", last exit code {last['exitCode']}" if "exitCode" in last else ""
        told = text(waiting, "message") or f"image {text(container, 'image') or 'unknown'}"
        suffix = f" (restarted {restarts} times{exit_words})" if restarts else ""
        yield StuckFacts(code, pod, f"{waiting['reason']}: {told}{suffix}", time_ms(last, "finishedAt"))


def _of_events(events: Iterable[Json], pods: Sequence[Json], cluster: str, now_ms: int) -> Iterator[StuckFacts]:
    """Those that explain a state that a pod of the cluster is in now.

    The events outlive what they tell of, for an hour, and the operator repeats them about its own resource.
    """
    for event in events:
        about = section(event, "involvedObject")
        name, at_ms = text(about, "name") or "", event_ms(event)
        code = _EVENTS.get(str(event.get("reason")))
        fresh = at_ms is None or now_ms - at_ms <= _EVENT_MAX_AGE_MS
        if code is None or not fresh or event.get("type") != "Warning":
            continue
        of_pod = about.get("kind") == "Pod"
        concerned = [pod for pod in pods if identity(pod)[1] == name] if of_pod else pods
        if (concerned or not of_pod) and (of_pod or belongs(name, cluster)) and _explains(code, at_ms, concerned, name):
            yield StuckFacts(code, name, text(event, "message") or str(event.get("reason")), at_ms)


def _explains(code: str, at_ms: int | None, pods: Sequence[Json], name: str) -> bool:
    """Whether a pod is in the state whose cause an event of this kind gives; `name` is what the event is about."""
    if code in ("volume", "container"):
        return any(_without_sandbox(pod) and _not_before(at_ms, pod) for pod in pods)
    if code == "unschedulable":
        return any(_unscheduled(pod) for pod in pods)
    if code == "quota":  # of a replica set that has not got its pods: one that came since tells that it has
        return not any(identity(pod)[1].startswith(f"{name}-") and not _not_after(pod, at_ms) for pod in pods)
    return any(not is_ready(pod) for pod in pods)


def _not_before(at_ms: int | None, pod: Json) -> bool:
    """Whether the event is not of the time before there was this pod."""
    created_ms = time_ms(section(pod, "metadata"), "creationTimestamp")
    return at_ms is None or created_ms is None or at_ms >= created_ms


def _not_after(pod: Json, at_ms: int | None) -> bool:
    created_ms = time_ms(section(pod, "metadata"), "creationTimestamp")
    return at_ms is None or created_ms is None or created_ms <= at_ms


def _without_sandbox(pod: Json) -> bool:
    """Whether the kubelet has not come so far as to start containers: its volumes are not mounted yet.

    While an image is pulled the containers say ContainerCreating too; from Kubernetes 1.29 on a condition tells.
    """
    containers = items(section(pod, "status"), "containerStatuses")
    creating = any(section(section(one, "state"), "waiting").get("reason") == "ContainerCreating" for one in containers)
    return creating and _condition(pod, "PodReadyToStartContainers") != "True"


def _unscheduled(pod: Json) -> bool:
    return _condition(pod, "PodScheduled") == "False" or not section(pod, "spec").get("nodeName")


def is_ready(pod: Json) -> bool:
    """Its condition of this name is True."""
    return _condition(pod, "Ready") == "True"


def is_ending(pod: Json) -> bool:
    """Its deletion has begun."""
    return text(section(pod, "metadata"), "deletionTimestamp") is not None


def _condition(pod: Json, kind: str) -> str | None:
    conditions = items(section(pod, "status"), "conditions")
    return next((text(one, "status") for one in conditions if one.get("type") == kind), None)


def belongs(name: str, cluster: str) -> bool:
    """The deployment itself, its TaskManagers' one (standalone mode), or a replica set of either."""
    return _SAFE_HASH.sub("", name) in (cluster, f"{cluster}-taskmanager") or name == cluster


def event_ms(event: Json) -> int | None:
    """When it was seen last, in milliseconds since the epoch."""
    series = section(event, "series")
    for parent, key in ((series, "lastObservedTime"), (event, "lastTimestamp"), (event, "eventTime")):
        if (at_ms := time_ms(parent, key)) is not None:
            return at_ms
    return None
