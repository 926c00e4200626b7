"""What one rehearsal saw: the file that flinkops.rehearsal (Java, in flinkops/local/executors) writes."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from flinkops.model.address import split_url
from flinkops.model.rehearsal import RehearsedSample

# By class: failures that say something of this machine or of the network, and nothing of the program's state.
_OF_THE_SURROUNDINGS = frozenset(
    {
        "java.lang.OutOfMemoryError",
        "java.net.BindException",
        "java.net.ConnectException",
        "java.net.NoRouteToHostException",
        "java.net.SocketTimeoutException",
        "java.net.UnknownHostException",
        "java.nio.file.AccessDeniedException",
        "java.util.concurrent.TimeoutException",
        "org.apache.flink.runtime.io.network.buffer.InsufficientNumberOfBuffersException",
        "org.apache.flink.runtime.jobmanager.scheduler.NoResourceAvailableException",
        "org.apache.flink.runtime.memory.MemoryAllocationException",
    }
)
_GONE = frozenset({"java.io.FileNotFoundException", "java.nio.file.NoSuchFileException"})
_READING = "java.io.IOException"
_CHAINED = " -> "  # in the name of a vertex, behind each operator but the last


class Cause(msgspec.Struct, frozen=True):
    """One exception of a chain."""

    kind: str = msgspec.field(name="class")
    message: str | None = None
    deserializing: bool = False  # thrown by a serializer itself, not by what it reads from


class SeenOperator(msgspec.Struct, frozen=True):
    """Of the program, of the savepoint, or of both. ``replaced``: source, sink, async, or kept."""

    id: str
    has_state: bool = False
    in_graph: bool = True
    name: str | None = None
    uid: str | None = None
    runs_as: str | None = None
    replaced: str | None = None
    parallelism: int | None = None
    max_parallelism: int | None = None
    state_bytes: int | None = None
    saved_parallelism: int | None = None
    saved_max_parallelism: int | None = None


class SavedState(msgspec.Struct, frozen=True):
    """A state that the savepoint holds."""

    operator: str
    name: str
    kind: Literal["keyed", "operator"]
    type: str = ""
    serializer: str | None = None


class OpenedState(msgspec.Struct, frozen=True):
    """A state that the program opened."""

    operator: str
    name: str
    kind: Literal["keyed", "operator"]
    type: str = ""
    serializer: str = ""
    compatibility: Literal["as-is", "after-migration", "incompatible"] = "as-is"
    restored: bool = False
    keys_read: int = 0
    error: str | None = None
    dropped_fields: tuple[str, ...] = ()  # of its class, whose values a migration leaves out


class DeclaredState(msgspec.Struct, frozen=True):
    """A keyed state that no descriptor of its name can read, of those that its operator holds; and why.

    ``own``: such a descriptor is the operator's, not one of the class around it alone, where others may use it.
    """

    operator: str
    name: str
    error: str
    own: bool = False


class PythonState(msgspec.Struct, frozen=True):
    """A state that a PyFlink function opens, and how its bytes are written there.

    ``unknown``: the function does not open without records; its name says why. ``mentioned``: a text of the function's
    code, which may be the name of a state that it opens with a record.
    """

    operator: str
    kind: Literal["list", "map", "broadcast", "mentioned", "unknown"]
    name: str
    coder: str = ""


class Seen(msgspec.Struct, frozen=True):
    """One run. ``impossible``: it could not be rehearsed; ``phase`` is how far it came."""

    schema_version: int
    outcome: Literal["restored", "failed", "impossible"]
    phase: str
    job: str = ""
    against: str = ""
    flink: str = ""
    restore_ms: int | None = None
    causes: tuple[Cause, ...] = ()
    operators: tuple[SeenOperator, ...] = ()
    saved: tuple[SavedState, ...] = ()
    opened: tuple[OpenedState, ...] = ()
    declared: tuple[DeclaredState, ...] = ()
    python: tuple[PythonState, ...] = ()
    unreadable: tuple[str, ...] = ()
    as_they_are: tuple[str, ...] = ()
    not_replaced: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()  # host:port that its process was connected to while it built its graph
    sample: RehearsedSample | None = None
    other_jobs: tuple[str, ...] = ()  # names of further jobs of the program
    job_number: int = 0  # which of them was rehearsed

    @property
    def state_is_gone(self) -> bool:
        """Whether files of the state were not there: a checkpoint that was subsumed meanwhile is no verdict."""
        return self.outcome != "restored" and (self._reading_broke or any(one.kind in _GONE for one in self.causes))

    @property
    def of_the_surroundings(self) -> bool:
        """Whether it failed for a reason that lies in this machine, not in the program and its state."""
        kinds = {cause.kind for cause in self.causes}
        return self._reading_broke or self._was_subsumed or not kinds.isdisjoint(_OF_THE_SURROUNDINGS)

    def named(self, vertices: Mapping[str, str]) -> "Seen":
        """Operators without a name get that of the running job's chain that they begin, by the ids of its vertices.

        Flink 1.20 saves no names: what the new program does not take would be told by its id alone.
        """
        heads = {id_: name.partition(_CHAINED)[0] for id_, name in vertices.items()}
        operators = (
            msgspec.structs.replace(one, name=heads[one.id]) if not one.name and one.id in heads else one
            for one in self.operators
        )
        return msgspec.structs.replace(self, operators=tuple(operators))

    @property
    def _was_subsumed(self) -> bool:
        """Whether a file of the state is what was not there (a checkpoint's may lie beside it), not of the program."""
        path = split_url(self.against).path.rstrip("/")
        folder, _, name = path.rpartition("/")
        place = folder if name.startswith("chk-") else path
        missing = (cause.message or "" for cause in self.causes if cause.kind in _GONE)
        return self.outcome != "restored" and bool(place) and any(place in one for one in missing)

    @property
    def _reading_broke(self) -> bool:
        """Whether a plain I/O problem is all that is told: of a missing file the first task tells, not the next one.

        A serializer that does not know the version of what it is given is none: that lies in the program.
        """
        last = self.causes[-1] if self.causes else None
        return self.outcome != "restored" and last is not None and last.kind == _READING and not last.deserializing
