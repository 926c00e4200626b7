"""Which back end acts on a job: by the settings, by the source that shows it, or by a plan that was made for it."""

from functools import cache
from importlib import import_module

from flinkops.act.backend import Backend, BackendKind
from flinkops.act.places import all_places, backend_folders
from flinkops.clock import Clock
from flinkops.config.settings import Settings
from flinkops.errors import Refused
from flinkops.model.facts import ClusterFacts, JobFacts
from flinkops.model.plan import Plan
from flinkops.sources.protocol import TakesActions


@cache
def backend_kinds() -> dict[str, BackendKind]:
    """By the name of their folder in flinkops.act."""
    return {name: import_module(f"flinkops.act.{name}.backend").BACKEND for name in backend_folders()}


def backend_for(settings: Settings, clock: Clock) -> Backend:
    """That which the settings mean most clearly; among equals always the same."""
    places = all_places()
    chosen = max(places, key=lambda name: places[name].claim(settings))
    return backend_kinds()[chosen].open(settings, clock)


def backend_of_job(job: JobFacts, settings: Settings, clock: Clock) -> Backend:
    """That which acts on this kind of job, at the places that the settings name."""
    return _of_kind(job.kind).open(settings, clock)


def backend_of_plan(plan: Plan, settings: Settings, clock: Clock) -> Backend:
    """That which a plan was made with. Raises Refused when this flinkops has none of its kind."""
    return _of_kind(plan.target.kind).open(settings, clock)


def backend_of_source(source: TakesActions, clock: Clock) -> Backend:
    """That which acts on the jobs of a source."""
    return backend_kinds()[source.backend].of_source(source, clock)


def options_of(job_kind: str, cluster: ClusterFacts) -> tuple[str, ...]:
    """The options that name the place of such a job on a command line, where that is known."""
    found = next((name for name, kind in backend_kinds().items() if job_kind in kind.job_kinds), None)
    return () if found is None else all_places()[found].options(cluster)


def _of_kind(job_kind: str) -> BackendKind:
    for kind in backend_kinds().values():
        if job_kind in kind.job_kinds:
            return kind
    raise Refused(f"this flinkops does not know how to act on a {job_kind}")
