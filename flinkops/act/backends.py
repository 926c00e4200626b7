"""Which back end acts on a job: by the settings, by the source that shows it, or by a plan that was made for it."""

from functools import cache
from importlib import import_module

from flinkops.act.backend import Backend, BackendKind
from flinkops.act.step_kinds import backend_folders
from flinkops.clock import Clock
from flinkops.config.settings import Settings
from flinkops.errors import Refused
from flinkops.model.facts import JobFacts
from flinkops.model.plan import Plan
from flinkops.sources.protocol import TakesActions


@cache
def backend_kinds() -> dict[str, BackendKind]:
    """By the name of their folder in flinkops.act."""
    return {name: import_module(f"flinkops.act.{name}.backend").BACKEND for name in backend_folders()}


def backend_for(settings: Settings, clock: Clock) -> Backend:
    """That which the settings mean most clearly; among equals the first by name, so that it is always the same."""
    kinds = backend_kinds()
    chosen = max(sorted(kinds, reverse=True), key=lambda name: kinds[name].claim(settings))
    return kinds[chosen].open(settings, clock)


def backend_of_job(job: JobFacts, settings: Settings, clock: Clock) -> Backend:
    """That which acts on this kind of job, at the places that the settings name."""
    return _of_kind(job.kind).open(settings, clock)


def backend_of_plan(plan: Plan, settings: Settings, clock: Clock) -> Backend:
    """That which a plan was made with. Raises Refused when this flinkops has none of its kind."""
    return _of_kind(plan.target.kind).open(settings, clock)


def backend_of_source(source: TakesActions, clock: Clock) -> Backend:
    """That which acts on the jobs of a source."""
    return backend_kinds()[source.backend].of_source(source, clock)


def _of_kind(job_kind: str) -> BackendKind:
    for kind in backend_kinds().values():
        if job_kind in kind.job_kinds:
            return kind
    raise Refused(f"this flinkops does not know how to act on a {job_kind}")
