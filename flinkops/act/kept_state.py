"""What is left of the state of a job that died while it was to be stopped."""

from typing import Any

from flinkops.act.kube_control import KubeControl
from flinkops.act.running import StepRun
from flinkops.act.storage import check_savepoint, savepoints_in
from flinkops.errors import OperationFailed
from flinkops.plan.operator_mode import ha_on, savepoint_directory
from flinkops.plan.session_cluster import joined

_CLOCKS_DIFFER_SECONDS = 60.0


def kept_state(run: StepRun, control: KubeControl, before: dict[str, Any]) -> str:
    """Where the old job can be started from: the savepoint of its stop, which nobody may have noted; else a checkpoint.

    Raises OperationFailed when neither can be seen from here, with what to do by hand.
    """
    spec = joined(before, control.session_cluster)["spec"]
    directory = savepoint_directory(spec)
    completed = int(run.seen.get("checkpoint_before") or 0)
    if directory is not None:
        since_seconds = run.plan.created_ms / 1000 - _CLOCKS_DIFFER_SECONDS
        for path in savepoints_in(directory, run.job_id, since_seconds=since_seconds):
            found = check_savepoint(path)
            if found.verdict == "ok" and found.metadata is not None and found.metadata.checkpoint_id > completed:
                return path
    checkpoint = run.seen.get("checkpoint_path")
    # With high availability only the end of the job cleans its metadata up, and its checkpoints with it.
    usable = ("ok",) if ha_on(spec) else ("ok", "unknown")
    if checkpoint and check_savepoint(checkpoint).verdict in usable:
        return checkpoint
    last = f" (last checkpoint {completed})" if completed else ""
    raise OperationFailed(
        f"the job is gone, and from here no state of it can be seen{last}",
        next_step=f"look for the newest savepoint-{run.job_id[:6]}-… in {directory or 'its savepoint directory'},"
        f" then: flinkops resume {control.ref.name} --from PATH",
    )
