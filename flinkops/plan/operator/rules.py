"""What differs between the Flink operator's versions, 1.7 to 1.16. Pure.

Source: the release branches of apache/flink-kubernetes-operator; each fact stands at the first version that has it.
"""

from collections.abc import Mapping
from typing import Any

from flinkops.model.assessment import Value
from flinkops.model.json_reading import items, section
from flinkops.model.operator_bugs import version_numbers

OLDEST, NEWEST = 7, 16
"""Minor versions of operator 1.x whose rules are known."""

_FLINK_SINCE = {
    7: ("v1_13", "v1_14", "v1_15", "v1_16", "v1_17", "v1_18", "v1_19"),
    10: ("v1_20",),
    11: ("v2_0",),
    13: ("v2_1", "v2_2"),
    15: ("v2_3", "v2_4"),
}


class Rules(Value, frozen=True):
    """The rules of one operator version, by its minor number."""

    minor: int

    @property
    def savepoint_redeploy(self) -> bool:
        """``spec.job.savepointRedeployNonce``, and that a null nonce is no change."""
        return self.minor >= 8

    @property
    def whole_pod(self) -> bool:
        """Pod templates are read as whole Pods; later as metadata and spec alone."""
        return self.minor < 8

    @property
    def ingress_labels(self) -> bool:
        """``spec.ingress.labels`` and ``.tls``."""
        return self.minor >= 8

    @property
    def refuses_old_flink(self) -> bool:
        """The validation refuses Flink versions below 1.15."""
        return self.minor >= 9

    @property
    def lower_bound_kept(self) -> bool:
        """Scaling in place leaves a vertex's lower bound; before, both bounds became the override."""
        return self.minor >= 8

    @property
    def cancels_over_rest(self) -> bool:
        """The upgrade rules of 1.10: ``upgradeSavepointPath``, and last-state by cancelling the job."""
        return self.minor >= 10

    @property
    def yaml_maps(self) -> bool:
        """Built on Flink 1.19 or newer, which reads a setting that is a map as YAML too."""
        return self.minor >= 10

    @property
    def autoscaler_reset(self) -> bool:
        """``spec.job.autoscalerResetNonce``."""
        return self.minor >= 11

    @property
    def new_directory_keys(self) -> bool:
        """Built on Flink 1.20, which renamed ``state.savepoints.dir`` and ``state.checkpoints.dir``."""
        return self.minor >= 11

    @property
    def nested_configuration(self) -> bool:
        """``flinkConfiguration`` takes nested objects, lists and bare values."""
        return self.minor >= 13

    @property
    def cancellable_by_jobmanager(self) -> bool:
        """A job that has ended, or whose JobManager is not READY, cannot be cancelled."""
        return self.minor >= 14

    @property
    def recorded_if_accessible(self) -> bool:
        """What is recorded of an ended job counts while its JobManager answers, HA metadata or not."""
        return self.minor >= 15

    @property
    def overrides_in_native(self) -> bool:
        """The greatest parallelism of the overrides became that of an application in native mode too."""
        return 8 <= self.minor <= 13

    @property
    def restricts_jars(self) -> bool:
        """The jar of a session job has to come by an allowed scheme."""
        return self.minor >= 15

    @property
    def resources(self) -> bool:
        """``spec.jobManager.resources`` and ``spec.taskManager.resources``."""
        return self.minor >= 16

    @property
    def flink_versions(self) -> frozenset[str]:
        """The values of ``spec.flinkVersion``."""
        return frozenset(one for since, names in _FLINK_SINCE.items() if since <= self.minor for one in names)


class Features(Value, frozen=True):
    """What the installed operator can do, told by the schema of its custom resource (see :func:`features`)."""

    savepoint_redeploy: bool = False  # spec.job.savepointRedeployNonce: 1.8 and newer
    upgrade_savepoint_path: bool = False  # status.jobStatus.upgradeSavepointPath: 1.10 and newer
    version: str | None = None  # as its Deployment says, where that could be read
    oldest: int = OLDEST  # the minor versions whose schema this may be
    newest: int = NEWEST
    spec_schema: dict[str, Any] = {}  # of a FlinkDeployment; empty where it was not read

    @property
    def candidates(self) -> tuple[Rules, ...]:
        """The rules that may be the operator's: one where its version is known."""
        numbers = version_numbers(self.version)
        if len(numbers) >= 2 and numbers[0] == 1:
            return (Rules(min(max(numbers[1], OLDEST), NEWEST)),)
        oldest, newest = self.oldest, self.newest
        if self.upgrade_savepoint_path:
            oldest = max(oldest, 10)
        elif self.savepoint_redeploy:
            oldest, newest = max(oldest, 8), min(newest, 9)
        else:
            newest = min(newest, 7)
        return tuple(Rules(minor) for minor in range(oldest, max(newest, oldest) + 1))

    @property
    def beyond(self) -> bool:
        """Whether the version is known and outside of those whose rules are known."""
        numbers = version_numbers(self.version)
        return len(numbers) >= 2 and not (numbers[0] == 1 and OLDEST <= numbers[1] <= NEWEST)


_FIELDS_SINCE = {
    8: (("job", "savepointRedeployNonce"),),
    11: (("job", "autoscalerResetNonce"),),
    16: (("jobManager", "resources"), ("taskManager", "resources")),
}


def writer_of(last_reconciled: Mapping[str, Any]) -> int:
    """The oldest minor version that can have written this spec: the operator writes every field it knows, or null."""
    found = [
        since
        for since, fields in _FIELDS_SINCE.items()
        if any(name in section(last_reconciled, part) for part, name in fields)
    ]
    return max(found, default=OLDEST)


def features(crd: Mapping[str, Any], version: str | None = None) -> Features:
    """Reads the schema of the FlinkDeployment CRD (``flinkdeployments.flink.apache.org``)."""
    served = [one for one in items(section(crd, "spec"), "versions") if one.get("served")]
    schema = section(served[0], "schema").get("openAPIV3Schema") if served else {}

    def node(*path: str) -> Mapping[str, Any] | None:
        found: Any = schema
        for name in path:
            found = ((found or {}).get("properties") or {}).get(name)
        return found if isinstance(found, Mapping) else None

    configuration = node("spec", "flinkConfiguration") or {}
    marks = {
        8: node("spec", "job", "savepointRedeployNonce") is not None,
        10: node("status", "jobStatus", "upgradeSavepointPath") is not None,
        11: node("spec", "job", "autoscalerResetNonce") is not None,
        13: bool(configuration.get("x-kubernetes-preserve-unknown-fields")),
        15: "v2_3" in ((node("spec", "flinkVersion") or {}).get("enum") or ()),
        16: node("spec", "jobManager", "resources") is not None,
    }
    oldest = max((minor for minor, seen in marks.items() if seen), default=OLDEST)
    later = [minor for minor, seen in marks.items() if not seen and minor > oldest]
    return Features(
        savepoint_redeploy=marks[8],
        upgrade_savepoint_path=marks[10],
        version=version,
        oldest=oldest,
        newest=min(later, default=NEWEST + 1) - 1,
        spec_schema=dict(node("spec") or {}) if node("spec", "flinkVersion") is not None else {},
    )
