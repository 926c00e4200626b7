"""Whether a running job shows what a change was to bring about. Pure.

What is read back is what was wanted, or what was before, or neither. Only the first is an effect; the second
contradicts it; of the third (written otherwise, set by something else) and of what is masked or not reported nothing
follows: then the proof is the weaker one that the job was started anew, after the change.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from flinkops.model.effect import Expected, RunsWith
from flinkops.model.facts import JobFacts, VertexFacts
from flinkops.outside.masking import MASK
from flinkops.plan.operator.configuration import duration_seconds
from flinkops.plan.operator.memory import memory_size

DEFAULT_PARALLELISM = "parallelism.default"
_NEVER_IN_ITS_CONFIGURATION = frozenset(
    {
        "kubernetes.config.file",
        "rest.bind-address",
        "jobmanager.bind-host",
        "taskmanager.bind-host",
        "taskmanager.host",
    }
)
"""What Flink leaves out of a pod's configuration (``FlinkConfMountDecorator.getClusterSideConfData``)."""


class Verdict(StrEnum):
    """What follows from one reading."""

    SEEN = "seen"
    CONTRADICTED = "contradicted"  # it is as it was before
    NOT_YET = "not-yet"  # nothing is told so far
    NOT_COMPARABLE = "not-comparable"  # nothing will be told


class Reading(NamedTuple):
    """``text`` says what was read, or why nothing follows from it."""

    expected: Expected
    verdict: Verdict
    text: str


def readings(expected: Iterable[Expected], job: JobFacts, told: RunsWith, *, application: bool) -> tuple[Reading, ...]:
    """Each expectation against the job. ``application``: its cluster's settings are its own."""
    return tuple(Reading(one, *_READERS[one.kind](one, job, told, application)) for one in expected)


_Read = tuple[Verdict, str]


def _setting(one: Expected, _job: JobFacts, told: RunsWith, application: bool) -> _Read:
    own = (told.own or {}).get(one.name)
    if own is not None and one.wanted is not None:
        return (
            (Verdict.SEEN, own) if same_value(own, one.wanted) else (Verdict.CONTRADICTED, "the job has another value")
        )
    if not application:
        return Verdict.NOT_COMPARABLE, "Flink does not tell a job's own settings"
    if told.settings is None:
        return _untold(told, "settings")
    now = told.settings.get(one.name)
    if now == MASK:
        return Verdict.NOT_COMPARABLE, "Flink masks it"
    if same_value(now, one.wanted):
        return Verdict.SEEN, now or "not set"
    if one.name in _NEVER_IN_ITS_CONFIGURATION:
        return Verdict.NOT_COMPARABLE, "Flink keeps it out of its configuration"
    if not same_value(now, one.before):
        return Verdict.NOT_COMPARABLE, "it is neither as before nor as wanted: written otherwise, or a default"
    return Verdict.CONTRADICTED, "it is as before"


def _program(one: Expected, _job: JobFacts, told: RunsWith, application: bool) -> _Read:
    now = (told.settings or {}).get(one.name) if application else None
    if now is None or now == MASK:
        return Verdict.NOT_COMPARABLE, "Flink does not tell it; the job was started anew with it"
    for text, read in ((one.wanted, Verdict.SEEN), (one.before, Verdict.CONTRADICTED)):
        if text is not None and now in (text, f"[{text.replace(';', ', ')}]"):  # Flink 2.x writes lists as YAML does
            return read, "as wanted" if read is Verdict.SEEN else "it is as before"
    return Verdict.NOT_COMPARABLE, "written otherwise"


def _other(_one: Expected, _job: JobFacts, _told: RunsWith, _application: bool) -> _Read:
    return Verdict.NOT_COMPARABLE, "nothing tells it; the job was started anew with it"


def _image(one: Expected, _job: JobFacts, told: RunsWith, _application: bool) -> _Read:
    if told.pods is None:
        return _untold(told, "pods")
    old = [pod.name for pod in told.pods if pod.image == one.before]
    if old:
        return Verdict.CONTRADICTED, f"{old[0]} runs {one.before}"
    managers = [pod for pod in told.pods if pod.is_jobmanager and pod.created_ms >= (told.changed_ms or 0)]
    if not managers:
        return Verdict.NOT_YET, "no pod of a JobManager is newer than the change"
    others = [pod for pod in told.pods if pod.image != one.wanted]
    if others:
        return (
            Verdict.NOT_COMPARABLE,
            f"{others[0].name} runs {others[0].image}, which is neither the old nor the new one",
        )
    return Verdict.SEEN, f"{one.wanted} ({', '.join(sorted(pod.name for pod in told.pods))})"


