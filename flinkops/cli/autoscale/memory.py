"""`flinkops autoscale memory`: how much memory a TaskManager needs."""

from flinkops.cli.action_options import JobArgument
from flinkops.cli.autoscale.observed import observe
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import document_format
from flinkops.errors import OperationFailed


@with_common
def memory(common: Common, job: JobArgument) -> None:
    """The memory of a TaskManager: what its heap, managed and network memory use, and what they should have.

    One poll: ask at the peak of the day.
    """
    from flinkops.autoscale.taskmanagers import memory_advice
    from flinkops.model.quantities import human_bytes
    from flinkops.render.table import layout

    seen = observe(common, job, 0.0)
    if seen.detail is None or not seen.detail.taskmanagers:
        raise OperationFailed(f"the TaskManagers of {seen.job.name} tell nothing", next_step="try again in 10 s")
    latest = seen.job.checkpoints.latest_completed if seen.job.checkpoints else None
    found = memory_advice(seen.detail.taskmanagers, latest.state_size_bytes if latest else None)
    if form := document_format(common):
        import msgspec

        document = {"schema_version": 1, "job": seen.job.name, "pools": msgspec.to_builtins(found)}
        emit_document(document, form)
        return
    rows = [
        [
            each.pool,
            human_bytes(each.used_bytes),
            human_bytes(each.total_bytes),
            "keep" if each.recommended_bytes is None else human_bytes(each.recommended_bytes),
            each.key,
            each.why,
        ]
        for each in found
    ]
    emit(layout(["POOL", "USED", "NOW", "WANTED", "KEY", "WHY"], rows, [False, True, True, True, False, False]))
