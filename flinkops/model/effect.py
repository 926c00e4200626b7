"""What a change of a job was to have for an effect, and what its place tells of how the job runs now."""

from typing import Literal

from flinkops.model.assessment import Value

EffectKind = Literal[
    "image", "flink-version", "parallelism", "default-parallelism", "vertex", "setting", "program", "other"
]
"""``default-parallelism``: of a job whose vertices something else decides on; ``vertex``: the one of that id.

``program`` is a setting by which an application's JobManager is told its program; ``other`` is told by nothing.
"""


class Expected(Value, frozen=True):
    """One thing that the change was to bring about; None: it is not set."""

    kind: EffectKind
    name: str
    before: str | None
    wanted: str | None


class PodImage(Value, frozen=True):
    """A pod of the job's Flink cluster that is not being deleted."""

    name: str
    is_jobmanager: bool
    image: str
    created_ms: int


class PodTimes(Value, frozen=True):
    """A pod of the job's Flink cluster on its way, in ms since the epoch. None: not yet, or nobody tells."""

    name: str
    is_jobmanager: bool
    created_ms: int
    scheduled_ms: int | None = None
    pulled_ms: int | None = None  # its image was there
    started_ms: int | None = None  # of the main container


class RunsWith(Value, frozen=True):
    """What the place of a job tells beside its vertices; None: it does not, and ``untold`` says why, by field.

    ``settings`` are the cluster's, ``own`` the job's own under Flink's keys. ``changed_ms`` is when the resource was
    changed by us last, by the clock that dates its pods.
    """

    settings: dict[str, str] | None = None
    own: dict[str, str] | None = None
    flink_version: str | None = None
    pods: tuple[PodImage, ...] | None = None
    changed_ms: int | None = None
    untold: dict[str, str] = {}