def _flink_version(one: Expected, _job: JobFacts, told: RunsWith, _application: bool) -> _Read:
    if told.flink_version is None:
        return _untold(told, "flink_version")
    wanted, before = (_dotted(text) for text in (one.wanted, one.before))
    if wanted and f"{told.flink_version}.".startswith(wanted):
        return Verdict.SEEN, told.flink_version
    if before and f"{told.flink_version}.".startswith(before):
        return Verdict.CONTRADICTED, f"Flink {told.flink_version} runs"
    return Verdict.NOT_COMPARABLE, f"Flink {told.flink_version} runs"


def _dotted(version: str | None) -> str:
    """As ``v1_20`` is the beginning of ``1.20.5.``."""
    return f"{version.removeprefix('v').replace('_', '.')}." if version else ""


def _parallelism(one: Expected, job: JobFacts, told: RunsWith, _application: bool) -> _Read:
    wanted, vertices = int(one.wanted or 0), _decided(job.vertices)
    if not vertices:
        return Verdict.NOT_YET, "no vertex is told"
    running = [vertex.parallelism for vertex in vertices]
    most = max(vertex.max_parallelism or wanted for vertex in vertices)
    if max(running) == min(wanted, most):
        return Verdict.SEEN, str(max(running))
    # A program may set the parallelism of some of its operators itself.
    as_default = same_value((told.own or {}).get(DEFAULT_PARALLELISM), one.wanted)
    if as_default and wanted in running:
        return Verdict.SEEN, f"{wanted} where the program sets no other"
    seen = ", ".join(str(number) for number in sorted(set(running)))
    return Verdict.CONTRADICTED, f"its vertices run with {seen}"


def _default_parallelism(one: Expected, _job: JobFacts, told: RunsWith, _application: bool) -> _Read:
    if told.own is None:
        return _untold(told, "own")
    now = told.own.get(DEFAULT_PARALLELISM)
    if same_value(now, one.wanted):
        return Verdict.SEEN, f"{now} by default; overrides decide on the vertices"
    return Verdict.NOT_COMPARABLE, "overrides decide on the vertices"


def _vertex(one: Expected, job: JobFacts, _told: RunsWith, _application: bool) -> _Read:
    vertices = _decided(job.vertices)
    if not vertices:
        return Verdict.NOT_YET, "no vertex is told"
    found = next((vertex for vertex in vertices if vertex.id == one.name), None)
    if found is None:
        return Verdict.NOT_COMPARABLE, "the job has no such vertex"
    seen = found.parallelism == int(one.wanted or 0)
    return (Verdict.SEEN if seen else Verdict.CONTRADICTED), f"{found.name} {found.parallelism}"


_READERS: dict[str, Callable[[Expected, JobFacts, RunsWith, bool], _Read]] = {
    "image": _image,
    "flink-version": _flink_version,
    "parallelism": _parallelism,
    "default-parallelism": _default_parallelism,
    "vertex": _vertex,
    "setting": _setting,
    "program": _program,
    "other": _other,
}


def _untold(told: RunsWith, field: str) -> _Read:
    why = told.untold.get(field)
    return (Verdict.NOT_YET, "not told yet") if why is None else (Verdict.NOT_COMPARABLE, why)


def _decided(vertices: Sequence[VertexFacts]) -> list[VertexFacts]:
    return [vertex for vertex in vertices if vertex.parallelism > 0]


def same_value(one: str | None, other: str | None) -> bool:
    """Whether two texts of a setting mean the same: in another case, another unit, another way of writing numbers.

    >>> same_value("60000 ms", "1 min"), same_value("exactly_once", "EXACTLY_ONCE"), same_value("1", None)
    (True, True, False)
    """
    if one is None or other is None:
        return one is other
    first, second = one.strip(), other.strip()
    return first.lower() == second.lower() or any(
        (value := read(first)) is not None and value == read(second)
        for read in (_number, duration_seconds, memory_size)
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
