"""The parameters that acting commands share: those of a request, of the consent to it, and of the journal.

A command takes them as values and says so in its signature: ``request`` (an ActionRequest), ``consent`` and
``journal_folder``.
:func:`acts` puts the options of the request's table (act/request_options.py) and those of the consent in their place.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flinkops.act.request_options import OPTIONS, RequestOption
from flinkops.cli.complete import complete_job

if TYPE_CHECKING:
    from flinkops.model.request import RequestVerb

JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="A name, or a Flink job id.", autocompletion=complete_job)
]
PlanOption = Annotated[bool, typer.Option("--plan", help="Show what would happen, and stop.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for `flinkops apply FILE`, and stop.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Preconditions are checked all the same.")]
JournalOption = Annotated[
    Path | None,
    typer.Option("--journal", metavar="DIR", envvar="FLINKOPS_JOURNAL", help="Where the journal is kept."),
]


@dataclass(frozen=True)
class Consent:
    """How the user wants to be asked."""

    only_plan: bool = False
    out: Path | None = None
    yes: bool = False


_CONSENT = {"plan": (PlanOption, False), "out": (OutOption, None), "yes": (YesOption, False)}


def asks(verb: "RequestVerb") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For a command with a parameter ``request`` that changes nothing: the options of the verb instead of it."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = list(inspect.signature(command).parameters.values())
        options = _request_parameters(verb)

        @functools.wraps(command)
        def run(*arguments: Any, **values: Any) -> Any:
            from flinkops.act.request_reading import request_of

            given = {parameter.name: values.pop(parameter.name) for parameter in options}
            return command(*arguments, request=request_of(verb, given, values.get("job")), **values)

        first, rest = own[:1], [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own[1:] if p.name != "request"]
        run.__signature__ = inspect.Signature([*first, *rest, *options])  # type: ignore[attr-defined]
        del run.__wrapped__
        return run

    return decorate


def acts(verb: "RequestVerb | None" = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For a command with a parameter ``consent``, and with a verb one ``request``: their options instead of them."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = list(inspect.signature(command).parameters.values())
        kept = [parameter for parameter in own if parameter.name not in ("request", "consent")]
        options = _request_parameters(verb) if verb is not None else []
        added = [*options, *_consent_parameters()]

        @functools.wraps(command)
        def run(*arguments: Any, **values: Any) -> Any:
            consent = Consent(values.pop("plan"), values.pop("out"), values.pop("yes"))
            if verb is not None:
                from flinkops.act.request_reading import request_of

                given = {parameter.name: values.pop(parameter.name) for parameter in options}
                values["request"] = request_of(verb, given, values.get("job"))
            return command(*arguments, consent=consent, **values)

        first, rest = kept[:1], [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in kept[1:]]
        journal = [p for p in rest if p.name == "journal_folder"]
        rest = [p for p in rest if p.name != "journal_folder"]
        run.__signature__ = inspect.Signature([*first, *rest, *added, *journal])  # type: ignore[attr-defined]
        del run.__wrapped__  # or the signature would be that of the undecorated command
        return run

    return decorate


def _request_parameters(verb: "RequestVerb") -> list[inspect.Parameter]:
    return [_parameter(option.name, _annotation(option), option.default) for option in OPTIONS[verb]]


def _consent_parameters() -> list[inspect.Parameter]:
    return [_parameter(name, annotation, default) for name, (annotation, default) in _CONSENT.items()]


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _annotation(option: RequestOption) -> Any:
    about: Mapping[str, Any] = {"help": option.help, "metavar": option.metavar, "min": option.minimum}
    of = Literal[option.choices] if option.choices else option.kind
    if option.repeatable:
        return Annotated[list[str] | None, typer.Option(*option.flags, **about)]
    return Annotated[of if option.default is not None else of | None, typer.Option(*option.flags, **about)]
