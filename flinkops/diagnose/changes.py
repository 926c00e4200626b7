"""What happened to jobs, out of their facts, out of two snapshots, and out of Kubernetes' events. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from flinkops.model.detail import ResourceEvents
from flinkops.model.facts import FleetSnapshot, JobFacts, JobKey, VertexFacts
from flinkops.model.numbers import total
from flinkops.model.quantities import human_rate
from flinkops.model.root_cause import root_cause, root_in
from flinkops.model.states import ENDED
from flinkops.model.timeline import CHANGES, Entry, Kind, NotCovered, Origin

LOAD_FACTOR = 2.0
"""Twice as much or half as much comes in..."""
LOAD_POLLS = 2
"""... at so many polls in a row."""
LEAST_LOAD_PER_SECOND = 1.0
LONGEST_GAP_SECONDS = 120.0
"""Between two snapshots further apart anything may have happened."""
EVENTS_KEPT_SECONDS = 3_600.0
"""The API server's --event-ttl, unless somebody set another."""
VALUE_CHARACTERS = 60


RECENT_SECONDS = 3_600.0
"""Most incidents follow a change of the last hour."""
EVENT_KINDS: dict[str, Kind] = {"SpecChanged": "config", "Submit": "deployment", "Scaling": "rescale"}
"""Reasons of the operator's own events that say that somebody or something changed what runs."""


def recent_changes(entries: Iterable[Entry], now_ms: int) -> tuple[Entry, ...]:
    """Changes of the last hour, oldest first."""
    return in_order((each for each in entries if each.kind in CHANGES), now_ms - round(RECENT_SECONDS * 1000), now_ms)


def in_order(entries: Iterable[Entry], since_ms: int, until_ms: int) -> tuple[Entry, ...]:
    """Those of the span, oldest first, none of them twice."""
    inside = {each: None for each in entries if since_ms <= each.at_ms <= until_ms}
    return tuple(sorted(inside, key=lambda each: (each.at_ms, each.cluster, each.namespace or "", each.job, each.kind)))


# ---- Flink's own history, and the resource's


def of_facts(job: JobFacts) -> Iterator[Entry]:
    """What Flink and the operator's resource still know: starts, failures, rescales, savepoints, failed checkpoints."""
    if job.started_ms is not None:
        yield _entry(job, job.started_ms, "start", f"submitted as job {job.id}", "flink")
    if job.ended_ms is not None:
        by = f", by {job.ended_by} of ours" if job.ended_by else ""
        yield _entry(job, job.ended_ms, "end", f"ended: {job.state}{by}", "flink")
    if job.running_since_ms is not None and job.restarts:
        yield _entry(job, job.running_since_ms, "restart", f"RUNNING again, after {job.restarts} restarts", "flink")
    for failure in job.exceptions:
        where = f" in {failure.vertex}" if failure.vertex else ""
        yield _entry(job, failure.at_ms, "failure", f"{root_cause(failure).text}{where}", "flink")
    for rescale in job.rescales:
        reason = f": {rescale.reason}" if rescale.reason else ""
        yield _entry(
            job, rescale.started_ms, "rescale", f"{rescale.cause or 'rescale'}, {rescale.state}{reason}", "flink"
        )
    yield from _of_checkpoints(job)
    yield from _of_resource(job)


def _of_checkpoints(job: JobFacts) -> Iterator[Entry]:
    points = job.checkpoints
    if points is None:
        return
    if points.restored is not None:
        what = "savepoint" if points.restored.is_savepoint else "checkpoint"
        place = f" {points.restored.external_path}" if points.restored.external_path else ""
        yield _entry(job, points.restored.at_ms, "start", f"restored from {what} {points.restored.id}{place}", "flink")
    for each in points.history:
        if each.status == "FAILED":
            at_ms = each.failed_ms or each.triggered_ms
            why = f": {root_in(each.failure).text}" if each.failure else ""
            what = "savepoint" if each.is_savepoint else "checkpoint"
            if at_ms is not None:
                yield _entry(job, at_ms, "checkpoint", f"{what} {each.id} failed{why}", "flink")
        elif each.is_savepoint and each.triggered_ms is not None:
            place = f" {each.external_path}" if each.external_path else ""
            yield _entry(job, each.triggered_ms, "savepoint", f"savepoint {each.id} {each.status}{place}", "flink")


