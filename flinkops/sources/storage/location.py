"""Which storage a path means, in the spellings that Flink's file systems take. Pure.

Schemes: Flink's file system plug-ins (flink-s3-fs-hadoop, -presto and -native; flink-gs-fs-hadoop;
flink-azure-fs-hadoop) and Hadoop's own ``hdfs``.
"""

import re
from typing import Final, Literal

import msgspec

from flinkops.model.places import METADATA_FILE

Kind = Literal["file", "s3", "gs", "azure", "hdfs"]

KIND_OF_SCHEME: Final[dict[str, Kind]] = {
    "": "file",
    "file": "file",
    "s3": "s3",
    "s3a": "s3",
    "s3p": "s3",
    "gs": "gs",
    "abfs": "azure",
    "abfss": "azure",
    "wasb": "azure",
    "wasbs": "azure",
    "hdfs": "hdfs",
}
NOT_SUPPORTED: Final = {"oss": "Alibaba's OSS", "cos": "Tencent's COS", "cosn": "Tencent's COS", "viewfs": "ViewFS"}
ENTROPY_MARKER: Final = "_entropy_"
"""What the documentation puts for ``s3.entropy.key``; Flink leaves it out of the paths of metadata."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!$)(.*)", re.DOTALL)


class NotAPlace(ValueError):
    """A path that names no storage which is known here; the message says why."""


class Location(msgspec.Struct, frozen=True):
    """A file or folder: in a bucket, a container (``container@account``), a name node, or on this machine.

    ``path``: without a slash at either end in a bucket or container; absolute on this machine and in HDFS.
    """

    kind: Kind
    root: str
    path: str

    def child(self, name: str) -> "Location":
        """What has this name, or relative path, in the folder."""
        return Location(self.kind, self.root, f"{self.path}/{name}" if self.path else name)

    def other(self, path: str) -> "Location":
        """Something else in the same storage."""
        return Location(self.kind, self.root, path)

    @property
    def parent(self) -> "Location":
        """The folder that it is in."""
        folder = self.path.rpartition("/")[0]
        return Location(self.kind, self.root, folder or ("/" if self.path.startswith("/") else ""))

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rpartition("/")[2]

    @property
    def storage(self) -> str:
        """The storage that it lies in, as a person knows it; its settings have this name too."""
        scheme = {"azure": "abfss"}.get(self.kind, self.kind)
        return "this machine" if self.kind == "file" else f"{scheme}://{self.root}"


def parse_location(text: str) -> Location:
    """The place that a path or URI names. Raises NotAPlace.

    >>> parse_location("s3a://bucket//sp/1/"), parse_location("file:///data/sp")
    (Location(kind='s3', root='bucket', path='sp/1'), Location(kind='file', root='', path='/data/sp'))
    >>> parse_location("wasbs://c@acc.blob.core.windows.net/sp").root, parse_location("hdfs:///sp").root
    ('c@acc', '')
    """
    scheme, authority, path = _parts(text)
    if scheme in NOT_SUPPORTED:
        raise NotAPlace(f"storage {scheme}: ({NOT_SUPPORTED[scheme]}) is not supported")
    kind = KIND_OF_SCHEME.get(scheme)
    if kind is None:
        raise NotAPlace(f"storage {scheme}: is not known here")
    if kind == "file":
        if authority not in ("", "localhost"):
            raise NotAPlace(f"it is on another machine, {authority}")
        return Location(kind, "", path)
    if any("\ud800" <= one <= "\udfff" for one in text):  # bytes that are no UTF-8, as the system hands them over
        raise NotAPlace("it has characters that no name there can have")
    if kind == "hdfs":
        return Location(kind, authority.lower(), "/" + _cleaned(path))
    root = _azure_root(authority, text) if kind == "azure" else authority
    if not root:
        raise NotAPlace(f"{scheme}: names no bucket")
    return Location(kind, root, _cleaned(path))


def savepoint_folder(place: Location) -> Location:
    """The folder of a savepoint that is named by its ``_metadata``; else the place itself."""
    cut = place.path.rstrip("/") if place.kind == "file" else place.path
    folder = Location(place.kind, place.root, cut or place.path)
    return folder.parent if folder.name == METADATA_FILE else folder


def without_entropy(place: Location) -> Location:
    """Where Flink writes metadata when its directory has the marker that it replaces by random characters.

    >>> without_entropy(parse_location("s3://b/_entropy_/sp")).path
    'sp'
    """
    if place.kind != "s3":
        return place
    return place.other("/".join(part for part in place.path.split("/") if part != ENTROPY_MARKER))


def _parts(text: str) -> tuple[str, str, str]:
    """Scheme in lower case, authority, path; no character of the path means anything but itself, as in Flink."""
    found = _SCHEME.fullmatch(text)
    if found is None or "/" in found[1]:
        return "", "", text
    scheme, rest = found[1].lower(), found[2]
    if not rest.startswith("//"):
        return scheme, "", "/" + rest.lstrip("/")
    authority, _, path = rest[2:].partition("/")
    return scheme, authority, "/" + path.lstrip("/")


def _cleaned(path: str) -> str:
    return "/".join(part for part in path.split("/") if part)


def _azure_root(authority: str, text: str) -> str:
    container, at, host = authority.partition("@")
    account = host.split(".")[0]
    if not at or not container or not account:
        raise NotAPlace(f"{text.partition('/')[0]} needs container@account")
    return f"{container}@{account}"
