"""Commands that are imported when they are called: `--help` and completion list them from a table."""

from collections.abc import Mapping
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

        def loaded(self) -> dict[str, Any]:
            """All of them, imported: for who walks through the whole command line."""
            return {name: load(name, command.target) for name, command in commands.items()}

    return Group


def load(name: str, target: str) -> Any:
    """The command as typer has it. Raises what its import raises."""
    module, _, attribute = target.partition(":")
    found = getattr(import_module(module), attribute)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name)
    else:
        alone.command(name)(found)
    return typer.main.get_group(alone).commands[name]