def _of_resource(job: JobFacts) -> Iterator[Entry]:
    resource = job.resource
    if resource is None:
        return
    if resource.spec_changed_ms is not None:
        text = f"the spec was edited (generation {resource.generation or '?'})"
        yield _entry(job, resource.spec_changed_ms, "config", text, "kubernetes")
    if resource.deleting_since_ms is not None:
        yield _entry(job, resource.deleting_since_ms, "event", "its deletion was asked for", "kubernetes")
    for snapshot in resource.snapshots:
        if snapshot.at_ms is not None:
            text = f"{snapshot.kind} {snapshot.name} {snapshot.state}"
            yield _entry(job, snapshot.at_ms, "savepoint", text, "kubernetes")


def of_events(job: JobFacts, events: ResourceEvents) -> Iterator[Entry]:
    """What Kubernetes and the operator reported of its resource and pods."""
    for event in events.events:
        if event.at_ms is not None:
            times = f" ({event.count} times)" if event.count > 1 else ""
            text = f"{event.reason} {event.object}: {event.text}{times}"
            yield _entry(job, event.at_ms, EVENT_KINDS.get(event.reason, "event"), text, "kubernetes")


def gaps_of_facts(job: JobFacts, since_ms: int) -> Iterator[NotCovered]:
    """What Flink's history does not tell of this job."""
    for part, what in (("exceptions", "failures"), ("rescales", "rescales"), ("checkpoints", "checkpoints")):
        if part in job.unknown:
            yield NotCovered("flink", f"{job.name}: {what}: {job.unknown[part]}")
    history = job.checkpoints.history if job.checkpoints else ()
    oldest = min((each.triggered_ms for each in history if each.triggered_ms is not None), default=None)
    if oldest is not None and oldest > since_ms and len(history) >= MANY_CHECKPOINTS:
        yield NotCovered("flink", f"{job.name}: Flink remembers its last {len(history)} checkpoints only")


MANY_CHECKPOINTS = 10
"""web.checkpoints.history: what Flink keeps unless it is told otherwise."""


# ---- a recording


def between(before: FleetSnapshot, after: FleetSnapshot) -> Iterator[Entry]:
    """What was another at the later snapshot: which job runs, its state, parallelism, settings, restarts, image."""
    old, new = current(before), current(after)
    answered = {each.name for each in before.sources if each.state == "ok"}
    for key, job in new.items():
        was = old.get(key)
        if was is not None:
            yield from _changed(was, job)
        elif job.cluster in answered:
            yield _entry(job, job.seen_ms, "deployment", f"appeared as {job.id}, {job.state}", "recording")
    still = {each.name for each in after.sources if each.state == "ok"}
    for key, was in old.items():
        if key not in new and was.cluster in still:
            yield _entry(was, after.taken_ms, "end", f"is gone; it was {was.state}", "recording")


def current(snapshot: FleetSnapshot) -> dict[JobKey, JobFacts]:
    """The newest job of each name."""
    found: dict[JobKey, JobFacts] = {}
    for job in sorted(snapshot.jobs, key=lambda each: (each.state not in ENDED, each.started_ms or 0)):
        found[job.key] = job
    return found


