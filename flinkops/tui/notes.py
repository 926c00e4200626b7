"""Notes on jobs: who has seen it, and what is being done about it. Kept in one small file of the user's."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from flinkops.clock import Clock, iso_utc
from flinkops.model.facts import JobKey
from flinkops.ownership import current_user
from flinkops.tui.kept_list import KeptList


class Note(msgspec.Struct, frozen=True):
    """One note; a job has at most one."""

    key: JobKey
    text: str
    by: str
    at_ms: int

    def line(self) -> str:
        """As shown beside the job."""
        return f"{self.text} ({self.by}, {(iso_utc(self.at_ms) or '')[:16].replace('T', ' ')}Z)"


class Notes:
    """All notes, of one file."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._kept = KeptList(path, msgspec.json.Decoder(list[Note]), "note")
        self._clock = clock
        self._notes: dict[JobKey, Note] = {note.key: note for note in self._kept.read}

    @property
    def problem(self) -> str | None:
        """Why they are not kept."""
        return self._kept.problem

    def keys(self) -> frozenset[JobKey]:
        """The jobs that have one."""
        return frozenset(self._notes)

    def of(self, key: JobKey) -> str | None:
        """The note of a job, with who and when."""
        note = self._notes.get(key)
        return note.line() if note else None

    def text_of(self, key: JobKey) -> str:
        """The words alone, to edit them."""
        note = self._notes.get(key)
        return note.text if note else ""

    def write(self, keys: Iterable[JobKey], text: str) -> None:
        """Set, or with an empty text remove, the notes of these jobs."""
        for key in keys:
            if text.strip():
                self._notes[key] = Note(key, text.strip(), current_user(), self._clock.now_ms())
            else:
                self._notes.pop(key, None)
        self._kept.write(self._notes.values())
