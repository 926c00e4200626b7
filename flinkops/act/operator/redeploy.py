"""A redeployment from a savepoint that somebody names: what it starts from, how old that is, what would be lost."""

from typing import Any, NamedTuple

from flinkops.act.java_stream import MetadataError
from flinkops.act.journal import ActionRecord, Journal
from flinkops.act.savepoint_metadata import parse_metadata
from flinkops.act.storage import Absent, read_metadata_file
from flinkops.assess.checkpoints import newest_completed
from flinkops.errors import Unreachable, UsageError
from flinkops.model.facts import JobFacts
from flinkops.model.json_reading import Json, items, section, text
from flinkops.model.places import same_place
from flinkops.model.quantities import human_seconds
from flinkops.plan.operator.bookkeeping import INITIAL_PATH, keeping_nonce, other_nonce, redeployed_from
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.spec import job_of
from flinkops.plan.operator.step_inputs import VerifyNewJob
from flinkops.plan.step_inputs import CheckFiles
from flinkops.sources.kubernetes.resources import number
from flinkops.sources.storage.stores import Stores


class NonceChoice(NamedTuple):
    """What the person said about a savepointRedeployNonce: at most one of both."""

    redeploy_from: str | None = None
    keep_nonce: bool = False


class Settled(NamedTuple):
    """The spec to set, and what to say: ``orders`` is the path that a redeployment would start from, or ""."""

    spec: dict[str, Any]
    orders: str | None
    warning: str | None = None


def settle_nonce(current: Spec, wanted: Spec, next_nonce: int, choice: NonceChoice) -> Settled:
    """`wanted` (of a manifest, or the spec itself) with the redeploy nonce that is meant.

    Raises UsageError when the choices exclude each other.
    """
    if choice.redeploy_from is not None and choice.keep_nonce:
        raise UsageError("--redeploy-from or --keep-nonce, not both")
    asked = other_nonce(current, wanted)
    if choice.redeploy_from is not None:
        nonce = asked if isinstance(asked, int) and not isinstance(asked, bool) else next_nonce
        return Settled(redeployed_from(wanted, choice.redeploy_from, nonce), choice.redeploy_from)
    if asked is None or choice.keep_nonce:
        warning = None
        if asked is not None:
            warning = (
                f"the manifest keeps savepointRedeployNonce {asked}, the job has"
                f" {job_of(current).get('savepointRedeployNonce')}: applied by another tool it redeploys the job from"
                f" {job_of(wanted).get(INITIAL_PATH) or 'nothing'} without a savepoint"
            )
        return Settled(keeping_nonce(current, wanted), None, warning)
    return Settled(dict(wanted), str(job_of(wanted).get(INITIAL_PATH) or ""))


def what_is_lost(path: str, job: JobFacts, resource: Json, journal: Journal, stores: Stores) -> str:
    """One sentence: how old the savepoint is, if known, and what the job has done since."""
    points = job.checkpoints
    newest = newest_completed(points) if points else None
    since = f"checkpoint {newest.id} has been completed since" if newest else "its newest checkpoint is not known"
    if not path:
        return f"all state is lost: there is no {INITIAL_PATH} ({since})"
    taken_ms, checkpoint_id = _taken(path, job, resource, journal, stores)
    age = "of unknown age" if taken_ms is None else f"{human_seconds(max(0, job.seen_ms - taken_ms) / 1000)} old"
    number = "" if checkpoint_id is None else f", checkpoint {checkpoint_id}"
    return f"{path} is {age}{number}; {since}: what the job did after {path} is lost"


def _taken(path: str, job: JobFacts, resource: Json, journal: Journal, stores: Stores) -> tuple[int | None, int | None]:
    """When it was taken, and its number in the row of the job's checkpoints; None: unknown."""
    points = job.checkpoints
    listed = (*points.history, *filter(None, [points.latest_savepoint])) if points else ()
    for one in listed:
        if same_place(one.external_path, path):
            return one.triggered_ms, one.id
    checkpoint_id, written_ms = _written(path, stores)
    return _taken_ms(path, resource, journal) or written_ms, checkpoint_id


def _written(path: str, stores: Stores) -> tuple[int | None, int | None]:
    """Its number, and when its metadata was written, as its storage has it; None: not to be read from here."""
    try:
        file = read_metadata_file(path, stores)
        return parse_metadata(file.content).checkpoint_id, file.written_ms()
    except (Absent, MetadataError, Unreachable):
        return None, None


def _taken_ms(path: str, resource: Json, journal: Journal) -> int | None:
    info = section(section(section(resource, "status"), "jobStatus"), "savepointInfo")
    for one in (section(info, "lastSavepoint"), *items(info, "savepointHistory")):
        if same_place(text(one, "location"), path) and (at_ms := number(one, "timeStamp")):
            return at_ms
    return min((one.started_ms for one in journal.records() if _took(one, path)), default=None)


def _took(record: ActionRecord, path: str) -> bool:
    """Whether the action took this savepoint; one that it was told to start from is in its arguments already."""
    told = (step.do.savepoint for step in record.plan.steps if isinstance(step.do, (CheckFiles, VerifyNewJob)))
    return not any(same_place(one, path) for one in told) and same_place(record.found.savepoint, path)
