"""`flinkops autoscale`: all of its commands."""

import typer

from flinkops.cli.lazy import Lazy, lazy_group

COMMANDS = {
    "advise": Lazy(
        "flinkops.cli.autoscale.advise:advise",
        "The parallelism that each vertex should have, with the arithmetic. Changes nothing.",
    ),
    "apply": Lazy(
        "flinkops.cli.autoscale.apply:apply",
        "Poll, decide, and change the parallelism in place; seen to hold and to take in what arrives, else undone.",
    ),
    "run": Lazy(
        "flinkops.cli.autoscale.run:run",
        "Poll, decide, rescale in place, again and again, until Ctrl-C. One loop a job.",
    ),
    "explain": Lazy(
        "flinkops.cli.autoscale.explain:explain",
        "What the operator's autoscaler did, does and waits for, with vertex names; and override drift.",
    ),
    "enable": Lazy(
        "flinkops.cli.autoscale.enable:enable",
        "Switch the operator's autoscaler on in the job's spec, with its settings; nothing restarts.",
    ),
    "disable": Lazy(
        "flinkops.cli.autoscale.disable:disable",
        "Switch the operator's autoscaler off in the job's spec; nothing restarts, the parallelism stays.",
    ),
    "replay": Lazy(
        "flinkops.cli.autoscale.replay:replay",
        "A recorded job again, as a controller with these settings would have scaled it: slot-hours against lag.",
    ),
    "memory": Lazy(
        "flinkops.cli.autoscale.memory:memory",
        "The memory of a TaskManager: what its heap, managed and network memory use, and what they should have.",
    ),
}

app = typer.Typer(
    name="autoscale",
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    help="What parallelism a job needs, why, and changing it.",
)
