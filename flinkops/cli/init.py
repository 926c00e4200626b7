"""`flinkops init`: a first flinkops.toml from the kubeconfig, three questions, and comments."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.output import is_terminal, say
from flinkops.errors import OperationFailed, Refused, UsageError

if TYPE_CHECKING:
    from flinkops.config.starter import Answers, FoundCluster

_PATIENCE_SECONDS = 5.0
_SHOWN = 12


FileOption = Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write; never one that is there.")]
RestToPutInOption = Annotated[
    list[str] | None, typer.Option("--rest", metavar="URL", help="A Flink REST endpoint to put in; repeatable.")
]
KubeconfigToReadOption = Annotated[
    list[str] | None, typer.Option("--kubeconfig", metavar="FILE", help="Look there; repeatable.")
]
DefaultsOption = Annotated[bool, typer.Option("--yes", "-y", help="Take the defaults, ask nothing.")]


def init(
    out: FileOption = Path("flinkops.toml"),
    rest: RestToPutInOption = None,
    kubeconfig: KubeconfigToReadOption = None,
    yes: DefaultsOption = False,
) -> None:
    r"""Find Kubernetes contexts with a Flink operator, ask three questions, write a commented flinkops.toml.

    \b
    flinkops init                        here, for this folder and those below
    flinkops init --yes --out ops.toml   nothing is asked, as without a terminal

    A file that is there already stays as it is: exit code 5.
    """
    from flinkops.config.settings import parse_url
    from flinkops.config.starter import Answers, starter_file, writable
    from flinkops.sources.kubernetes.discovery import find_clusters

    if os.path.lexists(out):
        raise _already(out)
    try:
        urls = tuple(parse_url(one) for one in rest or ())
    except ValueError as error:
        raise UsageError(f"--rest: {error}") from None
    found = [
        one
        for one in find_clusters(kubeconfig or (), deadline_seconds=_PATIENCE_SECONDS)
        if writable(f"{one.context}{one.kubeconfig or ''}")
    ]
    _tell(found)
    chosen = tuple(one for one in found if one.operator is not None)
    answers = Answers(clusters=chosen, rest=urls, production=_production(chosen))
    if found and not yes and is_terminal(sys.stdin, sys.stderr):
        answers = _ask(found, answers)
    _write(out, starter_file(answers, found))
    say(f"wrote {out}: {_count(len(answers.clusters), 'cluster')}, {_count(len(urls), 'REST endpoint')}")
    say("next: flinkops status" if answers.clusters or urls else f"next: name a source in {out}, then flinkops status")


def _tell(found: "Sequence[FoundCluster]") -> None:
    if not found:
        say("no kubeconfig with contexts was found")
    for number, one in enumerate(found[:_SHOWN], 1):
        say(f"{number:3}  {one.context}: {one.told}")
    if len(found) > _SHOWN:
        say(f"     and {len(found) - _SHOWN} more contexts")


def _ask(found: "Sequence[FoundCluster]", defaults: "Answers") -> "Answers":
    """The three questions, each with its default."""
    import msgspec

    numbers = ",".join(str(place) for place, one in enumerate(found, 1) if one in defaults.clusters)
    chosen = _chosen(found, _prompt("Which of them, by number (0: none)", numbers or "0"))
    spaces = _prompt("Which namespaces, between commas (*: all)", "*")
    production = _production(chosen)
    guarded = ",".join(str(place) for place, one in enumerate(found, 1) if one.context in production)
    guarded = _prompt("Which of them are production, only read unless told otherwise (0: none)", guarded or "0")
    return msgspec.structs.replace(
        defaults,
        clusters=chosen,
        namespaces=() if spaces.strip() == "*" else _names(spaces),
        production=tuple(dict.fromkeys(one.context for one in _chosen(found, guarded))),
    )


def _prompt(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default, err=True))


def _chosen(found: "Sequence[FoundCluster]", answer: str) -> "tuple[FoundCluster, ...]":
    places = [word for word in answer.replace(",", " ").split() if word != "0"]
    if not all(word.isascii() and word.isdigit() and 1 <= int(word) <= len(found) for word in places):
        raise UsageError(f"{answer!r} are not numbers from 0 to {len(found)}", next_step="flinkops init again")
    return tuple(found[place - 1] for place in dict.fromkeys(map(int, places)))


def _names(answer: str) -> tuple[str, ...]:
    from flinkops.config.settings import parse_names

    try:
        return parse_names(answer)
    except ValueError as error:
        raise UsageError(f"namespaces: {error}", next_step="flinkops init again") from None


def _production(clusters: "Sequence[FoundCluster]") -> tuple[str, ...]:
    """Those that sound like it: better one guarded too many."""
    return tuple(one.context for one in clusters if "prod" in one.context.lower())


def _write(path: Path, content: str) -> None:
    """A new file, or none. What it names of kubeconfigs is trusted: who ran this has named them."""
    from flinkops.config.load import read_toml
    from flinkops.config.trust import keys_to_trust, trust_file

    data = content.encode("utf-8")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except FileExistsError:
        raise _already(path) from None
    except (OSError, ValueError) as problem:  # ValueError: a name with a NUL
        raise OperationFailed(f"cannot write {path}: {getattr(problem, 'strerror', None) or problem}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        path.chmod(0o644)  # whatever the umask: a file that a group may write is not taken for one's own
    except OSError as problem:
        path.unlink(missing_ok=True)
        raise OperationFailed(f"cannot write {path}: {problem.strerror or problem}") from None
    written, tables = read_toml(path)
    if keys_to_trust(tables):
        trust_file(path, written)


def _already(path: Path) -> Refused:
    return Refused(f"{path} is there already, and stays as it is", next_step="--out FILE writes another")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
