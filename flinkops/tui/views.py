"""Saved views of the fleet: filter, source, order and columns under a name, in one small file of the user's."""

from pathlib import Path

import msgspec

from flinkops.ownership import make_private
from flinkops.private_file import write_private


class SavedView(msgspec.Struct, frozen=True):
    """What the fleet's screen shows, and in which order."""

    name: str
    filter: str = ""
    source: str | None = None
    broken_only: bool = False
    wide: bool = False
    sort: str | None = None
    sort_down: bool = False

    def summary(self) -> str:
        """In words, for the list."""
        parts = [
            f"/{self.filter}" if self.filter else "",
            f"source {self.source}" if self.source else "",
            "broken only" if self.broken_only else "",
            f"by {self.sort} {'down' if self.sort_down else 'up'}" if self.sort else "",
            "wide" if self.wide else "",
        ]
        return ", ".join(part for part in parts if part) or "all, worst first"


class SavedViews:
    """All of them, by name; written whole at each change. A file that cannot be read is left alone."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._views: dict[str, SavedView] = {}
        self.problem: str | None = None
        if path is not None and path.exists():
            try:
                read = msgspec.json.decode(path.read_bytes(), type=list[SavedView])
                self._views = {view.name: view for view in read}
            except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self.problem = f"views are not kept: {path.name} cannot be read ({type(error).__name__})"
                self._path = None

    def all(self) -> list[SavedView]:
        """By name."""
        return [self._views[name] for name in sorted(self._views)]

    def get(self, name: str) -> SavedView | None:
        """One of them."""
        return self._views.get(name)

    def save(self, view: SavedView) -> None:
        """Keep it, in place of one of the same name."""
        self._views[view.name] = view
        self._write()

    def delete(self, name: str) -> bool:
        """Whether there was one."""
        known = self._views.pop(name, None) is not None
        self._write()
        return known

    def _write(self) -> None:
        if self._path is None:
            return
        try:
            make_private(self._path.parent)
            write_private(self._path, msgspec.json.encode(list(self._views.values())))
        except OSError as error:
            self.problem = f"the view is not kept: {error.strerror}"
