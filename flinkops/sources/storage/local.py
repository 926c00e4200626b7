"""Folders of this machine."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from flinkops.paths import is_folder
from flinkops.sources.storage.location import Location
from flinkops.sources.storage.port import Content, Entry, OutOfReach

_PAGE = 1000


class LocalStorage:
    """This machine's file system."""

    @property
    def names_per_request(self) -> int:
        """Looking one up is as fast as its share of a listing."""
        return 1

    def entry(self, place: Location) -> Entry | None:
        """By its status."""
        try:
            found = os.stat(place.path)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as problem:
            raise _out_of_reach(problem) from None
        is_file = S_ISREG(found.st_mode)
        return Entry(place.name, found.st_size if is_file else None, _modified_ms(found) if is_file else None)

    def is_folder(self, place: Location) -> bool:
        """A folder that is not there is news only when the place it should be in is."""
        path = Path(place.path)
        if is_folder(path):
            return True
        if is_folder(path.parent):
            return False
        raise OutOfReach(f"{path.parent} does not exist on this machine: the storage is elsewhere")

    def pages(self, folder: Location, *, starts_with: str = "") -> Iterator[tuple[Entry, ...]]:
        """By one pass over the folder, in no order."""
        page: list[Entry] = []
        try:
            with os.scandir(folder.path) as found:
                for one in found:
                    if one.name.startswith(starts_with) and (entry := _entry(one)) is not None:
                        page.append(entry)
                    if len(page) == _PAGE:
                        yield tuple(page)
                        page = []
        except (FileNotFoundError, NotADirectoryError, ValueError):
            pass
        except OSError as problem:
            raise _out_of_reach(problem) from None
        if page:
            yield tuple(page)

    def read(self, place: Location, start: int, length: int) -> Content | None:
        """Never waits: a pipe in the place of a file has nothing to read."""
        try:
            with open(place.path, "rb", opener=_open_at_once) as file:
                if start:
                    file.seek(start)
                return Content(file.read(length), _modified_ms(os.fstat(file.fileno())))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as problem:
            raise _out_of_reach(problem) from None

    def write(self, place: Location, pieces: Iterable[bytes]) -> None:
        """Under another name first; on the disk when it gets its own."""
        path = Path(place.path)
        part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as problem:
            raise OutOfReach(f"{place.path} cannot be written: {problem.strerror or type(problem).__name__}") from None
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def close(self) -> None:
        """There is nothing to let go of."""

    def delete(self, place: Location) -> None:
        """One file."""
        try:
            Path(place.path).unlink(missing_ok=True)
        except OSError as problem:
            raise _out_of_reach(problem) from None

    def delete_folder(self, place: Location) -> None:
        """The system refuses one that is not empty."""
        with suppress(OSError):
            Path(place.path).rmdir()


def _entry(found: "os.DirEntry[str]") -> Entry | None:
    try:
        if found.is_dir():
            return Entry(found.name)
        status = found.stat()
    except FileNotFoundError:  # gone since
        return None
    return Entry(found.name, status.st_size, _modified_ms(status))


def _modified_ms(status: os.stat_result) -> int:
    return int(status.st_mtime * 1000)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _out_of_reach(problem: OSError) -> OutOfReach:
    return OutOfReach(f"it cannot be read from here: {problem.strerror or type(problem).__name__}")
