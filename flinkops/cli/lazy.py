"""Commands that are imported when they are called: `--help` and completion list them from a table."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import typer
import typer.core
import typer.main


class Lazy(NamedTuple):
    """A command that is not imported yet."""

    target: str
    """`package.module:name` of a function, or of a Typer with commands of its own."""
    help: str
    """The first paragraph of its help on one line; a test holds both equal."""


def lazy_group(commands: Mapping[str, Lazy]) -> type[typer.core.TyperGroup]:
    """The `cls` of a Typer with these commands: listed in this order, the one that is called is imported."""

    class Group(typer.core.TyperGroup):
        def __init__(self, **given: Any) -> None:
            listed = {name: typer.core.TyperCommand(name, help=command.help) for name, command in commands.items()}
            super().__init__(**{**given, "commands": listed})

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            """Of the parser, on the way to a command and to the completion of its arguments."""
            name, listed, rest = super().resolve_command(ctx, args)
            return name, listed and load(str(name), commands[str(name)].target), rest

        def get_params(self, ctx: Any) -> Any:
            """Of the parser: the options, --help too."""
            return _sparing_conversions(super().get_params(ctx))

        def make_context(self, *given: Any, **named: Any) -> Any:
            """Of the parser: reads the words of a group."""
            with _shown_safely():
                return super().make_context(*given, **named)

        def invoke(self, ctx: Any) -> Any:
            """Of the parser: reads the words of the command, and runs it."""
            with _shown_safely():
                return super().invoke(ctx)

        def loaded(self) -> dict[str, Any]:
            """All of them, imported: for who walks through the whole command line."""
            return {name: load(name, command.target) for name, command in commands.items()}

    return Group


@contextmanager
def _shown_safely() -> Iterator[None]:
    """The parser's own errors repeat what was typed, and print it as it is: a name pasted from elsewhere is hostile."""
    try:
        yield
    except Exception as problem:
        if hasattr(problem, "format_message") and isinstance(getattr(problem, "message", None), str):
            from flinkops.outside.text import clean_lines

            problem.message = "\n".join(clean_lines(problem.message))  # type: ignore[attr-defined]
        raise


def load(name: str, target: str) -> Any:
    """The command as typer has it. Raises what its import raises."""
    module, _, attribute = target.partition(":")
    found = getattr(import_module(module), attribute)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name)
    else:
        alone.command(name)(found)
    command = typer.main.get_group(alone).commands[name]
    for each in (command, *getattr(command, "commands", {}).values()):
        each.get_params = partial(_params, each.get_params)
    return command


def _params(get_params: Callable[[Any], Any], ctx: Any) -> Any:
    return _sparing_conversions(get_params(ctx))


def _sparing_conversions(parameters: Any) -> Any:
    """The same, of which typer converts only values of another type than their option's, since that imports pydantic.

    Its import is a quarter of the CPU of a whole `status --once`; text that shall be text needs no conversion.
    """
    for parameter in parameters:
        convert = getattr(parameter, "get_runtime_param", None)  # typer before 0.29 converts without pydantic
        if convert is not None and not isinstance(convert, partial):
            parameter.get_runtime_param = partial(_OnlyOtherTypes, convert)
    return parameters


class _OnlyOtherTypes:
    """Stands for what typer converts values with, which is made when the first value needs it."""

    def __init__(self, convert: Callable[[], Any]) -> None:
        self._convert = convert

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Of typer: the value of a parameter as its function gets it."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        wanted = param.type_descriptor.annotation
        if wanted is str and isinstance(value, str) and not several:
            return value
        if wanted == list[str] and isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return list(value)
        return self._convert().coerce(value, param=param, ctx=ctx)
