"""`flinkops autoscale`: all of its commands."""

import typer

from flinkops.cli.autoscale.advise import advise
from flinkops.cli.autoscale.apply import apply
from flinkops.cli.autoscale.disable import disable
from flinkops.cli.autoscale.enable import enable
from flinkops.cli.autoscale.explain import explain
from flinkops.cli.autoscale.memory import memory
from flinkops.cli.autoscale.replay import replay
from flinkops.cli.autoscale.run import run

app = typer.Typer(name="autoscale", no_args_is_help=True, help="What parallelism a job needs, why, and changing it.")
for command in (advise, apply, run, explain, enable, disable, replay, memory):
    app.command()(command)
