"""`flinkops autoscale`: all of its commands."""

import typer

from flinkops.cli.autoscale.advise import advise, apply
from flinkops.cli.autoscale.operator import disable, enable, explain
from flinkops.cli.autoscale.replay import memory, replay
from flinkops.cli.autoscale.run import run

app = typer.Typer(name="autoscale", no_args_is_help=True, help="What parallelism a job needs, why, and changing it.")
for command in (advise, apply, run, explain, enable, disable, replay, memory):
    app.command()(command)