def _changed(was: JobFacts, job: JobFacts) -> Iterator[Entry]:
    if was.id != job.id:
        yield _entry(job, job.seen_ms, "deployment", f"{job.id} took the place of {was.id}", "recording")
    elif (was.restarts or 0) < (job.restarts or 0):
        yield _entry(job, job.seen_ms, "restart", f"restarts: {was.restarts} -> {job.restarts}", "recording")
    if was.state != job.state:
        kind: Kind = "end" if job.state in ENDED else "restart"
        yield _entry(job, job.seen_ms, kind, f"{was.state} -> {job.state}", "recording")
    if was.flink_version != job.flink_version and was.flink_version and job.flink_version:
        text = f"Flink {was.flink_version} -> {job.flink_version}"
        yield _entry(job, job.seen_ms, "deployment", text, "recording")
    if was.resource is not None and job.resource is not None and was.resource.image != job.resource.image:
        text = f"image {was.resource.image} -> {job.resource.image}"
        yield _entry(job, job.seen_ms, "deployment", text, "recording")
    yield from _rescaled(was, job)
    yield from _configured(was, job)


def _rescaled(was: JobFacts, job: JobFacts) -> Iterator[Entry]:
    old: Mapping[str, VertexFacts] = {each.id: each for each in was.vertices}
    for vertex in job.vertices:
        before = old.get(vertex.id)
        if before is not None and before.parallelism != vertex.parallelism:
            text = f'parallelism of "{vertex.name}": {before.parallelism} -> {vertex.parallelism}'
            yield _entry(job, job.seen_ms, "rescale", text, "recording")


def _configured(was: JobFacts, job: JobFacts) -> Iterator[Entry]:
    if not was.configuration or not job.configuration:
        return
    for key in sorted(was.configuration.keys() | job.configuration.keys()):
        before, after = was.configuration.get(key), job.configuration.get(key)
        if before != after:
            yield _entry(job, job.seen_ms, "config", f"{key}: {_shown(before)} -> {_shown(after)}", "recording")


def _shown(value: str | None) -> str:
    if value is None:
        return "(not set)"
    return value if len(value) <= VALUE_CHARACTERS else value[: VALUE_CHARACTERS - 1] + "…"


class Load:
    """Follows how much comes into each job, and tells when it is another for some polls."""

    def __init__(self) -> None:
        self._usual: dict[JobKey, float] = {}
        self._other: dict[JobKey, int] = {}

    def at(self, snapshot: FleetSnapshot) -> Iterator[Entry]:
        """Entries of this snapshot, after those that were given before."""
        for key, job in current(snapshot).items():
            rate = _input_per_second(job)
            if rate is None:
                continue
            usual = self._usual.setdefault(key, rate)
            low, high = sorted((rate, usual))
            other = high - low >= LEAST_LOAD_PER_SECOND and high >= LOAD_FACTOR * low
            self._other[key] = self._other.get(key, 0) + 1 if other else 0
            if self._other[key] >= LOAD_POLLS:
                text = f"records in: {human_rate(usual)} -> {human_rate(rate)}"
                yield _entry(job, job.seen_ms, "load", text, "recording")
                self._usual[key], self._other[key] = rate, 0


def _input_per_second(job: JobFacts) -> float | None:
    rates = [total(each.records_in_per_second) for each in job.vertices if not each.upstream]
    known = [rate for rate in rates if rate is not None]
    return sum(known) if rates and len(known) == len(rates) else None


def gaps_of_recording(times_ms: list[int], since_ms: int, until_ms: int) -> Iterator[NotCovered]:
    """Stretches of the span of which the recording has no snapshot."""
    inside = [each for each in times_ms if since_ms <= each <= until_ms]
    if not inside:
        yield NotCovered("recording", "it has no snapshot of this time")
        return
    for first, last in pairwise([since_ms, *inside, until_ms]):
        if (last - first) / 1000 > LONGEST_GAP_SECONDS:
            yield NotCovered("recording", f"no snapshot for {(last - first) / 60_000:.0f} min from {_clock(first)} on")


def _clock(at_ms: int) -> str:
    from flinkops.clock import iso_utc

    return f"{(iso_utc(at_ms) or '?')[:16].replace('T', ' ')}Z"


def _entry(job: JobFacts, at_ms: int, kind: Kind, text: str, source: Origin) -> Entry:
    return Entry(at_ms, job.cluster, job.namespace, job.name, kind, " ".join(text.split()), source)
