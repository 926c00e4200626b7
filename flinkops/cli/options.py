"""The options that commands share, and the settings they lead to.

A command takes ``common: Common`` first and is decorated with :func:`with_common`; the options then stand beside
its own.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flinkops.cli.complete import complete_context, complete_job, complete_source
from flinkops.cli.output import say

if TYPE_CHECKING:
    from flinkops.config.settings import Settings

TARGET = "Which Flink"
SHARED = "Common"


@dataclass(frozen=True)
class Common:
    """What the shared options, the environment and the files say."""

    settings: "Settings"
    quiet: bool = False
    debug: bool = False

    def say(self, text: str) -> None:
        """A line for the person at the terminal: to stderr, since stdout is data; nothing under --quiet."""
        if not self.quiet:
            say(text)


def finite(value: float | None) -> float | None:
    """A number of seconds that a clock can wait for, as a callback of an option."""
    from flinkops.model.quantities import LONGEST_SECONDS

    if value is not None and not 0 <= value <= LONGEST_SECONDS:
        raise typer.BadParameter(f"{value} is no number of seconds from 0 to ten years")
    return value


OneJobArgument = Annotated[
    str | None,
    typer.Argument(help="A name, namespace/name, or job id.", autocompletion=complete_job, show_default=False),
]
"""Of commands that show one job, or without it all."""

_Texts = list[str] | None
RestOption = Annotated[
    _Texts,
    typer.Option(
        "--rest",
        metavar="URL",
        help="A Flink REST endpoint; repeatable.",
        rich_help_panel=TARGET,
        autocompletion=complete_source,
    ),
]
ContextOption = Annotated[
    _Texts,
    typer.Option(
        "--context",
        metavar="NAME",
        help="A context of the kubeconfig, or a pattern such as 'prod-*'; repeatable.",
        rich_help_panel=TARGET,
        autocompletion=complete_context,
    ),
]
KubeconfigOption = Annotated[
    _Texts, typer.Option("--kubeconfig", metavar="FILE", help="A kubeconfig; repeatable.", rich_help_panel=TARGET)
]
NamespaceOption = Annotated[
    _Texts, typer.Option("--namespace", "-n", metavar="NAME", help="A namespace; repeatable.", rich_help_panel=TARGET)
]
AllNamespacesOption = Annotated[
    bool | None,
    typer.Option("--all-namespaces", "-A", help="Every namespace.", show_default=False, rich_help_panel=TARGET),
]
SelectorOption = Annotated[
    str | None, typer.Option("--selector", "-l", metavar="LABELS", help="Labels.", rich_help_panel=TARGET)
]
RestViaOption = Annotated[
    str | None,
    typer.Option(
        "--rest-via",
        metavar="WAY",
        help="To Flink in Kubernetes: proxy (of the API server), direct or ingress.",
        rich_help_panel=TARGET,
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FORMAT", help="table, wide, json, yaml, jsonl, csv or name.", rich_help_panel=SHARED
    ),
]
TimeoutOption = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        help="Of an action as a whole; of each source for reads.",
        rich_help_panel=SHARED,
    ),
]
IntervalOption = Annotated[
    str | None,
    typer.Option("--interval", metavar="DURATION", help="Between polls; 10s unless set.", rich_help_panel=SHARED),
]
ReadOnlyOption = Annotated[
    bool | None,
    typer.Option(
        "--read-only/--no-read-only",
        help="Refuse every action; --no-: none, not even at production sources.",
        show_default=False,
        rich_help_panel=SHARED,
    ),
]
ConfigOption = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE", help="Instead of the project's flinkops.toml.", rich_help_panel=SHARED),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No words on stderr.", rich_help_panel=SHARED)]
DebugOption = Annotated[bool, typer.Option("--debug", help="Tracebacks.", rich_help_panel=SHARED)]


def _options(
    rest: RestOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    namespace: NamespaceOption = None,
    all_namespaces: AllNamespacesOption = None,
    selector: SelectorOption = None,
    rest_via: RestViaOption = None,
    output: OutputOption = None,
    timeout: TimeoutOption = None,
    interval: IntervalOption = None,
    read_only: ReadOnlyOption = None,
    config: ConfigOption = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
    *,
    untrusted_too: bool = False,
) -> Common:
    from flinkops.config.load import load_settings
    from flinkops.outside.logs import mask_logs

    mask_logs()
    flags = {
        "rest": rest or None,
        "context": context or None,
        "kubeconfig": kubeconfig or None,
        "namespace": namespace or None,
        "all_namespaces": all_namespaces,
        "selector": selector,
        "rest_via": rest_via,
        "output": output,
        "timeout": timeout,
        "interval": interval,
        "read_only": read_only,
    }
    settings = load_settings(flags, config_file=config, untrusted_too=untrusted_too)
    return Common(settings, quiet=quiet, debug=debug)


_SHARED = {
    name: one for name, one in inspect.signature(_options).parameters.items() if one.kind is not one.KEYWORD_ONLY
}


def with_common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command, whose first parameter is ``common``, the shared options beside its own."""
    return _with_options(command, untrusted_too=False)


def with_common_untrusted(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a command that only shows settings: also those of a project file that is not trusted."""
    return _with_options(command, untrusted_too=True)


def _with_options(command: Callable[..., Any], *, untrusted_too: bool) -> Callable[..., Any]:
    own = list(inspect.signature(command).parameters.values())[1:]
    names = {parameter.name for parameter in own}
    shared = [parameter for name, parameter in _SHARED.items() if name not in names]

    @functools.wraps(command)
    def run(**values: Any) -> Any:
        given = {parameter.name: values.pop(parameter.name) for parameter in shared}
        common = _options(**given, untrusted_too=untrusted_too)
        return command(common, **values)

    # click keeps the lines of a paragraph that begins with a backspace; raw docstrings spell it as two characters.
    run.__doc__ = (command.__doc__ or "").replace("\\b\n", "\b\n")
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__  # or typer would read the hints of the undecorated command
    return run
