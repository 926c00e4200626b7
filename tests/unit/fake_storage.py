"""Object storage in memory, which counts what it is asked."""

from collections.abc import Callable, Iterable, Iterator

from flinkops.sources.storage.location import Location
from flinkops.sources.storage.port import Content, Entry, OutOfReach, Storage
from flinkops.sources.storage.stores import Stores

PAGE = 1000


class FakeObjects:
    """One bucket: name -> content, or a size where the content does not matter. Names in order, as S3 gives them."""

    names_per_request = PAGE

    def __init__(self, objects: dict[str, bytes | int]) -> None:
        self.objects = objects
        self.modified_ms = 1000
        self.requests: list[str] = []
        self.denied: set[str] = set()
        self.before: Callable[[str], None] = lambda _request: None

    def entry(self, place: Location) -> Entry | None:
        self._asked(f"entry {place.path}")
        return self._entry(place.path, place.name) if place.path in self.objects else None

    def is_folder(self, place: Location) -> bool:
        self._asked(f"folder {place.path}")
        return any(one.startswith(f"{place.path}/" if place.path else "") for one in self.objects)

    def pages(self, folder: Location, *, starts_with: str = "") -> Iterator[tuple[Entry, ...]]:
        prefix = f"{folder.path}/" if folder.path else ""
        done = ""
        while True:
            self._asked(f"list {folder.path}")
            names = sorted({one[len(prefix) :].partition("/")[0] for one in self.objects if one.startswith(prefix)})
            names = [one for one in names if one.startswith(starts_with) and one > done]
            yield tuple(self._entry(prefix + one, one) for one in names[:PAGE])
            if len(names) <= PAGE:
                return
            done = names[PAGE - 1]

    def read(self, place: Location, start: int, length: int) -> Content | None:
        self._asked(f"read {place.path}")
        content = self.objects.get(place.path)
        if content is None:
            return None
        raw = content if isinstance(content, bytes) else bytes(content)
        return Content(raw[start : start + length], self.modified_ms)

    def close(self) -> None:
        self.requests.append("close")

    def delete(self, place: Location) -> None:
        self._asked(f"delete {place.path}")
        self.objects.pop(place.path, None)

    def write(self, place: Location, pieces: Iterable[bytes]) -> None:
        self._asked(f"write {place.path}")
        self.objects[place.path] = b"".join(pieces)

    def delete_folder(self, place: Location) -> None:
        self._asked(f"delete folder {place.path}")

    def _entry(self, path: str, name: str) -> Entry:
        content = self.objects.get(path)
        if content is None:
            return Entry(name)
        return Entry(name, content if isinstance(content, int) else len(content), self.modified_ms)

    def _asked(self, request: str) -> None:
        self.requests.append(request)
        self.before(request)
        if self.denied & {"*", request, request.partition(" ")[0]}:
            raise OutOfReach("access denied", next_step="ask for it", http_status=403)


class FakeStores(Stores):
    """The storages of a test, by name (``s3://bucket``)."""

    def __init__(self, **buckets: FakeObjects) -> None:
        super().__init__()
        self.buckets = buckets

    def at(self, place: Location) -> Storage:
        return self.buckets[place.root] if place.kind == "s3" else super().at(place)
