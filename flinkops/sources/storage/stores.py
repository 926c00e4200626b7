"""Opens the storage that a path means, once each."""

from collections.abc import Mapping
from typing import Final

from flinkops.config.storage import StorageTable, settings_of
from flinkops.sources.storage.local import LocalStorage
from flinkops.sources.storage.location import Kind, Location, NotAPlace, parse_location
from flinkops.sources.storage.port import OutOfReach, Storage

EXTRA_OF: Final[Mapping[Kind, str]] = {"s3": "s3", "gs": "gcs", "azure": "azure", "hdfs": "hdfs"}


class Stores:
    """The storages that this run may ask. Without `table` only this machine's folders."""

    def __init__(self, table: StorageTable | None = None) -> None:
        self._table = table
        self._open: dict[str, Storage] = {}

    def at(self, place: Location) -> Storage:
        """The storage of a place. Raises OutOfReach when its library is missing or it cannot be opened."""
        if (known := self._open.get(place.storage)) is None:
            known = self._open[place.storage] = self._opened(place)
        return known

    def close(self) -> None:
        """Let go of all connections."""
        for storage in self._open.values():
            storage.close()
        self._open = {}

    def _opened(self, place: Location) -> Storage:
        if place.kind == "file":
            return LocalStorage()
        if self._table is None:
            raise OutOfReach(f"storage {place.storage} is not asked from here")
        settings = settings_of(self._table, place.storage)
        extra = EXTRA_OF[place.kind]
        try:
            if place.kind == "s3":
                from flinkops.sources.storage.s3 import open_s3

                return open_s3(place.storage, settings)
            from flinkops.sources.storage.remote import open_remote

            return open_remote(place.kind, place.storage, place.root, settings)
        except ImportError:
            raise OutOfReach(
                f"{place.storage} needs libraries that are not installed", next_step=f"pip install 'flinkops[{extra}]'"
            ) from None
        except OutOfReach:
            raise
        except Exception as problem:  # noqa: BLE001 - each library has classes of its own
            from flinkops.sources.storage.remote import CREDENTIALS

            raise OutOfReach(
                f"{place.storage} cannot be opened: {type(problem).__name__}", next_step=CREDENTIALS.get(place.kind)
            ) from None


def place_of(path: str) -> Location:
    """The place that a path means. Raises OutOfReach for storage that nothing here can ask."""
    try:
        return parse_location(path)
    except NotAPlace as problem:
        raise OutOfReach(str(problem)) from None
