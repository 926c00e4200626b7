"""What a prediction goes by: the resource as the operator sees it, and what was seen beside it. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from flinkops.model.assessment import Value
from flinkops.model.json_reading import section
from flinkops.model.option_names import AUTOSCALER, OPERATOR
from flinkops.model.states import JobState
from flinkops.plan.operator.configuration import Settings, operator_defaults, savepoint_option
from flinkops.plan.operator.reading import Spec, Unreadable, read_configuration
from flinkops.plan.operator.rules import Features, Rules
from flinkops.plan.operator.spec import is_native
from flinkops.plan.operator.worlds import Fact, FactKind, World


class ObservedJob(Value, frozen=True):
    """What the resource does not say, seen beside it; None where it was not seen."""

    now_ms: int
    job_state: str | None = None  # by the REST API, newer than the operator's own view
    checkpoints_read: bool = False  # whether None in the next three means that there is none
    checkpoint_age_seconds: float | None = None  # since the last completed one
    pending_checkpoint_age_seconds: float | None = None
    checkpoint_path: str | None = None  # of the last completed one
    checkpoint_p99_seconds: float | None = None
    max_parallelism: int | None = None  # the smallest of the vertices that follow the job's parallelism
    ha_metadata: bool | None = None  # whether the HA metadata of the job exists
    jobmanager_never_started: bool | None = None  # no container of a JobManager pod ever ran
    adaptive: bool | None = None  # the adaptive scheduler, as the running job has it
    vertices: tuple[str, ...] | None = None  # ids of the running job's vertices
    vertex_bounds: Mapping[str, tuple[int, int]] = {}  # the least and greatest parallelism of each
    taskmanager_deployment: bool | None = None  # standalone: whether the Deployment of the TaskManagers exists
    operator_configuration: Mapping[str, str] | None = None  # the operator's own settings (its ConfigMap), flat
    running_configuration: Mapping[str, str] | None = None  # what the cluster runs with (REST: /jobmanager/config)
    autoscaler_overrides: Mapping[str, str] | None = None  # kept by the operator's autoscaler; empty: it keeps none
    stop_savepoint: str | None = None  # that a job which has stopped was stopped with, by Flink or by the journal


class Situation(NamedTuple):
    """One change as the operator sees it: the spec deployed, the spec wanted, its status."""

    deployed: Spec
    wanted: Spec
    status: Mapping[str, Any]
    features: Features
    observed: ObservedJob
    accepted: Spec | None = None  # a spec that the operator's validation has accepted, with its defaults of now
    session_job: bool = False
    cluster: Mapping[str, Any] | None = None  # the FlinkDeployment that a session job runs on
    not_ready: str | None = None  # why the operator does nothing about a session job
    last_stable: Spec | None = None
    namespace: str = ""

    @property
    def job_status(self) -> Mapping[str, Any]:
        """``status.jobStatus``."""
        return section(self.status, "jobStatus")

    @property
    def job_state(self) -> str:
        """Flink's state: what was seen just now, else what the operator saw last."""
        return self.observed.job_state or str(self.job_status.get("state") or JobState.RECONCILING)

    @property
    def jobmanager(self) -> str:
        """``status.jobManagerDeploymentStatus``."""
        return str(self.status.get("jobManagerDeploymentStatus") or "MISSING")

    @property
    def reconciliation(self) -> str:
        """``status.reconciliationStatus.state``."""
        return str(section(self.status, "reconciliationStatus").get("state") or "DEPLOYED")

    @property
    def running_spec(self) -> Spec:
        """The spec that runs: after a rollback of the operator's own, the stable one."""
        return self.last_stable if self.reconciliation == "ROLLED_BACK" and self.last_stable else self.deployed

    @property
    def cluster_spec(self) -> Spec:
        """The spec of the Flink cluster: a session job's is that of its session cluster."""
        return section(self.cluster, "spec") if self.session_job else self.wanted

    @property
    def native(self) -> bool:
        """The mode of the Flink cluster."""
        return is_native(self.cluster_spec)

    @property
    def version_changed(self) -> bool:
        """Whether ``flinkVersion`` differs; a session job has none of its own."""
        return not self.session_job and self.running_spec.get("flinkVersion") != self.wanted.get("flinkVersion")


class View(NamedTuple):
    """A situation by the rules of one version, in one way that the rest may be."""

    case: Situation
    rules: Rules
    world: World

    @property
    def deploy(self) -> Settings:
        """What the wanted spec is deployed with."""
        if self.case.session_job:
            return self.observe
        return self._over_defaults(self.case.wanted)

    @property
    def observe(self) -> Settings:
        """What the running job goes by: its own spec, with the operator's switches of the wanted one.

        A session job has one configuration: its cluster's, under that of its wanted spec.
        """
        case = self.case
        if case.session_job:
            return self._over_defaults(case.cluster_spec).overlaid(settings_of(case.wanted, self.rules))
        wanted = settings_of(case.wanted, self.rules)
        switches = {key: value for key, value in wanted.items() if key.startswith((OPERATOR, AUTOSCALER))}
        directory = savepoint_option(self.rules)
        for key in reversed(directory.keys):
            if key in wanted:
                switches[directory.key] = wanted[key]
        return self._over_defaults(case.running_spec).overlaid(switches)

    def _over_defaults(self, spec: Spec) -> Settings:
        seen = self.case.observed
        defaults = None
        if seen.operator_configuration is not None:
            version = self.case.cluster_spec.get("flinkVersion")
            defaults = operator_defaults(seen.operator_configuration, self.case.namespace, version)
        running_from = self.case.cluster_spec if self.case.session_job else self.case.running_spec
        return Settings(
            settings_of(spec, self.rules),
            defaults,
            seen.running_configuration,
            settings_of(running_from, self.rules),
        )

    def ha_metadata(self, settings: Settings) -> bool:
        """Whether the operator finds HA metadata of the job with these settings."""
        if not settings.ha_on(self.world):
            return False
        seen = self.case.observed.ha_metadata
        return self.world.ask(Fact(FactKind.HA_METADATA), (True, False)) if seen is None else seen

    def never_started(self) -> bool:
        """Whether no JobManager of the job ever ran."""
        seen = self.case.observed.jobmanager_never_started
        return self.world.ask(Fact(FactKind.NEVER_STARTED), (False, True)) if seen is None else seen


def settings_of(spec: Spec, rules: Rules) -> dict[str, str]:
    """``flinkConfiguration`` as the operator has it; empty where it cannot read it."""
    try:
        return read_configuration(spec.get("flinkConfiguration"), rules)
    except Unreadable:
        return {}
