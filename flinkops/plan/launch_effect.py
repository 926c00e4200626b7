"""What a job that is submitted in another way than before has to show. Pure."""

from collections.abc import Iterator

from flinkops.model.effect import EffectKind, Expected
from flinkops.model.facts import ClusterFacts, JobFacts
from flinkops.model.launch import Launch
from flinkops.model.overrides import OVERRIDES, lost_at_start, parse_overrides
from flinkops.model.plan import Step
from flinkops.plan.launch_change import changed_settings, parallelism_before, same_program
from flinkops.plan.rescale import SCHEDULER_MODE
from flinkops.plan.step_inputs import RequireOverrides, VerifyEffect


def effect_step(prefix: str, job: JobFacts, old: Launch | None, new: Launch) -> tuple[Step, ...]:
    """Reading the change back; none where nothing changes, or the old submission is not known."""
    expected = tuple(_expected(job, old, new)) if old is not None else tuple(_of_parallelism(job, None, new))
    return (Step(f"{prefix}effect", VerifyEffect(expected)),) if expected else ()


def _expected(job: JobFacts, old: Launch, new: Launch) -> Iterator[Expected]:
    yield from _of_parallelism(job, old, new)
    for key in changed_settings(old.settings, new.settings):
        if key != OVERRIDES:
            yield Expected("setting", key, old.settings.get(key), new.settings.get(key))
    if not same_program(old, new):
        yield Expected("other", "program", None, None)
    elif old.command != new.command and new.kind != "embedded":
        yield Expected("other", "arguments", None, None)


def _of_parallelism(job: JobFacts, old: Launch | None, new: Launch) -> Iterator[Expected]:
    before = parallelism_before(job, old)
    overrides = _overrides(new)
    if old is not None and overrides != _overrides(old):
        yield from (Expected("vertex", vertex, None, str(number)) for vertex, number in overrides.items())
    if new.parallelism is not None and new.parallelism != before:
        kind: EffectKind = "default-parallelism" if overrides else "parallelism"
        yield Expected(kind, "parallelism", None if before is None else str(before), str(new.parallelism))


def _overrides(launch: Launch) -> dict[str, int]:
    try:
        return parse_overrides(launch.settings.get(OVERRIDES, ""))
    except ValueError:
        return {}


def overrides_step(prefix: str, job: JobFacts, launch: Launch, cluster: ClusterFacts) -> tuple[Step, ...]:
    """Overrides that this Flink ignores at a submission, required again; none where it has none, or REST cannot."""
    overrides = _overrides(launch) if lost_at_start(cluster.flink_version) else {}
    return (Step(f"{prefix}overrides", RequireOverrides(overrides)),) if overrides and _rescales(job) else ()


def overrides_risk(job: JobFacts, launch: Launch | None, cluster: ClusterFacts) -> tuple[str, ...]:
    """Said where nothing brings them back."""
    if launch is None or not lost_at_start(cluster.flink_version) or not _overrides(launch) or _rescales(job):
        return ()
    return (
        f"Flink {cluster.flink_version} ignores parallelism overrides when a job is submitted (FLINK-38770), and"
        " without the adaptive scheduler nothing brings them back: the job starts without them",
    )


def _rescales(job: JobFacts) -> bool:
    reactive = job.configuration.get(SCHEDULER_MODE, "").lower() == "reactive"
    return (job.scheduler or "").lower() == "adaptive" and not reactive
