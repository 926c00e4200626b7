"""`--via cluster`: the commands that read a savepoint, from within the job's namespace."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from flinkops.cli.options import Common
from flinkops.cli.run_action import backend
from flinkops.errors import UsageError

_DEADLINE_SECONDS = 900


class Via(StrEnum):
    """From where the storage is asked."""

    LOCAL = "local"
    CLUSTER = "cluster"


ViaOption = Annotated[
    Via,
    typer.Option("--via", help="From where the storage is asked: here, or a short-lived pod beside the job."),
]
PodImageOption = Annotated[
    str | None, typer.Option("--pod-image", metavar="IMAGE", help="Of that pod: pod_image of [storage] unless given.")
]


def document_from_cluster(
    common: Common, verb: str, path: str, job: str, image: str | None
) -> tuple[int, dict[str, Any]]:
    """The exit code and the document of `flinkops savepoint VERB PATH`, run in a pod after the job's JobManager.

    Raises UsageError where the job is not one of the operator's or no image is known; Denied with the role that is
    missing; OperationFailed with what became of the pod.
    """
    from flinkops.act.operator.backend import OperatorBackend
    from flinkops.act.operator.storage_pod import ask_there, flink_deployment, storage_task

    chosen = image or common.settings.pod_image
    if chosen is None:
        raise UsageError(
            "--via cluster needs an image with flinkops", next_step="set pod_image in [storage], or --pod-image"
        )
    place = backend(common)
    if not isinstance(place, OperatorBackend):
        raise UsageError(
            "--via cluster is for jobs of the operator", next_step="name their cluster with --context or -n"
        )
    with place.reach(job) as handle:
        task = storage_task(
            flink_deployment(handle.control),
            ("savepoint", verb, path),
            image=chosen,
            path=path,
            table=common.settings.storage,
            deadline_seconds=_DEADLINE_SECONDS,
        )
        return ask_there(place.access, task, common.say)
