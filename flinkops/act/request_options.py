"""The options of an ActionRequest, one table for the command line and the screen. Light: every command imports it.

The command line makes its parameters of it (cli/action_options.py), the screen reads typed words by it; what they mean
is read in one place (act/request_reading.py).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from flinkops.model.request_defaults import DEFAULT_CHECKPOINTS

if TYPE_CHECKING:
    from flinkops.model.request import RequestVerb


class RequestOption(NamedTuple):
    """One option. ``name`` is that of its value; a repeatable one gives a list, a flag a bool, the others a value."""

    name: str
    flags: tuple[str, ...]
    help: str
    metavar: str | None = None
    kind: type = str
    default: Any = None
    repeatable: bool = False
    minimum: int | None = None
    choices: tuple[str, ...] = ()

    @property
    def is_flag(self) -> bool:
        """Whether it stands alone, without a value."""
        return self.kind is bool


def _flag(name: str, flag: str, about: str) -> RequestOption:
    return RequestOption(name, (flag,), about, kind=bool, default=False)


SAVEPOINT = _flag("savepoint", "--savepoint", "Stop with a savepoint, start from it.")
LAST_STATE = _flag("last_state", "--last-state", "Operator only.")
STATELESS = _flag("stateless", "--stateless", "Operator only.")
PARALLELISM = RequestOption(
    "parallelism", ("--parallelism", "-p"), "Of every vertex, as far as it can.", "N", int, minimum=1
)
VERTEX = RequestOption("vertex", ("--vertex",), "Of one vertex; repeatable.", "ID=N", repeatable=True)
SETTINGS = RequestOption("settings", ("--set",), "A Flink setting; repeatable.", "KEY=VALUE", repeatable=True)
ARGUMENTS = RequestOption(
    "arguments", ("--arg",), "The program's arguments, all of them; repeatable.", "ARG", repeatable=True
)
JAR = RequestOption(
    "jar", ("--jar",), "REST: a file here or an id in the upload folder; operator: its URI.", metavar="JAR"
)
ENTRY_CLASS = RequestOption("entry_class", ("--entry-class",), "Of the jar.", metavar="CLASS")
SCRIPT = RequestOption("script", ("--py",), "A PyFlink script on this machine; operator: in the image.", "FILE")
IMAGE = RequestOption("image", ("--image",), "Operator only.", metavar="IMAGE")
MANIFEST = RequestOption(
    "manifest", ("-f", "--filename"), "Operator: the whole new spec, from this manifest.", metavar="MANIFEST"
)
REDEPLOY_FROM = RequestOption(
    "redeploy_from",
    ("--redeploy-from",),
    "Operator: without a savepoint, from this one; what came after is lost.",
    metavar="PATH",
)
KEEP_NONCE = _flag("keep_nonce", "--keep-nonce", "With -f: the job's savepointRedeployNonce, not that of the manifest.")
BACKUP = _flag("backup", "--backup-savepoint", "Operator: take a savepoint of our own first, and keep it.")
PREPULL = _flag("prepull", "--prepull", "Operator: pull the new image on the job's nodes before the stop.")
TARGET = RequestOption("target", ("--target",), "Where the savepoint goes; else as configured.", metavar="DIR")
FORMAT = RequestOption(
    "savepoint_format",
    ("--format",),
    "Of the savepoint. canonical: portable; native: fast, same state backend only.",
    default="canonical",
    choices=("canonical", "native"),
)
CHECKPOINTS = RequestOption(
    "checkpoints",
    ("--checkpoints", "--min-checkpoints"),
    "So many have to complete before it counts.",
    metavar="N",
    kind=int,
    default=DEFAULT_CHECKPOINTS,
    minimum=1,
)
WATCH_FOR = RequestOption(
    "watch_for", ("--watch-for",), "Operator: so long it has to run before it counts; 60s.", metavar="DURATION"
)
UNDO = RequestOption("undo", ("--to",), "Undo this action of `flinkops history`; else the last.", metavar="ID")
START_FROM = RequestOption(
    "start_from", ("--from",), "This savepoint or checkpoint; else the job's latest savepoint.", metavar="PATH"
)

REHEARSE = _flag("rehearse", "--rehearse", "Before the stop: restore the state into the new program and see.")
ACCEPT_LOSS = RequestOption(
    "accept_loss",
    ("--accept-loss",),
    "With --rehearse: the state of this operator may be lost; repeatable.",
    metavar="OPERATOR",
    repeatable=True,
)
FLINK_HOME = RequestOption(
    "flink_home", ("--flink-home",), "The Flink distribution that rehearses; else FLINK_HOME, PATH, the extra.", "DIR"
)
SAMPLE = _flag("sample", "--sample", "With --rehearse: restore some key groups only, 256 MiB of keyed state.")

_SAVEPOINT_TERMS = (TARGET, FORMAT)
_VERIFIED = (CHECKPOINTS, WATCH_FOR)
_PROGRAM = (JAR, ENTRY_CLASS, SCRIPT, ARGUMENTS, SETTINGS, PARALLELISM)

OPTIONS: "Mapping[RequestVerb, tuple[RequestOption, ...]]" = {
    "savepoint-create": _SAVEPOINT_TERMS,
    "upgrade": (
        *(SAVEPOINT, LAST_STATE, STATELESS),
        *(PARALLELISM, SETTINGS, ARGUMENTS, JAR, ENTRY_CLASS, SCRIPT, IMAGE, MANIFEST),
        *(REDEPLOY_FROM, KEEP_NONCE, BACKUP, PREPULL),
        *(REHEARSE, ACCEPT_LOSS, FLINK_HOME, SAMPLE),
        *(*_SAVEPOINT_TERMS, *_VERIFIED),
    ),
    "rescale": (PARALLELISM, VERTEX, CHECKPOINTS._replace(default=1), WATCH_FOR),
    "suspend": _SAVEPOINT_TERMS,
    "resume": (START_FROM, *_PROGRAM, *_VERIFIED),
    "restart": (*_SAVEPOINT_TERMS, *_VERIFIED),
    "rollback": (UNDO, *_SAVEPOINT_TERMS, *_VERIFIED),
}
