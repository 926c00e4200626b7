"""The options that several acting commands share, each spelled once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.errors import UsageError
from flinkops.model.savepoint import SavepointFormat

if TYPE_CHECKING:
    from flinkops.plan.operator.steps import OperatorTerms

CheckpointsOption = Annotated[
    int,
    typer.Option(
        "--checkpoints", "--min-checkpoints", metavar="N", min=1, help="So many have to complete before it counts."
    ),
]
WatchOption = Annotated[
    str | None,
    typer.Option("--watch-for", metavar="DURATION", help="Operator: so long it has to run before it counts; 60s."),
]
TargetOption = Annotated[
    str | None, typer.Option("--target", metavar="DIR", help="Where the savepoint goes; else as configured.")
]
FormatOption = Annotated[
    SavepointFormat,
    typer.Option("--format", help="Of the savepoint. canonical: portable; native: fast, same state backend only."),
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A Flink setting; repeatable.")]
ArgOption = Annotated[
    list[str] | None, typer.Option("--arg", metavar="ARG", help="The program's arguments, all of them; repeatable.")
]
JarOption = Annotated[
    str | None,
    typer.Option("--jar", metavar="JAR", help="REST: a file here or an id in the upload folder; operator: its URI."),
]
ClassOption = Annotated[str | None, typer.Option("--entry-class", metavar="CLASS", help="Of the jar.")]
PyOption = Annotated[
    str | None, typer.Option("--py", metavar="FILE", help="A PyFlink script on this machine; operator: in the image.")
]
ParallelismOption = Annotated[
    int | None, typer.Option("--parallelism", "-p", metavar="N", min=1, help="Of every vertex, as far as it can.")
]
ImageOption = Annotated[str | None, typer.Option("--image", metavar="IMAGE", help="Operator only.")]
ManifestOption = Annotated[
    Path | None,
    typer.Option("-f", "--filename", metavar="MANIFEST", help="Operator: the whole new spec, from this manifest."),
]
RedeployOption = Annotated[
    str | None,
    typer.Option(
        "--redeploy-from", metavar="PATH", help="Operator: without a savepoint, from this one; what came after is lost."
    ),
]
KeepNonceOption = Annotated[
    bool, typer.Option("--keep-nonce", help="With -f: the job's savepointRedeployNonce, not that of the manifest.")
]
BackupOption = Annotated[
    bool, typer.Option("--backup-savepoint", help="Operator: take a savepoint of our own first, and keep it.")
]


def texts(given: list[str] | None) -> tuple[str, ...] | None:
    """A repeatable option; None when it was not given."""
    return tuple(given) if given else None


def jar_here_or_there(given: str | None) -> str | None:
    """A jar file on this machine, marked as such, or an id in the cluster's upload folder. UsageError for no file."""
    from flinkops.model.launch import LOCAL_JAR

    if given is None or not ("/" in given or Path(given).is_file()):
        return given
    path = Path(given).expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"--jar {given}: there is no such file")
    return f"{LOCAL_JAR}{path}"


def pairs(given: list[str] | None, option: str = "--set") -> dict[str, str]:
    """``KEY=VALUE`` each. Raises UsageError for what is not."""
    found = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {text}: KEY=VALUE is expected")
        found[key] = value
    return found


def operator_terms(checkpoints: int, watch_for: str | None) -> "OperatorTerms":
    """When a change through the operator counts. Raises UsageError for what is no duration."""
    from flinkops.model.quantities import parse_duration
    from flinkops.plan.operator.steps import DEFAULT_WATCH_SECONDS, OperatorTerms

    try:
        seconds = DEFAULT_WATCH_SECONDS if watch_for is None else parse_duration(watch_for)
    except ValueError as problem:
        raise UsageError(f"--watch-for: {problem}") from None
    return OperatorTerms(checkpoints, seconds)
