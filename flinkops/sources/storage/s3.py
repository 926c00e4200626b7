"""S3 and servers that speak its protocol, through s3fs: one request gives 1,000 names.

Of s3fs only the connection is used (credentials, sessions, retries, its loop): its own listings keep all names in
memory, and read some characters of a name as something else.
"""

import errno
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from flinkops.config.storage import StorageSettings
from flinkops.sources.storage.location import Location
from flinkops.sources.storage.port import Content, Entry, OutOfReach
from flinkops.sources.storage.upload import write_pieces

T = TypeVar("T")

_CONNECT_SECONDS: Final = 10
_READ_SECONDS: Final = 60
_TRIES: Final = 3
_MISSING: Final = frozenset({"NoSuchKey", "404"})
_NOTHING_THERE: Final = frozenset({"InvalidRange", "416"})
"""A range of a file without content."""
_CREDENTIALS: Final = (
    'set AWS_PROFILE (or profile in [storage."{storage}"] of flinkops.toml), or AWS_ACCESS_KEY_ID and'
    " AWS_SECRET_ACCESS_KEY"
)
_RIGHTS: Final = "the credentials need s3:ListBucket and s3:GetObject on it"
_REFUSED_KEYS: Final = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "TokenRefreshRequired",
        "XAdminUserNotFound",
    }
)


