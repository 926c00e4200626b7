"""Files under folders of savepoints and checkpoints that nobody refers to: finding them, and the plan's own check."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from flinkops.act.journal import Journal
from flinkops.act.orphan_lists import read_deletion
from flinkops.act.state_folder import FolderContents, Progress, read_folder
from flinkops.act.state_references import Gathered, gather, within
from flinkops.act.storage_control import StorageControl
from flinkops.clock import Clock
from flinkops.collect import Collector
from flinkops.config.folders import FolderTable
from flinkops.errors import FlinkopsError
from flinkops.model.facts import FleetSnapshot
from flinkops.model.plan import Plan
from flinkops.plan.orphans import Decision, decide
from flinkops.plan.step_inputs import DeleteOrphans
from flinkops.sources.storage.port import OutOfReach
from flinkops.sources.storage.stores import Stores, place_of


class FolderReport(msgspec.Struct, frozen=True):
    """What is nobody's in one folder. ``decision`` None: it cannot be listed, and ``refused`` says why.

    ``sources``: those that it is declared to be used by alone; None: it is not declared. ``refused``: what speaks
    against removing anything of it.
    """

    folder: str
    sources: tuple[str, ...] | None
    decision: Decision | None
    refused: tuple[str, ...]
    next_step: str | None = None


class OrphanReport(NamedTuple):
    """All folders, with the sources that were considered."""

    snapshot: FleetSnapshot
    gathered: Gathered
    folders: tuple[FolderReport, ...]


class OrphanSearch:
    """Looks at the same folders and sources again as often as it is asked."""

    def __init__(
        self,
        collector: Collector,
        journal: Journal,
        stores: Stores,
        clock: Clock,
        *,
        declared: FolderTable,
        with_last_states: bool = False,
    ) -> None:
        self._collector = collector
        self._journal = journal
        self._stores = stores
        self._clock = clock
        self._declared = declared
        self._with_last_states = with_last_states

    def report(self, wanted: Sequence[str], progress: Progress = lambda _seen: None) -> OrphanReport:
        """Of these folders, else of all that are declared or that Flink is configured to use.

        The files are listed before anybody is asked what refers to them: what is written meanwhile is in no list.
        """
        folders = _outermost(wanted)
        if not wanted:
            _, before = self._asked()
            folders = _outermost([*self._declared, *before.folders])
        listed = {folder: self._listed(folder, progress) for folder in folders}
        snapshot, gathered = self._asked()
        reports = (self._judged(folder, found, snapshot, gathered) for folder, found in listed.items())
        return OrphanReport(snapshot, gathered, tuple(reports))

    def _asked(self) -> tuple[FleetSnapshot, Gathered]:
        snapshot = self._collector.collect()
        return snapshot, gather(snapshot, self._collector.sources, self._journal, self._stores, self._clock)

    def _listed(self, folder: str, progress: Progress) -> FolderContents | OutOfReach:
        try:
            return read_folder(place_of(folder), self._stores, progress)
        except OutOfReach as problem:
            return problem

    def _judged(
        self, folder: str, found: FolderContents | OutOfReach, snapshot: FleetSnapshot, gathered: Gathered
    ) -> FolderReport:
        sources = next((names for root, names in self._declared.items() if within(folder, root)), None)
        refused = [*self._undeclared(folder, sources), *_not_asked(sources or (), snapshot)]
        if isinstance(found, OutOfReach):
            return FolderReport(folder, sources, None, (found.what, *refused), found.next_step)
        decision = decide(found.files, found.snapshots, gathered.references, with_last_states=self._with_last_states)
        return FolderReport(folder, sources, decision, tuple(dict.fromkeys((*refused, *decision.gaps))))

    def _undeclared(self, folder: str, sources: tuple[str, ...] | None) -> Iterable[str]:
        if sources is None:
            yield f"{folder} is not declared in [folders] of flinkops.toml: other clusters may use it too"


def _not_asked(sources: Iterable[str], snapshot: FleetSnapshot) -> list[str]:
    asked = {one.name for one in snapshot.sources}
    return [f"source {name}, which uses it, was not asked" for name in sources if name not in asked]


def _outermost(folders: Iterable[str]) -> list[str]:
    """Without those that lie in another one, or are one in another spelling."""
    found: list[str] = []
    for folder in sorted(dict.fromkeys(one.rstrip("/") for one in folders), key=len):
        if not any(within(folder, other) for other in found):
            found.append(folder)
    return found


class OrphanControl(StorageControl):
    """Before anything is removed all of it is looked at once more."""

    def __init__(self, search: OrphanSearch, note: Callable[[str], None] = lambda _text: None) -> None:
        self._search = search
        self._note = note

    def unmet(self, plan: Plan) -> tuple[str, ...]:
        """Each file of the plan has to be there unchanged, and still nobody's."""
        inputs = [step.do for step in plan.steps if isinstance(step.do, DeleteOrphans)]
        self._note("asking every source once more")
        try:
            reports = {one.folder: one for one in self._search.report([one.folder for one in inputs]).folders}
            return tuple(problem for one in inputs for problem in _moved(one, reports[one.folder]))
        except FlinkopsError as problem:
            return (problem.line(),)


def _moved(given: DeleteOrphans, now: FolderReport) -> list[str]:
    if now.refused or now.decision is None:
        return [*now.refused]
    orphaned = {one.path for unit in now.decision.orphans for one in unit.files}
    known = {one.path for unit in now.decision.units for one in unit.files}
    wanted = read_deletion(given.list_file, given.digest).files
    kept = [one.path for one in wanted if one.path in known and one.path not in orphaned]
    return [f"{len(kept)} files are referred to by now, such as {kept[0]}"] if kept else []
