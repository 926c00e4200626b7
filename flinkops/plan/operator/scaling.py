"""Whether the Flink operator changes the parallelism in place, without a restart. Pure.

Source: ``NativeFlinkService.scale`` and ``StandaloneFlinkService.scale`` of operator 1.7 to 1.15.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from flinkops.model.json_reading import section
from flinkops.model.overrides import OVERRIDES
from flinkops.model.states import ENDED, JobState
from flinkops.plan.operator.configuration import (
    AUTOSCALER_ON,
    IN_PLACE,
    SCHEDULER,
    SCHEDULER_MODE,
    flink_at_least,
)
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.reasons import Reason, ReasonCode, because
from flinkops.plan.operator.situation import View
from flinkops.plan.operator.spec import job_of
from flinkops.plan.operator.worlds import Fact, FactKind

Bounds = Mapping[str, tuple[int, int]]

_SCHEDULERS = frozenset({"default", "adaptive", "adaptivebatch", "ng"})


class Scaling(NamedTuple):
    """``refusal`` None: done in place, to these ``bounds`` where they are known."""

    refusal: Reason | None
    bounds: Bounds | None = None


def scaled(view: View) -> Scaling:
    """Raises Unparsable where the operator throws."""
    return _native(view) if view.case.native else _standalone(view)


def with_autoscaler(view: View) -> Spec:
    """The wanted spec as the operator compares it: its autoscaler, while it is on, puts its own overrides back."""
    case, key = view.case, OVERRIDES
    if not job_of(case.wanted) or not view.observe.switch(AUTOSCALER_ON, view.world, default=False):
        return case.wanted
    kept = case.observed.autoscaler_overrides
    if kept is None:
        before = dict(view.observe.of_spec).get(key) if case.session_job else None
        before = before or _setting(case.deployed, key)
        if before is None or before == _setting(case.wanted, key):
            return case.wanted
        if not view.world.ask(Fact(FactKind.AUTOSCALER_OVERRIDES), (True, False)):
            return case.wanted
        text = before
    elif kept:
        text = ",".join(f"{vertex}:{parallelism}" for vertex, parallelism in kept.items())
    else:
        return case.wanted
    return {**case.wanted, "flinkConfiguration": {**section(case.wanted, "flinkConfiguration"), key: text}}


def _setting(spec: Spec, key: str) -> str | None:
    value = section(spec, "flinkConfiguration").get(key)
    return value if isinstance(value, str) else None


def _native(view: View) -> Scaling:
    case, world, observe = view.case, view.world, view.observe
    if not job_of(case.wanted):
        return Scaling(because(ReasonCode.NO_JOB_TO_SCALE))
    if not observe.switch(IN_PLACE, world, default=True):
        return Scaling(because(ReasonCode.IN_PLACE_OFF, key=IN_PLACE.key))
    version = (case.cluster_spec if case.session_job else case.running_spec).get("flinkVersion")
    if not flink_at_least(version, 1, 18):
        return Scaling(because(ReasonCode.IN_PLACE_SINCE_1_18))
    if not _adaptive(view):
        return Scaling(because(ReasonCode.NOT_ADAPTIVE))
    if case.job_state in ENDED or case.job_state == JobState.RECONCILING:
        return Scaling(because(ReasonCode.NOT_SCALABLE_NOW, state=case.job_state))
    return _by_overrides(view)


def _adaptive(view: View) -> bool:
    return view.observe.word(SCHEDULER, view.world, _SCHEDULERS, _likely_schedulers(view)) == "adaptive"


def _likely_schedulers(view: View) -> tuple[str | None, ...]:
    seen = view.case.observed.adaptive
    return (None, "adaptive") if seen is None else (("adaptive",) if seen else (None,))


def rescales_once_started(view: View) -> bool:
    """Whether bounds that are required over REST change the parallelism of a job that the wanted spec has started."""
    settings, world = view.deploy, view.world
    likely = _likely_schedulers(view)
    mode = settings.word(SCHEDULER_MODE, world, frozenset({"reactive"}), (None, "reactive"))
    return mode != "reactive" and settings.word(SCHEDULER, world, _SCHEDULERS, likely) == "adaptive"


def _by_overrides(view: View) -> Scaling:
    world, rules = view.world, view.rules
    new, before = view.deploy.overrides(world, rules), view.observe.overrides(world, rules)
    if not new and not before:
        return Scaling(because(ReasonCode.NO_OVERRIDES))
    vertices = view.case.observed.vertices
    gone = {vertex for vertex in before if new.get(vertex) is None}
    if vertices is not None:
        gone &= set(vertices)
    if gone and (vertices is not None or _of_a_vertex(view)):
        return Scaling(because(ReasonCode.OVERRIDE_TAKEN_AWAY, vertex=min(gone)))
    bounds: dict[str, tuple[int, int]] = {}
    for vertex, (lower, upper) in view.case.observed.vertex_bounds.items():
        text = new.get(vertex)
        if text is None:
            bounds[vertex] = (lower, upper)
        elif re.fullmatch(r"[+-]?\d+", text) is None:
            return Scaling(because(ReasonCode.OVERRIDE_NO_NUMBER, vertex=vertex, value=text))
        else:
            bounds[vertex] = (min(int(text), lower) if rules.lower_bound_kept else int(text), int(text))
    return Scaling(None, bounds or None)


def _of_a_vertex(view: View) -> bool:
    """Whether the job has the vertex, where that is not known."""
    return view.world.ask(Fact(FactKind.VERTICES), (True, False))


def _standalone(view: View) -> Scaling:
    mode = view.observe.word(SCHEDULER_MODE, view.world, frozenset({"reactive"}), (None, "reactive"))
    if mode != "reactive":
        return Scaling(because(ReasonCode.NOT_REACTIVE))
    seen = view.case.observed.taskmanager_deployment
    there = view.world.ask(Fact(FactKind.TASKMANAGERS), (True, False)) if seen is None else seen
    return Scaling(None if there else because(ReasonCode.NO_TASKMANAGERS))
