"""Is everything of a savepoint there? Its `_metadata` is read, and every file that it names is looked up."""

from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

import msgspec

from flinkops.act.java_stream import MetadataError
from flinkops.act.savepoint_metadata import NamedFile, SavepointMetadata, parse_metadata
from flinkops.act.storage import Absent, MetadataFile, read_metadata_file
from flinkops.sources.storage.location import Location, NotAPlace, parse_location
from flinkops.sources.storage.lookup import Found, at_once, look_up
from flinkops.sources.storage.port import Entry, OutOfReach
from flinkops.sources.storage.stores import Stores

Verdict = Literal["ok", "bad", "unknown"]
Progress = Callable[[int, int], None]
"""Told how many files of how many have been looked up."""

_SHOWN_PROBLEMS: Final = 20
_AT_ONCE: Final = 8
_COMPRESSED: Final = b"\x01"
"""The first byte of a changelog file (StateChangeFsUploader): 1 when what follows is compressed, else 0."""


class SavepointCheck(msgspec.Struct, frozen=True):
    """What was found at a savepoint's path. Unknown: it could not be read from here, which is not bad."""

    path: str
    verdict: Verdict
    why: str
    metadata: SavepointMetadata | None = None
    problems: tuple[str, ...] = ()
    total_bytes: int | None = None
    next_step: str | None = None


def check_savepoint(path: str, stores: Stores, progress: Progress = lambda _done, _of: None) -> SavepointCheck:
    """Parses ``_metadata`` at `path` (a folder, the file itself, or a URI) and finds every file it names."""
    try:
        file = read_metadata_file(path, stores)
        metadata = parse_metadata(file.content)
    except Absent as missing:
        return SavepointCheck(path, "bad", str(missing))
    except OutOfReach as problem:
        return SavepointCheck(path, "unknown", problem.what, next_step=problem.next_step)
    except MetadataError as problem:
        return SavepointCheck(path, "bad", f"its _metadata is not usable: {problem}")
    tally = _Tally(file.folder, stores, metadata.inline_bytes)
    tally.take(metadata.files, progress)
    if tally.problems and (changed := _changed_meanwhile(path, file, stores)) is not None:
        return changed
    return tally.verdict(path, metadata)


def _changed_meanwhile(path: str, file: MetadataFile, stores: Stores) -> SavepointCheck | None:
    """Files that are missing of a checkpoint which was removed or written meanwhile say nothing about what is there."""
    try:
        if read_metadata_file(path, stores).same_as(file):
            return None
    except Absent:
        return SavepointCheck(path, "bad", "it was removed while it was checked")
    except (OutOfReach, MetadataError):
        return None
    return SavepointCheck(path, "unknown", "it was written anew while it was checked", next_step="check it again")


class _Wanted(NamedTuple):
    """A folder of one storage, and what has to be in it, by name."""

    folder: Location
    files: dict[str, NamedFile]


