"""Why the Flink operator cannot make a configuration of a spec: then nothing happens but an error, over and over. Pure.

Source: ``FlinkConfigBuilder`` of operator 1.7 to 1.16.
"""

import re
from collections.abc import Callable, Iterator

from flinkops.model.option_names import OPERATOR
from flinkops.plan.operator.configuration import Option, Settings, Unparsable
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.situation import View
from flinkops.plan.operator.spec import job_of

_FAILED = "Failed to load configuration"
_PULL_POLICIES = ("IfNotPresent", "Always", "Never")
_SLOTS = Option("taskmanager.numberOfTaskSlots")
_SWITCHES = (
    Option(f"{OPERATOR}pod-template.merge-arrays-by-name"),
    Option(f"{OPERATOR}jm-deployment.startup.probe.enabled"),
)
_NOT_IN_A_URI = re.compile(r'[\s<>"{}|\\^`\[\]]|%(?![0-9a-fA-F]{2})')
_HOST_IN_BRACKETS = re.compile(r"//\[[0-9a-fA-F:.]+\]")

Step = Callable[[View, Spec, Settings], Iterator[str]]


def unbuildable(view: View) -> str | None:
    """The first error, in the operator's order; None where there is none. A session job's is not made of its spec."""
    if view.case.session_job:
        return None
    found = (problem for step in _STEPS for problem in step(view, view.case.wanted, view.deploy))
    return next((f"{_FAILED}: {problem}" for problem in found), None)


def is_uri(text: str) -> bool:
    """Whether ``java.net.URI`` takes it, by its characters."""
    return not _NOT_IN_A_URI.search(_HOST_IN_BRACKETS.sub("//", text, count=1))


def _pull_policy(_: View, wanted: Spec, __: Settings) -> Iterator[str]:
    policy = str(wanted.get("imagePullPolicy") or "").strip()
    if policy and wanted["imagePullPolicy"] not in _PULL_POLICIES:
        yield f"imagePullPolicy {wanted['imagePullPolicy']!r} is none of {', '.join(_PULL_POLICIES)}"


def _switches(view: View, _: Spec, settings: Settings) -> Iterator[str]:
    known = {**(settings.defaults or {}), **settings.of_spec}
    for option in _SWITCHES:
        if option.key in known:
            try:
                settings.switch(option, view.world, default=False)
            except Unparsable as problem:
                yield str(problem)


def _task_slots(view: View, wanted: Spec, settings: Settings) -> Iterator[str]:
    """How many slots a TaskManager has: asked where their number and the parallelism hang together."""
    counted = _taskmanagers_given(wanted) or not view.case.native
    text = settings.raw(_SLOTS, view.world, (None,))
    if job_of(wanted) and counted and text is not None and not re.fullmatch(r"[+-]?\d+", text):
        yield f"Could not parse value '{text}' for key '{_SLOTS.key}'."


def _overrides(view: View, wanted: Spec, settings: Settings) -> Iterator[str]:
    """The parallelism of an application may come from its vertices' overrides: standalone; in any mode for a while."""
    asked = view.rules.minor >= 8 and (not view.case.native or view.rules.overrides_in_native)
    if not job_of(wanted) or not asked or _taskmanagers_given(wanted):
        return
    try:
        found = settings.overrides(view.world, view.rules)
    except Unparsable as problem:
        yield str(problem)
        return
    for vertex, text in found.items():
        if text is None or not re.fullmatch(r"[+-]?\d+", text):
            yield f"the parallelism {text!r} of vertex {vertex} is no number"


def _taskmanagers_given(wanted: Spec) -> bool:
    return (wanted.get("taskManager") or {}).get("replicas") is not None


def _jar(view: View, wanted: Spec, _: Settings) -> Iterator[str]:
    uri = job_of(wanted).get("jarURI")
    if not isinstance(uri, str):
        return
    if not is_uri(uri):
        yield f"the jarURI {uri!r} is no URI"
    elif not view.case.native and not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", uri):
        yield f"the jarURI {uri!r} has no scheme"


_STEPS: tuple[Step, ...] = (_pull_policy, _switches, _task_slots, _overrides, _jar)
