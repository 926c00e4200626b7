"""What the Flink operator's own validation says of a spec: the first thing that it refuses. Pure.

Source: ``DefaultValidator`` of apache/flink-kubernetes-operator 1.7 to 1.16. Its texts are given as it writes them.
Asked only of changes to a resource that it has deployed: what it accepted then and is not changed, it accepts again.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flinkops.plan.operator.configuration import (
    HEALTH_CHECK,
    MAX_AGE,
    PERIODIC_SAVEPOINTS,
    RECOVERY,
    ROLLBACK,
    Option,
    Settings,
    checkpoint_option,
    flink_at_least,
    savepoint_option,
)
from flinkops.plan.operator.reading import Spec, read_configuration, read_spec
from flinkops.plan.operator.situation import View
from flinkops.plan.operator.spec import job_of
from flinkops.plan.operator.validation_autoscaler import autoscaler
from flinkops.plan.operator.validation_jar import jar
from flinkops.plan.operator.validation_resources import jobmanager, taskmanager

_FORBIDDEN = ("kubernetes.namespace", "kubernetes.cluster-id", "high-availability.cluster-id")
_LOG_FILES = frozenset({"log4j-console.properties", "logback-console.xml"})
_LOG_FILES_SHOWN = "[log4j-console.properties, logback-console.xml]"

Rule = Callable[[View, Spec, Settings], Iterator[str]]


def refused(view: View) -> str | None:
    """Why it refuses the wanted spec; None where it does not. Raises Unparsable or Unreadable where it throws."""
    wanted = read_spec(view.case.wanted, view.rules)
    rules = _OF_DEPLOYMENTS
    if view.case.session_job:
        rules = _OF_SESSION_JOBS if view.case.cluster else _OF_SESSION_JOBS_ALONE
    settings = _effective(view)
    found = [next(rule(view, wanted, settings), None) for rule in rules]  # each is asked, so any may throw
    return next((problem for problem in found if problem is not None), None)


def _effective(view: View) -> Settings:
    if not view.case.session_job:
        return view.deploy
    of_cluster = view.observe
    if view.rules.savepoint_redeploy:
        return of_cluster
    return of_cluster._replace(of_spec=dict(_flat(view.case.cluster_spec, view)))


def _flat(spec: Spec, view: View) -> Mapping[str, str]:
    return read_configuration(spec.get("flinkConfiguration"), view.rules)


# --- FlinkDeployment --------------------------------------------------------------------------------------------


def _flink_version(view: View, wanted: Spec, _: Settings) -> Iterator[str]:
    version = wanted.get("flinkVersion")
    if version is None:
        yield "Flink Version must be defined."
    elif view.rules.refuses_old_flink and not flink_at_least(version, 1, 15):
        yield f"Flink version {version} is not supported by this operator version"
    last, job = job_of(view.case.deployed), job_of(wanted)
    suspended = last.get("state") == "suspended" and last.get("upgradeMode") == "last-state"
    if job and suspended and job["upgradeMode"] != "stateless" and view.case.deployed.get("flinkVersion") != version:
        yield (
            "Changing flinkVersion after last-state suspend is not allowed. Restore your cluster with the current"
            " flinkVersion and perform the version upgrade afterwards."
        )


def _configuration(view: View, _: Spec, settings: Settings) -> Iterator[str]:
    for key in _FORBIDDEN:
        if settings.raw(Option(key), view.world, (None,)) is not None:
            yield f"Forbidden Flink config key: {key}"
    if _switch(view, settings, ROLLBACK, default=False) and not settings.ha_on(view.world):
        yield "HA must be enabled for rollback support."
    checked = _switch(view, settings, HEALTH_CHECK, default=False)
    if checked and not settings.switch(RECOVERY, view.world, default=True):
        yield (
            f"Deployment recovery ({RECOVERY.key}) must be enabled for job health check ({HEALTH_CHECK.key}) support."
        )


def _switch(view: View, settings: Settings, option: Option, *, default: bool) -> bool:
    """A switch that makes the validation stricter: where the spec leaves it, it was accepted as it is."""
    if option.key not in settings.of_spec and settings.defaults is None:
        return default
    return settings.switch(option, view.world, default=default)


def _ingress(_: View, wanted: Spec, __: Settings) -> Iterator[str]:
    ingress = wanted.get("ingress")
    if ingress is not None and ingress.get("template") is None:
        yield "Ingress template must be defined"


def _log_files(_: View, wanted: Spec, __: Settings) -> Iterator[str]:
    for key in wanted.get("logConfiguration") or {}:
        if key not in _LOG_FILES:
            yield f"Invalid log config key: {key}. Allowed keys are {_LOG_FILES_SHOWN}"


def _spec_change(view: View, wanted: Spec, settings: Settings) -> Iterator[str]:
    before = read_spec(view.case.deployed, view.rules)
    if "job" in wanted and "job" not in before:
        yield "Cannot switch from session to job cluster"
    if "job" in before and "job" not in wanted:
        yield "Cannot switch from job to session cluster"
    modes = before.get("mode") or "native", wanted.get("mode") or "native"
    if modes == ("native", "standalone"):
        yield "Cannot switch from native kubernetes to standalone kubernetes cluster"
    if modes == ("standalone", "native"):
        yield "Cannot switch from standalone kubernetes to native kubernetes cluster"
    if "job" in wanted and "job" in before:
        yield from _redeploy_path(before["job"], wanted["job"])
        yield from _new_last_state(view, before["job"], wanted["job"], settings)


def _redeploy_path(before: Spec, wanted: Spec) -> Iterator[str]:
    nonce, path = wanted.get("savepointRedeployNonce"), str(wanted.get("initialSavepointPath") or "")
    if nonce is not None and nonce != before.get("savepointRedeployNonce") and not path.strip():
        yield "InitialSavepointPath must not be empty for savepoint redeployment"


def _new_last_state(view: View, before: Spec, wanted: Spec, settings: Settings) -> Iterator[str]:
    if view.rules.cancels_over_rest or wanted["upgradeMode"] != "last-state" or before["upgradeMode"] == "last-state":
        return
    option = savepoint_option(view.rules)
    if settings.has_directory(option, view.world) or view.case.jobmanager == "MISSING":
        return
    if not view.observe.ha_on(view.world):
        yield f"Job could not be upgraded to last-state while config key[{option.key}] is not set"


def _service_account(_: View, wanted: Spec, __: Settings) -> Iterator[str]:
    if wanted.get("serviceAccount") is None:
        yield (
            "spec.serviceAccount must be defined. If you use helm, its value should be the same with the name of"
            " jobServiceAccount."
        )


# --- both -------------------------------------------------------------------------------------------------------


def _job(view: View, wanted: Spec, settings: Settings) -> Iterator[str]:
    job = wanted.get("job")
    if job is None:
        return
    mode = job["upgradeMode"]
    if mode == "last-state" and not view.rules.cancels_over_rest and not settings.ha_on(view.world):
        yield "Job could not be upgraded with last-state while HA disabled"
    checkpoints = checkpoint_option(view.rules)
    if mode != "stateless" and not _has_directory(view, settings, checkpoints):
        yield f"Checkpoint directory[{checkpoints.key}] must be defined for last-state and savepoint upgrade modes"
    yield from _savepoint_directory(view, job, settings)
    replicas = None if view.case.session_job else (wanted.get("taskManager") or {}).get("replicas")
    if replicas is not None and replicas < 1:
        yield "TaskManager replicas must be larger than 0"
    if replicas is None and job["parallelism"] < 1:
        yield "Job parallelism must be larger than 0"


def _savepoint_directory(view: View, job: Spec, settings: Settings) -> Iterator[str]:
    option, world = savepoint_option(view.rules), view.world
    asked = _needs_savepoints(job, settings.of_spec)
    if (settings.defaults is None and not asked) or _has_directory(view, settings, option):
        return
    if job["upgradeMode"] == "savepoint":
        yield f"Job could not be upgraded with savepoint while config key[{option.key}] is not set"
    elif job.get("savepointTriggerNonce") is not None:
        yield f"Savepoint could not be manually triggered for the running job while config key[{option.key}] is not set"
    elif settings.raw(PERIODIC_SAVEPOINTS, world, (None,)) is not None:
        yield f"Periodic savepoints cannot be enabled when config key[{option.key}] is not set"
    elif settings.duration(MAX_AGE, world) is not None:
        yield (
            f"In order to use max-checkpoint age functionality config key[{option.key}] must be set to allow"
            " triggering savepoint upgrades."
        )


def takes_savepoints(view: View) -> bool:
    """Whether the wanted spec has a savepoint directory, of its own or by the operator's defaults."""
    return _has_directory(view, _effective(view), savepoint_option(view.rules))


