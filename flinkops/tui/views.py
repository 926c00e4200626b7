"""Saved views of the fleet: filter, source, order and columns under a name, in one small file of the user's."""

from pathlib import Path

import msgspec

from flinkops.tui.kept_list import KeptList


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
    """All of them, by name, of one file."""

    def __init__(self, path: Path | None) -> None:
        self._kept = KeptList(path, msgspec.json.Decoder(list[SavedView]), "view")
        self._views: dict[str, SavedView] = {view.name: view for view in self._kept.read}

    @property
    def problem(self) -> str | None:
        """Why they are not kept."""
        return self._kept.problem

    def all(self) -> list[SavedView]:
        """By name."""
        return [self._views[name] for name in sorted(self._views)]

    def get(self, name: str) -> SavedView | None:
        """One of them."""
        return self._views.get(name)

    def save(self, view: SavedView) -> None:
        """Keep it, in place of one of the same name."""
        self._views[view.name] = view
        self._kept.write(self._views.values())

    def delete(self, name: str) -> bool:
        """Whether there was one."""
        known = self._views.pop(name, None) is not None
        self._kept.write(self._views.values())
        return known
