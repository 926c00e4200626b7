"""`flinkops autoscale explain`: what the operator's own autoscaler did, does and waits for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flinkops.cli.action_options import JobArgument
from flinkops.cli.autoscale.platform import platform_autoscaler
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import document_format
from flinkops.errors import UsageError
from flinkops.input_file import read_input_text

if TYPE_CHECKING:
    from flinkops.autoscale.explain import Explanation

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
    if form := document_format(common):
        emit_document(_document(found), form)
    else:
        emit(_lines(found, now_ms))


def _of_file(job: str, path: Path, now_ms: int) -> "Explanation":
    """From the ConfigMap alone: vertices have ids for names, and what runs is not known but for its metrics."""
    import yaml

    from flinkops.autoscale.configmap import decode_configmap
    from flinkops.autoscale.explain import explanation_of

    try:
        document = yaml.safe_load(read_input_text(path, most_bytes=_MAX_FILE_BYTES))
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise UsageError(f"{path} is no YAML: {' '.join(str(problem).split())[:200]}") from None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise UsageError(f"{path} is no ConfigMap: it has no data")
    state = decode_configmap({str(key): str(value) for key, value in data.items()})
    return explanation_of(job, (), None, state, now_ms)


def _of_cluster(common: Common, job: str, now_ms: int) -> "Explanation":
    from flinkops.autoscale.explain import explanation_of

    seen = platform_autoscaler(common).state(job)
    return explanation_of(job, seen.vertices, seen.settings, seen.state, now_ms)


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
        when = f"in {human_seconds(left)} at the earliest" if left > 0 else "at its next evaluation"
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
