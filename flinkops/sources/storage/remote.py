"""Google Cloud Storage, Azure and HDFS, through fsspec's common interface."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from flinkops.config.storage import StorageSettings
from flinkops.sources.storage.location import Kind, Location
from flinkops.sources.storage.port import Content, Entry, OutOfReach
from flinkops.sources.storage.upload import write_pieces

_PAGE: Final = 5000
_TIMES: Final = ("mtime", "updated", "last_modified", "LastModified")
"""Where each of the libraries has the time of a file."""
_LOGGERS: Final = ("gcsfs", "google", "adlfs", "azure", "fsspec")
CREDENTIALS: Final[Mapping[Kind, str]] = {
    "gs": "gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS",
    "azure": "az login, or set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET",
    "hdfs": "set HADOOP_HOME and CLASSPATH (hadoop classpath --glob), and log in with kinit",
}


class RemoteStorage:
    """One bucket, container or name node. `connection` is any fsspec file system."""

    names_per_request = _PAGE

    def __init__(self, connection: Any, kind: Kind, storage: str) -> None:
        self._connection = connection
        self._kind = kind
        self._storage = storage

    def entry(self, place: Location) -> Entry | None:
        """By its status."""
        found = self._ask(lambda: self._connection.info(self._path(place)), None)
        return None if found is None or found.get("type") == "directory" else _entry(found, place.name)

    def is_folder(self, place: Location) -> bool:
        """In object storage: whether any name begins with it. Raises OutOfReach when there is no such bucket."""
        if self._ask(lambda: bool(self._connection.isdir(self._path(place))), False):
            return True
        root = place.other("/" if self._kind == "hdfs" else "")
        if not self._ask(lambda: bool(self._connection.exists(self._path(root))), False):
            raise OutOfReach(f"there is no {self._storage}, or it denies access", next_step=CREDENTIALS[self._kind])
        return False

    def pages(self, folder: Location, *, starts_with: str = "") -> Iterator[tuple[Entry, ...]]:
        """All at once: the libraries give no part of a folder."""
        root = self._path(folder)
        found = self._ask(lambda: self._connection.ls(root, detail=True, refresh=True), [])
        named = [_entry(one, str(one["name"]).rstrip("/").rpartition("/")[2]) for one in found]
        wanted = [one for one in named if one.name.startswith(starts_with)]
        for start in range(0, len(wanted), _PAGE):
            yield tuple(wanted[start : start + _PAGE])

    def read(self, place: Location, start: int, length: int) -> Content | None:
        """A range; its file's time is not known."""
        raw = self._ask(lambda: self._ranged(self._path(place), start, start + length), None)
        return None if raw is None else Content(bytes(raw))

    def _ranged(self, path: str, start: int, end: int) -> Any:
        """Behind the end of a file, and of an empty one, there is nothing: HTTP's answer to that is an error."""
        try:
            return self._connection.cat_file(path, start=start, end=end)
        except Exception as problem:
            if _status(problem) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return b""
            raise

    def write(self, place: Location, pieces: Iterable[bytes]) -> None:
        """As the library uploads: nothing is there before its end."""
        self._ask(lambda: write_pieces(self._connection, self._path(place), pieces), None)

    def close(self) -> None:
        """The libraries let go by themselves."""

    def delete(self, place: Location) -> None:
        """One file."""
        self._ask(lambda: self._connection.rm_file(self._path(place)), None)

    def delete_folder(self, place: Location) -> None:
        """HDFS has folders; with the others they end with their last file."""
        if self._kind == "hdfs" and not self._ask(lambda: self._connection.ls(self._path(place)), ["absent"]):
            self._ask(lambda: self._connection.rmdir(self._path(place)), None)

    def _path(self, place: Location) -> str:
        if self._kind == "hdfs":
            return place.path
        return f"{place.root.partition('@')[0]}/{place.path}".rstrip("/")

    def _ask(self, ask: Callable[[], Any], absent: Any) -> Any:
        try:
            return ask()
        except (FileNotFoundError, NotADirectoryError):
            return absent
        except OutOfReach:
            raise
        except PermissionError:
            raise OutOfReach(f"{self._storage} denies access", next_step=CREDENTIALS[self._kind]) from None
        except Exception as problem:  # noqa: BLE001 - each library has classes of its own
            code = _status(problem)
            said = f" ({code})" if isinstance(code, int) else ""
            what = f"{self._storage} cannot be asked: {type(problem).__name__}{said}"
            raise OutOfReach(what, next_step=CREDENTIALS[self._kind]) from None


def open_remote(kind: Kind, storage: str, root: str, settings: StorageSettings) -> RemoteStorage:
    """With the usual credentials of each cloud. Raises ImportError without its library, OSError where it says no."""
    _log_nothing_unasked()
    connection: Any
    if kind == "gs":
        from gcsfs import GCSFileSystem

        connection = GCSFileSystem(endpoint_url=settings.endpoint, skip_instance_cache=True, use_listings_cache=False)
    elif kind == "azure":
        from adlfs import AzureBlobFileSystem

        account = root.partition("@")[2]
        connection = AzureBlobFileSystem(
            account_name=account,
            account_host=settings.endpoint and settings.endpoint.partition("://")[2],
            anon=False,
            skip_instance_cache=True,
            use_listings_cache=False,
        )
    else:
        from fsspec.implementations.arrow import HadoopFileSystem

        host, _, port = root.partition(":")
        connection = HadoopFileSystem(host=host or "default", port=int(port or 0), skip_instance_cache=True)
    return RemoteStorage(connection, kind, storage)


def _log_nothing_unasked() -> None:
    """Their warnings and tracebacks of each retry: without a handler logging prints them to stderr."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _status(problem: Exception) -> object:
    """HTTP's, where the library says it."""
    return getattr(problem, "status_code", None) or getattr(problem, "code", None)


def _entry(found: Mapping[str, Any], name: str) -> Entry:
    if found.get("type") == "directory":
        return Entry(name)
    moment = next((found[key] for key in _TIMES if found.get(key) is not None), None)
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    at_ms = int(moment.timestamp() * 1000) if isinstance(moment, datetime) else None
    return Entry(name, int(found.get("size") or 0), at_ms)