class _Tally:
    """What came of the files, one after the other."""

    def __init__(self, folder: Location, stores: Stores, inline_bytes: int) -> None:
        self._folder = folder
        self._stores = stores
        self._total_bytes = inline_bytes
        self._unknown = 0
        self._reason: OutOfReach | None = None
        self._absent: list[tuple[Location, NamedFile]] = []
        self.problems: list[str] = []

    def take(self, files: tuple[NamedFile, ...], progress: Progress) -> None:
        """Look them up, folder by folder."""
        for done, (place, file, found) in enumerate(self._found(self._by_folder(files)), 1):
            self._judge(place, file, found)
            if done % 1000 == 0:
                progress(done, len(files))
        self._judge_absent()

    def verdict(self, path: str, metadata: SavepointMetadata) -> SavepointCheck:
        """Of all of them."""
        count, verdict, next_step = len(metadata.files), "ok", None
        if self.problems:
            why, verdict = f"{len(self.problems)} of the {count} files it names are missing or damaged", "bad"
        elif self._unknown:
            why, verdict = f"{self._unknown} of the {count} files it names are out of reach from here", "unknown"
            if self._reason is not None:
                why, next_step = f"{why}: {self._reason.what}", self._reason.next_step
        else:
            why = f"{count} files, {self._total_bytes} bytes of state, all there"
        known_total = self._total_bytes if verdict == "ok" else None
        shown = tuple(self.problems[:_SHOWN_PROBLEMS])
        return SavepointCheck(path, verdict, why, metadata, shown, known_total, next_step)  # type: ignore[arg-type]

    def _by_folder(self, files: tuple[NamedFile, ...]) -> list[_Wanted]:
        wanted: dict[Location, _Wanted] = {}
        for file in files:
            try:
                place = self._place(file)
            except NotAPlace as problem:
                self._out_of_reach(OutOfReach(str(problem)))
                continue
            if place is None:
                self.problems.append(f"{file.path}: points out of the savepoint")
                continue
            wanted.setdefault(place.parent, _Wanted(place.parent, {})).files[place.name] = file
        return list(wanted.values())

    def _place(self, file: NamedFile) -> Location | None:
        """Where it has to be; None: out of the folder that it has to be in."""
        if not file.relative:
            return parse_location(file.path)
        parts = file.path.split("/")
        return None if ".." in parts or parts[0] == "" else self._folder.child(file.path)

    def _found(self, wanted: list[_Wanted]) -> Iterator[tuple[Location, NamedFile, Found]]:
        """Several folders at once where each costs a request: with entropy every file has one of its own."""
        if len(wanted) == 1 or all(one.folder.kind == "file" for one in wanted):
            for one in wanted:
                for name, found in self._look_up(one):
                    yield one.folder.child(name), one.files[name], found
            return
        for one, answers in at_once(lambda one: list(self._look_up(one)), wanted, threads=_AT_ONCE):
            for name, found in answers:
                yield one.folder.child(name), one.files[name], found

    def _look_up(self, wanted: _Wanted) -> Iterator[tuple[str, Found]]:
        try:
            storage = self._stores.at(wanted.folder)
        except OutOfReach as problem:
            yield from ((name, problem) for name in wanted.files)
            return
        yield from look_up(storage, wanted.folder, wanted.files)

    def _judge(self, place: Location, file: NamedFile, found: Found) -> None:
        if isinstance(found, OutOfReach):
            self._out_of_reach(found)
        elif found is None:
            self._absent.append((place, file))
        else:
            self._judge_size(place, file, found)

    def _judge_absent(self) -> None:
        """Once more, a few of them by themselves: a listing is older than what was written since; or it is escaped."""
        for place, file in self._absent:
            again = self._again(place) if len(self.problems) < _SHOWN_PROBLEMS else None
            if isinstance(again, OutOfReach):
                self._out_of_reach(again)
            elif again is None:
                self.problems.append(f"{file.path}: missing")
            else:
                self._judge_size(place, file, again)

    def _again(self, place: Location) -> Found:
        try:
            storage = self._stores.at(place)
            forms = dict.fromkeys((place.path, unquote(place.path)))
            return next((one for form in forms if (one := storage.entry(place.other(form))) is not None), None)
        except OutOfReach as problem:
            return problem

    def _judge_size(self, place: Location, file: NamedFile, found: Entry) -> None:
        size_bytes = found.size_bytes
        if size_bytes is None:
            self.problems.append(f"{file.path}: a folder")
            return
        self._total_bytes += size_bytes
        expected = file.end_bytes + 1 if file.changelog else file.end_bytes
        if size_bytes == expected or (size_bytes > expected and not file.exact):
            return
        if file.changelog and size_bytes > 1:
            try:
                first = self._stores.at(place).read(place, 0, 1)
            except OutOfReach as problem:
                self._out_of_reach(problem)
                return
            if first is not None and first.raw == _COMPRESSED:  # the handle has the size before compression
                return
        self.problems.append(f"{file.path}: {size_bytes} bytes, {expected} expected")

    def _out_of_reach(self, problem: OutOfReach) -> None:
        self._unknown += 1
        self._reason = self._reason or problem
