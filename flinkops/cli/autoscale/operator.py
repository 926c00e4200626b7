"""`flinkops autoscale explain`, `enable` and `disable`: the operator's own autoscaler."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from flinkops.cli.autoscale.advise import SetOption, overrides
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import (
    Consent,
    JobArgument,
    JournalOption,
    OutOption,
    PlanOption,
    YesOption,
    emit,
    emit_document,
    open_journal,
)
from flinkops.errors import OperationFailed, UsageError

if TYPE_CHECKING:
    from flinkops.autoscale.configmap import OperatorState
    from flinkops.autoscale.explain import Explanation
    from flinkops.autoscale.window import Vertex

_READ_SECONDS = 10.0
_MAX_FILE_BYTES = 4 * 1024 * 1024


@with_common
def explain(
    common: Common,
    job: JobArgument,
    configmap: Annotated[
        Path | None,
        typer.Option("--configmap", metavar="FILE", help="The ConfigMap as YAML or JSON, without a cluster."),
    ] = None,
) -> None:
    r"""What the operator's autoscaler did, does and waits for, with vertex names; and override drift.

    \b
    flinkops autoscale explain orders --context prod -n flink
    flinkops autoscale explain orders --configmap autoscaler-orders.yaml
    """
    from flinkops.clock import SystemClock

    now_ms = SystemClock().now_ms()
    found = _of_file(job, configmap, now_ms) if configmap else _of_cluster(common, job, now_ms)
    form = common.settings.output
    if form in ("json", "jsonl", "yaml"):
        emit_document(_document(found), form)
    else:
        emit(_lines(found, now_ms))


def _of_file(job: str, path: Path, now_ms: int) -> "Explanation":
    """From the ConfigMap alone: vertices have ids for names, and what runs is not known but for its metrics."""
    import yaml

    from flinkops.autoscale.configmap import decode_configmap
    from flinkops.autoscale.explain import explain as explained

    try:
        content = path.read_bytes()[:_MAX_FILE_BYTES]
        document = yaml.safe_load(content.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"{path} cannot be read: {problem}") from None
    except yaml.YAMLError as problem:
        raise UsageError(f"{path} is no YAML: {' '.join(str(problem).split())[:200]}") from None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise UsageError(f"{path} is no ConfigMap: it has no data")
    state = decode_configmap({str(key): str(value) for key, value in data.items()})
    return explained(job, (), None, state, now_ms)


def _of_cluster(common: Common, job: str, now_ms: int) -> "Explanation":
    from flinkops.autoscale.explain import explain as explained

    seen = operator_state(common, job)
    return explained(job, seen.vertices, seen.settings, seen.state, now_ms)


class Autoscaled(NamedTuple):
    """A job under the operator's autoscaler: its graph, its spec's settings, and the ConfigMap decoded."""

    vertices: "tuple[Vertex, ...]"
    settings: dict[str, str]
    state: "OperatorState"


def operator_state(common: Common, job: str) -> Autoscaled:
    """Raises OperationFailed when the operator keeps no state of it."""
    from flinkops.autoscale.configmap import decode_configmap
    from flinkops.autoscale.window import graph_of
    from flinkops.cli.cluster_targets import kubernetes_access
    from flinkops.cli.operator_targets import resource_on_cluster
    from flinkops.plan.operator.spec import configuration
    from flinkops.sources.kubernetes.autoscaler_state import read_autoscaler_state

    with resource_on_cluster(common, job) as (control, facts):
        spec = control.resource().get("spec") or {}
        ref = control.ref
    access = kubernetes_access(common.settings)
    data = read_autoscaler_state(access, ref.namespace, ref.name, deadline_seconds=_READ_SECONDS)
    if data is None:
        raise OperationFailed(
            f"no ConfigMap autoscaler-{ref.name} in {ref.namespace}: the operator's autoscaler has not looked at it",
            next_step=f"flinkops autoscale enable {job}",
        )
    return Autoscaled(graph_of(facts), configuration(spec), decode_configmap(data))


def _document(found: "Explanation") -> dict[str, Any]:
    import msgspec

    from flinkops.autoscale.document import advice_document

    plain = msgspec.to_builtins(found)
    return {
        "schema_version": 1,
        **{key: plain[key] for key in ("job", "enabled", "acts", "vertices", "drift", "waits", "collected", "notes")},
        "scalings": plain["scalings"],
        "decision": None if found.decision is None else advice_document(found.decision),
    }


def _lines(found: "Explanation", now_ms: int) -> list[str]:
    from flinkops.autoscale.document import RIGHT, TITLES, advice_rows, headline
    from flinkops.clock import iso_utc
    from flinkops.model.quantities import human_seconds
    from flinkops.render.table import layout

    does = "on" if found.acts else "on, but only advises" if found.enabled else "off"
    if found.enabled is None:
        does = "not known to be on or off"
    lines = [f"{found.job}: the operator's autoscaler is {does}; {found.collected} collections of metrics are kept"]
    if found.vertices:
        rows = [[v.name, str(v.running), _or_dash(v.spec), _or_dash(v.configmap)] for v in found.vertices]
        lines += layout(["VERTEX", "RUNS", "SPEC", "CONFIGMAP"], rows, [False, True, True, True])
    lines += [f"drift: {each}" for each in found.drift] or ["drift: none"]
    for wait in found.waits:
        name, left = found.names.get(wait.vertex, wait.vertex), (wait.earliest_ms - now_ms) / 1000
        goal = f" to {wait.wanted}" if wait.wanted is not None else ""
        when = f"in {human_seconds(left)} at the earliest" if left > 0 else "at its next look"
        lines.append(f"waits: a scale-down of {name}{goal}, wanted since {iso_utc(wait.since_ms)}, may come {when}")
    for one in found.scalings:
        name = found.names.get(one.vertex, one.vertex)
        rates = f"could process {_rate(one.true_rate)}, had to {_rate(one.target_rate)}"
        lines.append(f"history: {iso_utc(one.at_ms)} {name} {one.before} -> {one.after}: {rates}")
    lines += [f"note: {each}" for each in found.notes]
    if found.decision is not None:
        lines.append(f"the arithmetic now: {headline(found.decision)}")
        lines += layout(TITLES, advice_rows(found.decision), RIGHT)
    return lines


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _rate(value: float | None) -> str:
    from flinkops.model.quantities import human_rate

    return human_rate(value)


@with_common
def enable(
    common: Common,
    job: JobArgument,
    settings: SetOption = None,
    advise_only: Annotated[
        bool, typer.Option("--advise-only", help="Let it decide and say so, but not rescale (scaling.enabled: false).")
    ] = False,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Switch the operator's autoscaler on in the job's spec, with its settings; nothing restarts.

    Example: flinkops autoscale enable orders --set utilization.target=0.8 --set metrics.window=5m
    """
    from flinkops.autoscale.settings import PREFIX, settings_of

    given = {f"{PREFIX}{key.removeprefix(PREFIX)}": value for key, value in overrides(settings).items()}
    settings_of({}, given)  # a misspelt key would be ignored by the operator without a word
    changed: dict[str, str | None] = {f"{PREFIX}enabled": "true", **given}
    if advise_only:
        changed[f"{PREFIX}scaling.enabled"] = "false"
    _change(common, job, changed, Consent(plan, out, yes), journal)


