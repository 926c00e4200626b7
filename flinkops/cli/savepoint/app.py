"""`flinkops savepoint`: all of its commands."""

import typer

from flinkops.cli.lazy import Lazy, lazy_group

COMMANDS = {
    "create": Lazy(
        "flinkops.cli.savepoint.create:create",
        "Take a savepoint while the job runs on, and check that it is whole.",
    ),
    "list": Lazy(
        "flinkops.cli.savepoint.listing:list_savepoints",
        "The savepoints of a job that Flink, its operator or the journal know, newest first, and their users.",
    ),
    "verify": Lazy(
        "flinkops.cli.savepoint.verify:verify",
        "Read `_metadata` and check that every file it names is there with its size.",
    ),
    "show": Lazy(
        "flinkops.cli.savepoint.show:show",
        "What is in a savepoint: operators, their states by name and size, and Kafka's offsets.",
    ),
    "diff": Lazy(
        "flinkops.cli.savepoint.diff:diff",
        "What differs between two savepoints: operators, states, parallelism, sizes.",
    ),
    "copy": Lazy(
        "flinkops.cli.savepoint.copy:copy",
        "Copy a savepoint into another folder, on this storage or another one, and check that all of it is there.",
    ),
    "delete": Lazy(
        "flinkops.cli.savepoint.delete:delete",
        "Remove a savepoint through Flink; never one that something depends on, or may depend on.",
    ),
    "prune": Lazy(
        "flinkops.cli.savepoint.prune:prune",
        "Remove all but the newest savepoints of a job; those that something depends on stay too.",
    ),
}

app = typer.Typer(
    name="savepoint",
    cls=lazy_group(COMMANDS),
    help="Take, list, check, show, copy and remove savepoints.",
    no_args_is_help=True,
)
