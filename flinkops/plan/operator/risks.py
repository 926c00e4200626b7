"""What may go wrong with an upgrade through the operator although nothing forbids it. Pure; one function a risk."""

from collections.abc import Iterator

from flinkops.model.json_reading import text
from flinkops.model.operator_bugs import Strikes, dotted, operator_bugs, version_numbers
from flinkops.model.overrides import lost_at_start
from flinkops.model.switches import is_on
from flinkops.plan.operator.checks import (
    RENAMED_IN_2,
    CheckCode,
    Checks,
    Problem,
    ProposedChange,
    flink_version,
    found,
)
from flinkops.plan.operator.configuration import AUTOSCALER_ON
from flinkops.plan.operator.effects import lost_overrides
from flinkops.plan.operator.spec import configuration, desired_state, job_of


def risks(proposed: ProposedChange) -> list[Problem]:
    """What may go wrong although nothing forbids it."""
    return found(_RISKS, proposed) if proposed.restarts else []


def _known_bugs(proposed: ProposedChange) -> Iterator[str]:
    version = proposed.situation.features.version
    strikes: tuple[Strikes, ...] = ("upgrade", "session-job") if proposed.situation.session_job else ("upgrade",)
    for bug in operator_bugs(version, *strikes) if proposed.decision.mode in ("savepoint", "last-state") else ():
        running, fixed = dotted(version_numbers(version)), dotted(bug.fixed)
        yield f"operator {running} {bug.effect} ({bug.issue}, fixed in {fixed}): --backup-savepoint first"


def _redeploy_risk(proposed: ProposedChange) -> Iterator[str]:
    if proposed.decision.mode == "savepoint-redeploy":
        yield f"what the job did since {job_of(proposed.wanted).get('initialSavepointPath')} is lost"


def _new_operator(proposed: ProposedChange) -> Iterator[str]:
    if proposed.situation.features.beyond:
        version = proposed.situation.features.version
        yield f"operator {version} is none whose rules are known here (1.7 to 1.16): the nearest ones were used"


def _minor_version(proposed: ProposedChange) -> Iterator[str]:
    if proposed.situation.version_changed:
        yield "flinkVersion changes: the operator itself never rolls back across versions"


def _old_keys(proposed: ProposedChange) -> Iterator[str]:
    version = flink_version(proposed.wanted)
    settings = configuration(proposed.wanted)
    if version and version[0] >= 2:
        for old in (key for key in RENAMED_IN_2 if key in settings):
            yield f"{old} is called {RENAMED_IN_2[old]} in Flink 2.x (the old name still works as a fallback)"


def _no_ha(proposed: ProposedChange) -> Iterator[str]:
    if proposed.ha is False:
        yield "high availability is off: the operator cannot roll back, and a lost JobManager loses the job's position"


def _non_restored(proposed: ProposedChange) -> Iterator[str]:
    if job_of(proposed.wanted).get("allowNonRestoredState") is True:
        yield "allowNonRestoredState is on: state of operators that are gone is dropped without a word"


def _overrides_lost(proposed: ProposedChange) -> Iterator[str]:
    version, settings = text(proposed.wanted, "flinkVersion"), configuration(proposed.wanted)
    if not lost_at_start(version) or desired_state(proposed.wanted) != "running":
        return
    number = str(version).removeprefix("v").replace("_", ".")
    ignored = f"Flink {number} ignores parallelism overrides when a job is submitted (FLINK-38770)"
    if any(is_on(settings, key, default=False) for key in AUTOSCALER_ON.keys):
        yield f"{ignored}: the job starts without what the operator's autoscaler has set, which does not see it"
    elif lost_overrides(proposed.wanted) and proposed.rescales is not True:
        yield f"{ignored}, and without the adaptive scheduler nothing brings them back: the job starts without them"


_RISKS: Checks = {
    CheckCode.REDEPLOY_LOSS: _redeploy_risk,
    CheckCode.NEW_OPERATOR: _new_operator,
    CheckCode.KNOWN_BUG: _known_bugs,
    CheckCode.NO_ROLLBACK_ACROSS_VERSIONS: _minor_version,
    CheckCode.OLD_KEYS: _old_keys,
    CheckCode.NO_HA: _no_ha,
    CheckCode.NON_RESTORED: _non_restored,
    CheckCode.OVERRIDES_LOST: _overrides_lost,
}
