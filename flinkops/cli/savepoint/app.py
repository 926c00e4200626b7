"""`flinkops savepoint`: all of its commands."""

import typer

from flinkops.cli.savepoint.create import create
from flinkops.cli.savepoint.delete import delete
from flinkops.cli.savepoint.listing import list_savepoints
from flinkops.cli.savepoint.prune import prune
from flinkops.cli.savepoint.verify import verify

app = typer.Typer(name="savepoint", help="Take, list, check and remove savepoints.", no_args_is_help=True)
app.command()(create)
app.command("list")(list_savepoints)
app.command()(verify)
app.command()(delete)
app.command()(prune)