@with_common
def disable(
    common: Common,
    job: JobArgument,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Switch the operator's autoscaler off in the job's spec; nothing restarts, the parallelism stays.

    What it has set goes into the spec: the operator would redeploy the job with the spec's own parallelism otherwise.
    """
    from flinkops.autoscale.explain import ENABLED

    _change(common, job, {ENABLED: "false"}, Consent(plan, out, yes), journal, keep=True)


def _change(
    common: Common,
    job: str,
    settings: dict[str, str | None],
    consent: Consent,
    journal: Path | None,
    *,
    keep: bool = False,
) -> None:
    """A change of the spec's settings, by the same plan as `upgrade --set`; `keep`: with the overrides in force."""
    from flinkops.act.autoscale_plan import overrides_in_force
    from flinkops.act.operator.prepare import ResourceWish
    from flinkops.cli.operator_targets import act_on_resource, resource_on_cluster, targets_kubernetes
    from flinkops.plan.operator.predict import Edit

    if not targets_kubernetes(common):
        raise UsageError(
            "only jobs of the Flink operator have its autoscaler",
            next_step="flinkops autoscale run does it on plain REST",
        )
    if keep:
        with resource_on_cluster(common, job) as (control, _facts):
            settings = {**overrides_in_force(control.resource()), **settings}
    act_on_resource(common, job, ResourceWish("upgrade", Edit(settings=settings)), consent, open_journal(journal))
