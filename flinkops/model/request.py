"""An ActionRequest: what a person asks for, the same from the command line and the screen, whatever runs the job.

A back end (flinkops.act) makes a Plan of it. Each verb reads its own part only; what a back end cannot do it refuses.
"""

from collections.abc import Mapping
from typing import Any, Literal

from flinkops.model.assessment import Value
from flinkops.model.request_defaults import DEFAULT_CHECKPOINTS, DEFAULT_WATCH_SECONDS
from flinkops.model.savepoint import SavepointFormat

RequestVerb = Literal["savepoint-create", "upgrade", "rescale", "suspend", "resume", "restart", "rollback"]
Mode = Literal["savepoint", "last-state", "stateless"]


class Change(Value, frozen=True):
    """What is changed about a job; None leaves it, a setting of None is taken away.

    ``arguments`` take the place of all old ones, ``manifest`` of the whole spec, before the others
    are applied. ``jar`` is as the person wrote it: a file, an id or a URI, by the back end.
    """

    parallelism: int | None = None
    settings: Mapping[str, str | None] = {}
    arguments: tuple[str, ...] | None = None
    jar: str | None = None
    entry_class: str | None = None
    script: str | None = None
    image: str | None = None
    manifest: Mapping[str, Any] | None = None


class Terms(Value, frozen=True):
    """How to go about it, and when the change counts as verified."""

    target_directory: str | None = None
    savepoint_format: SavepointFormat = "canonical"
    checkpoints: int = DEFAULT_CHECKPOINTS
    watch_seconds: float = DEFAULT_WATCH_SECONDS
    backup: bool = False  # a savepoint of our own first
    redeploy_from: str | None = None  # without a savepoint, from this one
    keep_nonce: bool = False  # the resource's redeploy nonce, not that of the manifest
    rehearse: bool = False  # restore the state into the new program before anything is stopped
    accept_loss: tuple[str, ...] = ()  # operators, by name or id, whose state may be lost
    flink_home: str | None = None  # the distribution that rehearses
    prepull: bool = False  # the new image onto the job's nodes before the stop
    sample: bool = False  # the rehearsal restores some key groups only


class ActionRequest(Value, frozen=True):
    """One action on one job, or on each of several."""

    verb: RequestVerb
    change: Change = Change()  # upgrade, resume; rescale: its parallelism
    terms: Terms = Terms()
    mode: Mode | None = None  # upgrade: how the job is stopped
    vertices: Mapping[str, int] = {}  # rescale: id -> parallelism
    undo: str | None = None  # rollback: the id of the action to undo; None is the last
    start_from: str | None = None  # resume: this savepoint or checkpoint, not the one that is known
    manifest: Mapping[str, Mapping[str, Any]] = {}  # upgrade: the specs that a file has for this name, by kind