class S3Storage:
    """One bucket. `connection` is an S3FileSystem."""

    names_per_request = 1000

    def __init__(self, connection: Any, storage: str, endpoint: str | None) -> None:
        self._connection = connection
        self._storage = storage
        self._where = storage if endpoint is None else f"{storage} at {endpoint}"

    def entry(self, place: Location) -> Entry | None:
        """By the first name that begins so: a listing says what a head must not to those who may not read."""
        answer = self._list(place, place.path, {"MaxKeys": 1})
        found = next((one for one in answer.get("Contents", ()) if one["Key"] == place.path), None)
        return None if found is None else _file(found, place.name)

    def is_folder(self, place: Location) -> bool:
        """Whether any name begins with it."""
        return bool(self._list(place, _prefix(place), {"MaxKeys": 1}).get("KeyCount"))

    def pages(self, folder: Location, *, starts_with: str = "") -> Iterator[tuple[Entry, ...]]:
        """In the order of S3, which is that of the names' UTF-8."""
        prefix = _prefix(folder)
        further: dict[str, Any] = {"Delimiter": "/"}
        while True:
            answer = self._list(folder, prefix + starts_with, further)
            files = [_file(one, one["Key"][len(prefix) :]) for one in answer.get("Contents", ())]
            folders = [Entry(one["Prefix"][len(prefix) : -1]) for one in answer.get("CommonPrefixes", ())]
            yield tuple(one for one in (*files, *folders) if one.name)
            token = answer.get("NextContinuationToken")
            if not answer.get("IsTruncated") or not token:
                return
            further["ContinuationToken"] = token

    def read(self, place: Location, start: int, length: int) -> Content | None:
        """One request for a range."""

        async def get() -> Content:
            answer = await self._connection._call_s3(
                "get_object", Bucket=place.root, Key=place.path, Range=f"bytes={start}-{start + length - 1}"
            )
            async with answer["Body"] as body:
                return Content(await body.read(), _milliseconds(answer.get("LastModified")))

        try:
            return self._run(get)
        except OSError as problem:
            code = _code(problem)
            if code in _NOTHING_THERE:
                return Content(b"")
            if code in _MISSING:
                return None
            raise self._out_of_reach(problem, place) from None

    def write(self, place: Location, pieces: Iterable[bytes]) -> None:
        """One request, or an upload in parts; nothing is there before its end."""
        try:
            self._guarded(lambda: write_pieces(self._connection, f"{place.root}/{place.path}", pieces))
        except OutOfReach:
            raise
        except OSError as problem:
            raise self._out_of_reach(problem, place) from None

    def close(self) -> None:
        """Now: s3fs itself gives its sockets a tenth of a second, in a finalizer."""
        from fsspec.asyn import sync

        creator = getattr(self._connection, "_s3creator", None)
        if creator is not None:
            sync(self._connection.loop, creator.__aexit__, None, None, None)

    def delete(self, place: Location) -> None:
        """One request; S3 does not mind when it is gone."""
        try:
            self._run(partial(self._connection._call_s3, "delete_object", Bucket=place.root, Key=place.path))
        except OSError as problem:
            raise self._out_of_reach(problem, place) from None

    def delete_folder(self, _place: Location) -> None:
        """A folder is there as long as a name begins with it."""

    def _list(self, place: Location, prefix: str, further: Mapping[str, Any]) -> Mapping[str, Any]:
        call = partial(self._connection._call_s3, "list_objects_v2", Bucket=place.root, Prefix=prefix, **further)
        try:
            answer: Mapping[str, Any] = self._run(call)
        except OSError as problem:
            raise self._out_of_reach(problem, place) from None
        return answer

    def _run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """In s3fs' loop. Raises OSError for an answer that is an error, OutOfReach when there was no answer."""
        from fsspec.asyn import sync

        def ask() -> T:
            result: T = sync(self._connection.loop, call)
            return result

        return self._guarded(ask)

    def _guarded(self, ask: Callable[[], T]) -> T:
        from aiohttp import ClientError
        from botocore.exceptions import BotoCoreError

        try:
            return ask()
        except BotoCoreError as problem:
            raise self._no_answer(problem) from None
        except (ClientError, TimeoutError) as problem:  # a connection that broke while it was read
            raise OutOfReach(f"{self._where} broke off: {type(problem).__name__}") from None

    def _no_answer(self, problem: Exception) -> OutOfReach:
        """By the class of the problem: its words may hold anything."""
        from botocore import exceptions

        if isinstance(problem, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
            what, next_step = f"no credentials for {self._storage}", _CREDENTIALS.format(storage=self._storage)
        elif isinstance(problem, exceptions.ProfileNotFound):
            what, next_step = f"the profile for {self._storage} does not exist", "aws configure list-profiles"
        elif isinstance(problem, (exceptions.CredentialRetrievalError, exceptions.TokenRetrievalError)):
            what, next_step = f"the credentials for {self._storage} cannot be had", "log in again: aws sso login"
        elif isinstance(problem, exceptions.ParamValidationError):
            what, next_step = f"{self._storage} is not a name that a bucket can have", "see the path"
        else:
            what = f"{self._where} does not answer: {type(problem).__name__}"
            next_step = f'see endpoint and region in [storage."{self._storage}"] of flinkops.toml'
        return OutOfReach(what, next_step=next_step)

    def _out_of_reach(self, problem: OSError, place: Location) -> OutOfReach:
        code, status = _code(problem), _status(problem)
        if code == "NoSuchBucket":
            return OutOfReach(
                f"there is no bucket {self._where}",
                next_step=f'see the path, and endpoint in [storage."{self._storage}"] of flinkops.toml',
                http_status=status,
            )
        if code in _REFUSED_KEYS:
            what, next_step = (
                f"{self._where} refuses the log-in",
                _CREDENTIALS.format(storage=self._storage),
            )
        elif (
            status in (401, 403) or problem.errno in (errno.EACCES, errno.EPERM) or isinstance(problem, PermissionError)
        ):
            what, next_step = f"{self._where} denies access", _RIGHTS
        elif status in (301, 307, 400):
            what = f"{self._where} does not take the request"
            next_step = f'see region and path_style in [storage."{self._storage}"] of flinkops.toml'
        elif status == 409:  # such as a file where a folder is to be
            what, next_step = f"{self._where} does not take the request", "see the path: something else is there"
        elif status == 503:
            what, next_step = f"{self._where} is overloaded", "try again later"
        else:
            what, next_step = f"{self._where} failed", "try again later"
        said = ", ".join(str(part) for part in dict.fromkeys((str(status or ""), code)) if part)
        return OutOfReach(f"{what} ({said})" if said else what, next_step=next_step, http_status=status)


def open_s3(storage: str, settings: StorageSettings) -> S3Storage:
    """A connection with the credentials that the user's AWS tools would take. Raises ImportError without s3fs."""
    from s3fs import S3FileSystem

    style = {None: None, True: {"addressing_style": "path"}, False: {"addressing_style": "virtual"}}[
        settings.path_style
    ]
    limits = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "retries": {"max_attempts": _TRIES, "mode": "standard"},
    }
    connection = S3FileSystem(
        anon=False,
        endpoint_url=settings.endpoint,
        client_kwargs={"region_name": settings.region} if settings.region else {},
        config_kwargs=limits if style is None else {**limits, "s3": style},
        profile=settings.profile,
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    connection.retries = _TRIES
    return S3Storage(connection, storage, settings.endpoint)


def _prefix(folder: Location) -> str:
    return f"{folder.path}/" if folder.path else ""


def _file(found: Mapping[str, Any], name: str) -> Entry:
    return Entry(name, int(found["Size"]), _milliseconds(found.get("LastModified")))


def _milliseconds(moment: Any) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


def _response(problem: OSError) -> Mapping[str, Any]:
    """The answer that s3fs made an OSError of."""
    found = getattr(problem.__cause__, "response", None)
    return found if isinstance(found, Mapping) else {}


def _code(problem: OSError) -> str:
    code = str(_response(problem).get("Error", {}).get("Code", ""))
    return code if code.isascii() and code.isalnum() else ""


def _status(problem: OSError) -> int | None:
    status = _response(problem).get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None
