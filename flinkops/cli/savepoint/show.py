"""`flinkops savepoint show`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flinkops.cli.action_options import JournalOption
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import backend, document_format
from flinkops.cli.savepoint.reading import content_of
from flinkops.cli.savepoint.verify import job_of, latest_path
from flinkops.cli.savepoint.via import PodImageOption, Via, ViaOption, document_from_cluster
from flinkops.errors import OperationFailed
from flinkops.outside.text import clean

if TYPE_CHECKING:
    from flinkops.act.savepoint_content import OperatorContent, SavepointContent, StateContent

_START_AT = {-1: "the latest", -2: "the earliest", -3: "the group's committed offset"}
"""What Kafka's source notes for a partition of which it has read nothing (KafkaPartitionSplit)."""


@with_common
def show(
    common: Common,
    what: Annotated[str, typer.Argument(metavar="PATH|JOB", help="A savepoint, or a job: its latest one.")],
    job: Annotated[
        str | None, typer.Option("--job", metavar="JOB", help="A running job: its names, where the ids match.")
    ] = None,
    via: ViaOption = Via.LOCAL,
    pod_image: PodImageOption = None,
    journal_folder: JournalOption = None,
) -> None:
    r"""What is in a savepoint: operators, their states by name and size, and Kafka's offsets.

    \b
    Read from `_metadata` and the beginnings of state files; no Flink is asked, but for --job.
    Exit codes: 0 shown, 1 it is not there or damaged, 3 the storage is out of reach from here.
    """
    from flinkops.clock import SystemClock

    path, names = _asked(common, what, job, journal_folder)
    if via is Via.CLUSTER:
        _, document = document_from_cluster(common, "show", path, job_of(what, job), pod_image)
        content = _content(document, names)
    else:
        content = content_of(common, path, names)
    if form := document_format(common):
        emit_document(_document(content), form)
    else:
        emit(list(_lines(content, SystemClock().now_ms())))


def _asked(common: Common, what: str, job: str | None, journal_folder: Path | None) -> tuple[str, dict[str, str]]:
    """The path, and the names of the job's vertices by their ids, which are those of their first operators."""
    if "/" in what and job is None:
        return what, {}
    with backend(common).reach(job or what) as handle:
        names = {vertex.id: vertex.name for vertex in handle.measured().vertices}
    return (what if "/" in what else latest_path(common, what, journal_folder)), names


def _document(content: "SavepointContent") -> dict[str, Any]:
    import msgspec

    from flinkops.clock import iso_utc

    built: dict[str, Any] = msgspec.to_builtins(content)
    written_ms = built.pop("written_ms")
    for operator, shown in zip(content.operators, built["operators"], strict=True):
        shown["skew_ratio"] = operator.skew_ratio
    return {"schema_version": 1, **built, "written_at": None if written_ms is None else iso_utc(written_ms)}


def _content(document: Mapping[str, Any], names: Mapping[str, str]) -> "SavepointContent":
    """That of a pod, with the names of the job here. Raises OperationFailed for what is none."""
    from datetime import datetime

    import msgspec

    from flinkops.act.savepoint_content import SavepointContent

    try:
        written = document.get("written_at")
        written_ms = None if written is None else round(datetime.fromisoformat(written).timestamp() * 1000)
        found = msgspec.convert({**document, "written_ms": written_ms}, SavepointContent)
    except (msgspec.ValidationError, TypeError, ValueError) as problem:
        raise OperationFailed(f"the flinkops of the pod answers in another way: {problem}") from None
    named = [msgspec.structs.replace(one, name=one.name or names.get(one.id)) for one in found.operators]
    return msgspec.structs.replace(found, operators=tuple(named))


def _lines(content: "SavepointContent", now_ms: int) -> Iterator[str]:
    from flinkops.model.quantities import human_bytes, human_seconds

    # Each text by itself, before it is cut: what begins in one would end in the next, and leave a secret there.
    flink = f", as Flink {clean(content.seen_with_flink)} writes it" if content.seen_with_flink else ""
    written_ms = content.written_ms
    age = "age unknown" if written_ms is None else f"{human_seconds(max(0, now_ms - written_ms) / 1000)} old"
    yield clean(content.path)
    yield (
        f"  {clean(content.form or 'no keyed state')}, checkpoint {content.checkpoint_id},"
        f" {human_bytes(content.total_bytes)} of state, {age},"
        f" metadata version {content.metadata_version}{flink}"
    )
    for operator in content.operators:
        yield from _operator_lines(operator)


def _operator_lines(operator: "OperatorContent") -> Iterator[str]:
    from flinkops.model.quantities import human_bytes

    skew = operator.skew_ratio
    shares = f", the largest subtask {skew:.1f} times the mean" if skew is not None and operator.parallelism > 1 else ""
    yield f"{clean(operator.label)}: {human_bytes(operator.total_bytes)}{shares}"
    uid = f", uid {clean(operator.uid)}" if operator.uid else ""
    yield f"  id {operator.id}{uid}, parallelism {operator.parallelism} of at most {operator.max_parallelism}"
    if operator.states is None or operator.unknown:
        yield f"  states unknown: {clean(operator.unknown or '')}"
    yield from (f"  {_state(one)}" for one in operator.states or ())
    for one in operator.kafka_offsets:
        yield f"  {clean(one.topic)} {one.partition}: from {_START_AT.get(one.offset, f'offset {one.offset}')}"


def _state(state: "StateContent") -> str:
    serializer = clean(state.serializer or "").rpartition(".")[2].rpartition("$")[2].removesuffix("Snapshot")
    items = "" if state.items is None else f", items: {state.items}"
    what = f"{'keyed' if state.keyed else 'operator'} state {clean(state.name)}: {clean(state.kind)} {serializer}"
    return what.rstrip() + items
