"""Pinned jars from Maven Central: fetched once, checked against their sums, kept in a cache."""

import fcntl
import functools
import hashlib
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from flinkops.errors import OperationFailed, UsageError
from flinkops.local.download import fetch
from flinkops.user_folders import absolute, with_home
from flinkops.user_folders import cache_folder as user_cache_folder

DEFAULT_MIRROR = "https://repo.maven.apache.org/maven2"
_MANIFEST = Path(__file__).with_name("jars.toml")

Progress = Callable[[int], None]
"""Told each number of bytes that arrived."""


class Jar(msgspec.Struct, frozen=True):
    """One artifact: Maven coordinates `group:artifact:version`, its size and its SHA-256."""

    coordinates: str
    size_bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        """`artifact-version.jar`."""
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"

    @property
    def repository_path(self) -> str:
        """Where a Maven repository has it."""
        group, artifact, version = self.coordinates.split(":")
        return f"{group.replace('.', '/')}/{artifact}/{version}/{self.file_name}"


@functools.cache
def manifest() -> dict[str, tuple[Jar, ...]]:
    """The pinned jars by group, from `jars.toml`."""
    with _MANIFEST.open("rb") as file:
        groups = tomllib.load(file)
    return {
        group: tuple(Jar(coordinates, size, digest) for coordinates, (size, digest) in jars.items())
        for group, jars in groups.items()
    }


def cache_folder() -> Path:
    """Where jars are kept: FLINKOPS_CACHE, else the user's cache folder."""
    if named := os.environ.get("FLINKOPS_CACHE"):
        return absolute(with_home(Path(named))) / "jars"
    return user_cache_folder() / "jars"


def mirror() -> str:
    """The Maven repository to fetch from: FLINKOPS_MAVEN_MIRROR, else Maven Central."""
    address = os.environ.get("FLINKOPS_MAVEN_MIRROR") or DEFAULT_MIRROR
    if not address.startswith(("https://", "http://", "file://")):
        raise UsageError(f"FLINKOPS_MAVEN_MIRROR={address!r} is no http, https or file address")
    return address.rstrip("/")


def ensure(groups: Sequence[str]) -> list[Path]:
    """The jars of these groups, in the manifest's order, fetched when they are not in the cache yet.

    Raises OperationFailed when one cannot be had or has another sum than the pinned one.
    """
    jars = [jar for group in groups for jar in manifest()[group]]
    return ensure_jars(jars, cache_folder())


def ensure_jars(jars: Sequence[Jar], cache: Path) -> list[Path]:
    """The same for any jars and cache."""
    missing = [jar for jar in jars if not _is_cached(jar, cache)]
    if missing:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with _progress_of(missing) as advance:
                for jar in missing:
                    _ensure_one(jar, cache, advance)
        except OSError as error:
            raise OperationFailed(f"cannot keep jars in {cache}: {error.strerror or error}") from error
    return [cache / jar.file_name for jar in jars]


def _is_cached(jar: Jar, cache: Path) -> bool:
    # A file only gets its final name after its sum was right: the size guards against a later truncation.
    try:
        return (cache / jar.file_name).stat().st_size == jar.size_bytes
    except OSError:
        return False


def _ensure_one(jar: Jar, cache: Path, advance: Progress) -> None:
    target = cache / jar.file_name
    part = cache / f"{jar.file_name}.part"
    with _locked(cache / f"{jar.file_name}.lock"):
        if _is_cached(jar, cache):  # somebody else was faster
            advance(jar.size_bytes)
            return
        address = f"{mirror()}/{jar.repository_path}"
        fetch(address, part, jar.size_bytes, advance)
        if (found := _sum_of(part)) != jar.sha256:
            part.unlink()
            raise OperationFailed(
                f"{address} has the SHA-256 sum {found}, expected {jar.sha256}: refused",
                next_step="try again, or check the mirror",
            )
        part.replace(target)


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file lock `path`: two commands at once fetch a jar once. The system frees it when we die."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _progress_of(jars: Iterable[Jar]) -> Iterator[Progress]:
    """A bar on a terminal, one line elsewhere; on stderr, for stdout is data."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    sizes = [jar.size_bytes for jar in jars]
    title = f"fetching {len(sizes)} jars from {mirror()}"
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"{title} ({sum(sizes) / 1e6:.0f} MB)", markup=False, soft_wrap=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=sum(sizes))
        yield lambda size_bytes: progress.advance(task, size_bytes)
