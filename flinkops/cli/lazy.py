"""Commands that are imported when they are called: `--help` and completion list them from a table."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    return typer.main.get_group(alone).commands[name]
