"""override-drift: the parallelism that was decided is not the one that runs."""

from collections.abc import Mapping, Sequence

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import Rule, Verdict, line, remedy
from flinkops.model.facts import VertexFacts
from flinkops.model.findings import Finding
from flinkops.model.overrides import LOST_AT_START, OVERRIDES, drifted, readable_overrides


def judge(case: Case) -> Verdict:
    """Each override of a vertex of this job against the parallelism that Flink reports."""
    text = case.setting(OVERRIDES)
    if not case.holds("it has parallelism overrides", bool(text)) or not text:
        return ()
    wanted = readable_overrides(text)
    found = drifted(wanted, case.job.vertices)
    if not case.above("vertices that run with another parallelism", len(found), 0, "count"):
        return ()
    running = {each.id: each.parallelism for each, _ in found}
    return [_finding(case, found, wanted | running)]


def _finding(case: Case, found: Sequence[tuple[VertexFacts, int]], as_it_runs: Mapping[str, int]) -> Finding:
    """Of all vertices that drifted, each with its override; `as_it_runs`: the overrides that would keep what runs."""
    vertex, number = found[0]
    step = case.scaled_to(vertex, number)
    what = 'subtasks of "{}" that run, against the override'
    return Finding(
        code="override-drift",
        severity="warning",
        confidence=0.8,
        title=f'"{vertex.name}" runs with {vertex.parallelism} subtasks, its override says {number}: {_next(case)}',
        vertex=vertex.name,
        evidence=tuple(
            line(what.format(each.name), float(each.parallelism), float(count), "count") for each, count in found
        ),
        remedy=(
            remedy("If the override is right: rescale to it, in place with the adaptive scheduler"),
            remedy(
                "If what runs is right: write that down before the next start; the operator's autoscaler forgets "
                "its own overrides on a new nonce",
                OVERRIDES,
                ",".join(f"{key}:{count}" for key, count in as_it_runs.items())[:200],
            ),
        ),
        next=step.command,
        move=step.move,
        reference="https://issues.apache.org/jira/browse/FLINK-38770",
    )


def _next(case: Case) -> str:
    if (case.job.flink_version or "").startswith(LOST_AT_START):
        return "this Flink ignores overrides when a job is submitted"
    return "the next start from the configuration brings it back"


RULE = Rule("override-drift", judge, steady=True)
