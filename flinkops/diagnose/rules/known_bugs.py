"""known-bug: this version has a fault that this job's make runs into."""

from collections.abc import Callable
from typing import NamedTuple

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import Rule, Verdict, line, remedy
from flinkops.model.findings import Finding, NotAssessed
from flinkops.model.operator_bugs import Strikes, dotted, operator_bugs
from flinkops.model.overrides import LOST_AT_START, OVERRIDES


class Bug(NamedTuple):
    """One known fault: versions it was seen with, when it strikes, what to do."""

    issue: str
    versions: tuple[str, ...]  # prefixes of Flink's version
    title: str
    strikes: Callable[[Case], bool]
    remedy: str


def _overrides_on_adaptive(case: Case) -> bool:
    return bool(case.setting(OVERRIDES)) and "adaptive" in (case.job.scheduler or "").lower()


def _iceberg_v1_committer(case: Case) -> bool:
    return any("IcebergFilesCommitter" in each.name for each in case.job.vertices) and (
        "adaptive" in (case.job.scheduler or "").lower()
    )


BUGS = (
    Bug(
        "https://issues.apache.org/jira/browse/FLINK-38770",
        LOST_AT_START,
        "Parallelism overrides are ignored when the job is submitted (FLINK-38770)",
        _overrides_on_adaptive,
        "After each deployment rescale in place to what the overrides say, and compare (override-drift)",
    ),
    Bug(
        "https://iceberg.apache.org/docs/latest/flink-configuration/",
        ("1.", "2."),
        "Iceberg's first sink at parallelism 1 crash-loops after a rescale in place (NoSuchElement in the committer)",
        _iceberg_v1_committer,
        "Use the second sink (table.exec.iceberg.use-v2-sink), with a uid",
    ),
)


def judge(case: Case) -> Verdict:
    """Info: a hazard is not yet a fault."""
    version = case.job.flink_version
    if version is None:
        return NotAssessed("known-bug", case.why_missing("flink_version", "the cluster did not say its version"))
    found = [*_of_operator(case), *_of_flink(case, version)]
    case.above(f"known faults of Flink {version}, or of its operator, that may meet this job", len(found), 0, "count")
    return found


_UNTIL_THEN: dict[Strikes, str] = {
    "upgrade": "take a backup savepoint before each upgrade",
    "session-job": "check whether the job runs twice after a submission that failed",
    "blue-green": "check both children after each transition",
    "savepoints": "search the savepoint folder for what no job refers to",
    "deletion": "the finalizer may have to be taken away by hand, once the job is seen to be gone",
}


def _strikes(case: Case) -> tuple[Strikes, ...]:
    """Where a bug may meet this job."""
    resource = case.job.resource
    if resource is None:
        return ("upgrade",)
    session: tuple[Strikes, ...] = ("session-job", "deletion") if resource.session_cluster else ()
    blue_green: tuple[Strikes, ...] = ("blue-green",) if resource.blue_green_state else ()
    return ("upgrade", *session, *blue_green)


def _of_operator(case: Case) -> list[Finding]:
    version = case.job.resource.operator_version if case.job.resource else None
    return [
        Finding(
            code="known-bug",
            severity="info",
            confidence=0.6,
            title=f"The operator {bug.effect} ({bug.issue})",
            evidence=(line(f"operator {version}; fixed in {dotted(bug.fixed)}"),),
            remedy=(remedy(f"Upgrade the operator; until then {_UNTIL_THEN[bug.strikes]}"),),
            next=f"flinkops upgrade {case.selector} --savepoint --backup-savepoint --plan"
            if bug.strikes == "upgrade"
            else f"flinkops status {case.selector}",
            reference=f"https://issues.apache.org/jira/browse/{bug.issue}",
        )
        for bug in operator_bugs(version, *_strikes(case))
    ]


def _of_flink(case: Case, version: str) -> list[Finding]:
    return [
        Finding(
            code="known-bug",
            severity="info",
            confidence=0.6,
            title=bug.title,
            evidence=(line(f"Flink {version}"),),
            remedy=(remedy(bug.remedy),),
            next=f"flinkops status {case.selector}",
            reference=bug.issue,
        )
        for bug in BUGS
        if version.startswith(bug.versions) and bug.strikes(case)
    ]


RULE = Rule("known-bug", judge, running=False)
