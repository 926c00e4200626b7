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
    from flinkops.act.backend import StorageCommand

    chosen = image or common.settings.pod_image
    if chosen is None:
        raise UsageError(
            "--via cluster needs an image with flinkops", next_step="set pod_image in [storage], or --pod-image"
        )
    words = ("savepoint", verb, path)
    command = StorageCommand(words, path, chosen, common.settings.storage, _DEADLINE_SECONDS)
    return backend(common).ask_beside(job, command, common.say)
