"""Everything that refers to savepoints and checkpoints: what sources, resources, HA metadata and the journal speak of.

Texts are searched whole for the names of snapshots and jobs: a field that a newer Flink or operator adds counts too.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from flinkops.act.journal import Journal
from flinkops.act.rest.control import RestControl
from flinkops.act.state_folder import read_content, walk
from flinkops.clock import Clock
from flinkops.errors import FlinkopsError
from flinkops.model.facts import FleetSnapshot, JobFacts
from flinkops.model.option_names import CHECKPOINT_DIRECTORY, SAVEPOINT_DIRECTORY
from flinkops.model.places import DEFAULT_SCHEME_KEY, qualified
from flinkops.plan.orphans import References
from flinkops.plan.state_layout import job_ids_in, keys_in, paths_in
from flinkops.sources.protocol import HasResourceTexts, HasRestEndpoint, Source
from flinkops.sources.storage.location import parse_location, savepoint_folder
from flinkops.sources.storage.port import OutOfReach
from flinkops.sources.storage.stores import Stores, place_of

HA_KEY: Final = "high-availability.storageDir"
FOLDER_KEYS: Final = (
    *SAVEPOINT_DIRECTORY,
    *CHECKPOINT_DIRECTORY,
    "dstl.dfs.base-path",
    "state.changelog.dstl.dfs.base-path",
)
"""Where Flink 2.x and 1.x keep what is looked for."""
_HA_FILE = "completedCheckpoint"
_MOST_HA_BYTES = 16 * 2**20
_URI = re.compile(r"(?:file|s3[ap]?|gs|abfss?|wasbs?|hdfs):/")
_HA_IN_TEXT = re.compile(r"high-availability\.storageDir[\"\\]*\s*:\s*[\"\\]*([^\"\\,}\s]+)")


class Considered(msgspec.Struct, frozen=True):
    """One kind of place that was looked into, and how many things were found in it."""

    what: str
    count: int


class Gathered(NamedTuple):
    """What refers to what; the places that were looked into; the folders that Flink is configured to use."""

    references: References
    considered: tuple[Considered, ...]
    folders: tuple[str, ...]
    names: dict[str, str]  # of jobs, by their ids


class _Text(NamedTuple):
    what: str
    text: str
    live: bool = False  # the jobs that it names have not ended
    followed: bool = True  # snapshots that it names elsewhere have to be read


def gather(
    snapshot: FleetSnapshot, sources: Sequence[Source], journal: Journal, stores: Stores, clock: Clock
) -> Gathered:
    """Asks every source, reads the journal and HA metadata. What could not be asked is a gap, never an error."""
    search = _Search(stores)
    settings = list(search.of_sources(snapshot, sources, clock))
    search.of_jobs(snapshot)
    search.of_journal(journal)
    resources = [one.text for one in search.texts if one.live]
    settings += [(job.cluster, job.configuration) for job in snapshot.jobs if job.configuration]
    folders = [_folder(config, key) for _, config in settings for key in FOLDER_KEYS if config.get(key)]
    ha_folders = [_folder(config, HA_KEY) for _, config in settings if config.get(HA_KEY)]
    ha_folders += [found for text in resources for found in _HA_IN_TEXT.findall(text)]
    search.of_ha(dict.fromkeys(ha_folders))
    names = {job.id: job.name for job in snapshot.jobs if job.id}
    return Gathered(search.references(), tuple(search.considered), tuple(dict.fromkeys(folders)), names)


def _folder(settings: dict[str, str], key: str) -> str:
    return qualified(settings[key], settings.get(DEFAULT_SCHEME_KEY))


class _Search:
    """Collects texts, then finds in them what they refer to."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.texts: list[_Text] = []
        self.considered: list[Considered] = []
        self._gaps: list[str] = []
        self._live: dict[str, str] = {}

    def of_sources(
        self, snapshot: FleetSnapshot, sources: Sequence[Source], clock: Clock
    ) -> Iterator[tuple[str, dict[str, str]]]:
        """Whether each answered; its resources; the settings of its clusters, which are given back."""
        for status in snapshot.sources:
            if status.state != "ok":
                self._gaps.append(f"source {status.name} is {status.state}: {status.error or 'no reason given'}")
        answered = {status.name for status in snapshot.sources if status.state == "ok"}
        for source in sources:
            if source.name not in answered:
                continue
            try:
                if isinstance(source, HasResourceTexts):
                    self._resources(source.name, source)
                elif isinstance(source, HasRestEndpoint):
                    control = RestControl(source.endpoint, clock)
                    try:
                        yield source.name, control.settings()
                    finally:
                        control.close()
            except FlinkopsError as problem:
                self._gaps.append(f"source {source.name}: {problem.line()}")

    def _resources(self, name: str, source: HasResourceTexts) -> None:
        if not source.sees_all:
            self._gaps.append(f"source {name} was not asked about every namespace: give -A, and no -l")
        found = source.resource_texts()
        self.texts += [_Text(f"{what} of {name}", text, live=True) for what, text in found.items()]
        self.considered.append(Considered(f"resources of {name}", len(found)))

    def of_jobs(self, snapshot: FleetSnapshot) -> None:
        """What Flink says of each job. One that has not ended keeps all that is under its id."""
        for job in snapshot.jobs:
            self.texts.append(_Text(f"job {job.name} ({job.id})", msgspec.json.encode(job).decode()))
            if job.ended_ms is not None:
                continue
            self._live[job.id] = f"job {job.name} has not ended"
            if job.checkpoints is None and not _is_suspended(job):
                why = job.unknown.get("checkpoints", "they cannot be read")
                self._gaps.append(f"the checkpoints of job {job.name} ({job.id}) are not known: {why}")
        self.considered.append(Considered("jobs", len(snapshot.jobs)))

    def of_journal(self, journal: Journal) -> None:
        """Every action that is on record, and what it would be rolled back to."""
        try:
            entries = list(journal.entries())
            if journal.damage():
                self._gaps.append("the journal is damaged: flinkops action repair")
        except FlinkopsError as problem:
            self._gaps.append(problem.line())
            return
        self.considered.append(Considered("journal entries", len(entries)))
        for one in entries:
            if one.verb != "storage-delete":
                text = msgspec.json.encode(one).decode()
                self.texts.append(_Text(f"action {one.plan_id} in the journal", text, followed=False))

    def of_ha(self, folders: Iterable[str]) -> None:
        """The pointers to the latest checkpoints, which a new JobManager recovers its jobs from."""
        count = 0
        for folder in folders:
            try:
                root = place_of(folder)
                for file in walk(root, self._stores):
                    name = file.path.rpartition("/")[2]
                    if not name.startswith(_HA_FILE):
                        continue
                    found = self._stores.at(root).read(root.other(file.path), 0, _MOST_HA_BYTES)
                    if found is not None:
                        self.texts.append(_Text(f"HA metadata in {folder}", _spaced(found.raw)))
                        count += 1
            except OutOfReach as problem:
                self._gaps.append(f"HA metadata in {folder}: {problem.what}")
        self.considered.append(Considered("HA pointers", count))

    def references(self) -> References:
        """What all these texts refer to."""
        keys: dict[str, str] = {}
        live = dict(self._live)
        paths: dict[str, str] = {}
        for one in self.texts:
            for key in keys_in(one.text):
                keys.setdefault(key, f"{one.what} refers to it")
            if one.live:
                for job in job_ids_in(one.text):
                    live.setdefault(job, f"{one.what} names its job")
            if one.followed:
                for path in paths_in(one.text):
                    paths.setdefault(path, one.what)
        files: dict[str, str] = {}
        for path, what in paths.items():
            for tail in self._names(path, what):
                files.setdefault(tail, f"{path} refers to it, to which {what} refers")
        return References(keys, live, files, tuple(dict.fromkeys(self._gaps)))

    def _names(self, path: str, what: str) -> frozenset[str]:
        """What a snapshot that is referred to names, wherever it lies."""
        try:
            folder = savepoint_folder(place_of(path))
            content = read_content(folder, self._stores)
            problem = content.problem if content is not None else None
        except OutOfReach as trouble:
            content, problem = None, trouble.what
        if problem is not None:
            self._gaps.append(f"what {path} names, to which {what} refers, is not known: {problem}")
        return content.names if content is not None else frozenset()


def _spaced(raw: bytes) -> str:
    """Text in serialized Java, each URI apart from the length before it."""
    return _URI.sub("\x00\\g<0>", raw.decode("latin-1"))


def _is_suspended(job: JobFacts) -> bool:
    return job.resource is not None and job.resource.desired_state == "suspended"


def within(folder: str, root: str) -> bool:
    """Whether a folder is this one or lies in it; False where either is no place that is known here."""
    try:
        one, other = parse_location(folder), parse_location(root)
    except ValueError:
        return False
    if (one.kind, one.root) != (other.kind, other.root):
        return False
    root_path = other.path.rstrip("/")
    return not root_path or f"{one.path.rstrip('/')}/".startswith(f"{root_path}/")
