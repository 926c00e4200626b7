"""`flinkops storage`: all of its commands."""

import typer

from flinkops.cli.lazy import Lazy, lazy_group

COMMANDS = {
    "orphans": Lazy(
        "flinkops.cli.storage.orphans:orphans",
        "What lies under the folders of savepoints and checkpoints, and nobody refers to any more.",
    ),
}

app = typer.Typer(
    name="storage",
    cls=lazy_group(COMMANDS),
    help="What is on the storage of savepoints and checkpoints.",
    no_args_is_help=True,
)