def _needs_savepoints(job: Spec, settings: Mapping[str, str]) -> bool:
    """Whether the validation wants a savepoint directory for this."""
    named = PERIODIC_SAVEPOINTS.key in settings or MAX_AGE.key in settings
    return job.get("upgradeMode") == "savepoint" or job.get("savepointTriggerNonce") is not None or named


def _has_directory(view: View, settings: Settings, option: Option) -> bool:
    """Where an accepted spec needed one and named none, the operator's defaults have it."""
    accepted = view.case.accepted
    unnamed = settings.defaults is None and not any(key in settings.of_spec for key in option.keys)
    if unnamed and accepted is not None:
        of_accepted = _flat(accepted, view)
        if view.case.session_job:
            of_accepted = {**_flat(view.case.cluster_spec, view), **of_accepted}
        job = job_of(accepted)
        checkpoints = option == checkpoint_option(view.rules)
        needed = job.get("upgradeMode") in ("savepoint", "last-state") if checkpoints else None
        needed = _needs_savepoints(job, of_accepted) if needed is None else needed
        if needed and not any(key in of_accepted for key in option.keys):
            return True
    return settings.has_directory(option, view.world)


# --- FlinkSessionJob --------------------------------------------------------------------------------------------


def _session_job_alone(view: View, wanted: Spec, _: Settings) -> Iterator[str]:
    if "job" not in wanted:
        yield "The job spec should not be empty"
        return
    if not view.rules.cancels_over_rest and wanted["job"]["upgradeMode"] == "last-state":
        yield "The LAST_STATE upgrade mode is not supported in session job now."
    if view.case.deployed.get("deploymentName") != wanted.get("deploymentName"):
        yield "The deploymentName can't be changed"


def _cluster(view: View, wanted: Spec, _: Settings) -> Iterator[str]:
    cluster = view.case.cluster
    if not cluster:
        return
    if (cluster.get("spec") or {}).get("job") is not None:
        yield "Can not submit session job to application cluster"
    name: Any = (cluster.get("metadata") or {}).get("name")
    if name is not None and name != wanted.get("deploymentName"):
        yield "The session job's cluster id is not match with the session cluster"


_OF_DEPLOYMENTS: tuple[Rule, ...] = (
    _flink_version,
    _configuration,
    _ingress,
    _log_files,
    _job,
    jobmanager,
    taskmanager,
    _spec_change,
    _service_account,
    autoscaler,
)
_OF_SESSION_JOBS_ALONE: tuple[Rule, ...] = (_session_job_alone, jar)
_OF_SESSION_JOBS: tuple[Rule, ...] = (*_OF_SESSION_JOBS_ALONE, _cluster, _job, autoscaler)
