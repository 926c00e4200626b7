"""upgrade-hazard: the next upgrade would lose state or cannot be rolled back."""

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import Rule, Verdict, line, remedy
from flinkops.model.findings import EvidenceLine, Finding, Remedy
from flinkops.model.option_names import SAVEPOINT_DIRECTORY

JOB_MANAGEMENT = (
    "https://nightlies.apache.org/flink/flink-kubernetes-operator-docs-stable/docs/custom-resource/job-management/"
)


def judge(case: Case) -> Verdict:
    """Of jobs of the operator: what `upgrade --plan` would refuse or warn of, seen before anybody upgrades."""
    resource, state = case.job.resource, case.evidence.assessment.state_bytes
    if not case.holds("it is a job of the operator", resource is not None) or resource is None:
        return ()
    found: list[tuple[str, tuple[EvidenceLine, ...], Remedy]] = []
    drops = resource.upgrade_mode == "stateless" and bool(state)
    if case.holds("it has state, and upgradeMode is stateless", drops) and state:
        lines = (line("bytes of state that an upgrade in this mode drops", float(state), 0, "bytes"),)
        fix = remedy("Keep the state on upgrades; costs a savepoint before each", "spec.job.upgradeMode", "savepoint")
        found.append(("The next upgrade drops the state (upgradeMode: stateless)", lines, fix))
    nowhere = resource.upgrade_mode == "savepoint" and case.setting(*SAVEPOINT_DIRECTORY) is None
    if case.holds("upgradeMode is savepoint, and no folder is set", nowhere and bool(case.job.configuration)):
        fix = remedy("Say where savepoints go", SAVEPOINT_DIRECTORY[0], None)
        found.append(("The next upgrade needs a savepoint, and no folder for it is set", (), fix))
    return [
        Finding(
            code="upgrade-hazard",
            severity="info",
            confidence=0.9,
            title=title,
            evidence=evidence,
            remedy=(fix,),
            next=f"flinkops upgrade {case.selector} --savepoint --plan",
            reference=JOB_MANAGEMENT,
        )
        for title, evidence, fix in found
    ]


RULE = Rule("upgrade-hazard", judge, running=False)
