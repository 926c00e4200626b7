"""Seeing that a change has had the effect that it was to have."""

from collections.abc import Iterable
from typing import Any

from flinkops.act.outcomes import EffectSeen
from flinkops.act.running import StepKind, StepRun
from flinkops.act.stability_steps import alive
from flinkops.errors import NotInTime, TimedOut
from flinkops.model.effect import EffectKind
from flinkops.outside.shell import shell_command
from flinkops.plan.effect import Reading, Verdict, readings
from flinkops.plan.step_inputs import VerifyEffect

_SEEN_WITHIN_SECONDS = 120.0
_FINAL = (Verdict.SEEN, Verdict.NOT_COMPARABLE)


def verify_effect(run: StepRun, given: VerifyEffect) -> EffectSeen:
    """Each part of the change is read back. Raises TimedOut where one is not there: the job runs, and is left so."""
    last: tuple[Reading, ...] = ()

    def ask() -> tuple[Reading, ...] | None:
        nonlocal last
        job = alive(run, run.running_job_id)
        told = run.control.runs_with(job.id)
        last = readings(given.expected, job, told, application=given.application)
        return last if all(one.verdict in _FINAL for one in last) else None

    try:
        return _seen(run.until("waiting for the effect of the change", ask, within_seconds=_SEEN_WITHIN_SECONDS))
    except NotInTime as problem:
        missing = "; ".join(_told(one) for one in last if one.verdict not in _FINAL)
        raise TimedOut(
            f"the job runs, but the change has not had its effect: {missing or problem.what}",
            next_step=f"see what it runs with: {shell_command('flinkops', 'status', run.plan.target.job_name)}",
        ) from None


def _told(one: Reading) -> str:
    wanted = one.expected.wanted if one.expected.kind != "setting" else None
    return f"{one.expected.name}{f' is to be {wanted}' if wanted else ''}: {one.text}"


def _seen(found: Iterable[Reading]) -> EffectSeen:
    def of(*kinds: EffectKind) -> list[Reading]:
        return [one for one in found if one.verdict is Verdict.SEEN and one.expected.kind in kinds]

    def values(*kinds: EffectKind) -> str | None:
        return ", ".join(one.text for one in of(*kinds)) or None

    def names(*kinds: EffectKind) -> str | None:
        return ", ".join(one.expected.name for one in of(*kinds)) or None

    open_ = [f"{one.expected.name} ({one.text})" for one in found if one.verdict is Verdict.NOT_COMPARABLE]
    return EffectSeen(
        image=values("image"),
        flink_version=values("flink-version"),
        job_parallelism=values("parallelism", "default-parallelism"),
        vertices=values("vertex"),
        settings=names("setting"),
        program=names("program"),
        not_compared="; ".join(open_) or None,
    )


EFFECT_STEPS: tuple[StepKind[Any, Any], ...] = (StepKind(VerifyEffect, EffectSeen, verify_effect),)
