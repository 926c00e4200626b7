"""The command line: which commands there are, and how errors reach the user.

A new command is one function in a file of its own and one entry of `COMMANDS`. What is imported at the top of its
file is paid for by its `--help` and the completion of its arguments: heavy imports belong inside functions.
"""

import errno
import gc
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from flinkops.cli.lazy import Lazy, lazy_group
from flinkops.cli.output import open_standard_streams, say, stdout_failed
from flinkops.errors import ExitCode, FlinkopsError

HELP = """See, explain, operate and prove: fleets of Apache Flink jobs.

\b
Examples:
  flinkops status                          the embedded fleet, or your sources
  flinkops status --rest http://host:8081  one Flink cluster
  flinkops status -o json --exit-code      for scripts: 10 unless all is healthy
  flinkops doctor orders                   what is wrong, and what to do first
  flinkops record incident.rec             for later: status --replay FILE
"""


_OBJECTS_A_COLLECTION = 20_000
"""What a short command makes, modules above all, lives to its end: Python's 700 cost it 5 % of its CPU time."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


COMMANDS = {
    "apply": Lazy(
        "flinkops.cli.apply:apply", "Carry out a saved plan. Refused when the job has moved since it was made."
    ),
    "demo": Lazy(
        "flinkops.cli.demo:demo",
        "Start Flink, Kafka and a job that aggregates prices, feed it, and show its status; ends all it started.",
    ),
    "doctor": Lazy(
        "flinkops.cli.doctor:doctor",
        "Ranked causes with evidence, remedy and next command; and what could not be assessed, with the reason.",
    ),
    "exporter": Lazy(
        "flinkops.cli.exporter:exporter", "The fleet as Prometheus metrics, until SIGTERM: /metrics, /healthz."
    ),
    "history": Lazy(
        "flinkops.cli.history:history",
        "What was done through flinkops on this machine, newest first, and how it ended.",
    ),
    "init": Lazy(
        "flinkops.cli.init:init",
        "Find Kubernetes contexts with a Flink operator, ask three questions, write a commented flinkops.toml.",
    ),
    "rescale": Lazy(
        "flinkops.cli.rescale:rescale",
        "Change the parallelism in place (adaptive scheduler), see it hold, undo it when it does not.",
    ),
    "upgrade": Lazy(
        "flinkops.cli.upgrade:upgrade",
        "Change a job: stop with a savepoint, start from it, verify it; else roll back to the old one from it.",
    ),
    "rehearse": Lazy(
        "flinkops.cli.rehearse:rehearse",
        "Restore the state into the changed program, sources and sinks replaced; nothing is stopped or written.",
    ),
    "rollback": Lazy(
        "flinkops.cli.rollback:rollback",
        "Back to how a job was submitted before its last upgrade, with the state it has now.",
    ),
    "suspend": Lazy(
        "flinkops.cli.suspend:suspend", "Stop a job with a savepoint; `flinkops resume` starts it from there."
    ),
    "resume": Lazy(
        "flinkops.cli.resume:resume",
        "Start a job that was suspended or has died, from its latest savepoint or another one.",
    ),
    "restart": Lazy("flinkops.cli.restart:restart", "Stop a job with a savepoint and start it as it was from there."),
    "record": Lazy("flinkops.cli.record:record", "Record the fleet to FILE, a snapshot each interval, until Ctrl-C."),
    "report": Lazy(
        "flinkops.cli.report:report",
        "An incident as one page: what was wrong since when, signals, findings, actions, timeline, budget spent.",
    ),
    "status": Lazy(
        "flinkops.cli.status:status",
        "The health of every job, worst first: on a terminal the TUI, else one snapshot.",
    ),
    "timeline": Lazy(
        "flinkops.cli.timeline:timeline",
        "Changes, restarts, rescales, events, actions and findings in order; and what no source covers.",
    ),
    "version": Lazy("flinkops.cli.version:version", "The version of flinkops and of Python."),
    "action": Lazy("flinkops.cli.action:app", "Interrupted actions, and a damaged journal."),
    "alerts": Lazy("flinkops.cli.alerts:app", "Alert rules for Prometheus."),
    "autoscale": Lazy("flinkops.cli.autoscale.app:app", "What parallelism a job needs, why, and changing it."),
    "config": Lazy("flinkops.cli.config_cmd:app", "The settings."),
    "savepoint": Lazy("flinkops.cli.savepoint.app:app", "Take, list, check, show, copy and remove savepoints."),
    "storage": Lazy("flinkops.cli.storage.app:app", "What is on the storage of savepoints and checkpoints."),
}
"""In the order of `--help`; each is imported when it is called."""


def _tell_version(wanted: bool) -> None:
    if wanted:
        from flinkops.cli.version import version

        version()
        raise typer.Exit


def build() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        name="flinkops",
        cls=lazy_group(COMMANDS),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=HELP)(_root)
    return app


def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="The version, and no more.")
    ] = False,
) -> None:
    """Keeps `flinkops COMMAND` a group of commands however few there are."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and exit; the user sees one line of an error, never a traceback unless --debug is given."""
    from flinkops.local.signals import end_at_once

    if arguments is None:  # the process is this command's
        gc.set_threshold(_OBJECTS_A_COLLECTION)
    open_standard_streams()
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:  # outside of the parser, which knows it
        _complain("interrupted")
        sys.exit(ExitCode.INTERRUPTED)
    finally:
        if arguments is None:
            end_at_once(ExitCode.INTERRUPTED)


def _run(given: list[str]) -> None:
    """One command; each error in one line, with its exit code."""
    from flinkops.local.signals import signals_interrupt

    try:
        with signals_interrupt():
            build()(args=given, prog_name="flinkops")
    except FlinkopsError as error:
        if "--debug" in given:
            raise
        _complain(error.line())
        sys.exit(error.exit_code)
    except OSError as error:
        if "--debug" in given:
            raise
        if error.errno in _NO_ROOM and error.filename is None:  # help and usage, which the parser writes itself
            _complain(stdout_failed(error).line())
        else:
            _complain(f"unexpected {type(error).__name__}: {error}; the details are in {_write_log(error)}")
        sys.exit(ExitCode.FAILED)
    except Exception as error:  # the last resort: a bug, which the log file keeps for a report
        if "--debug" in given:
            raise
        _complain(f"unexpected {type(error).__name__}: {error}; the details are in {_write_log(error)}")
        sys.exit(ExitCode.FAILED)


def _complain(line: str) -> None:
    say(f"flinkops: {line}")


def _write_log(error: BaseException) -> str:
    """Keep the traceback in the user's log folder; returns its path, or why there is none."""
    import traceback

    from flinkops.outside.masking import masked_text
    from flinkops.ownership import make_private
    from flinkops.private_file import write_private
    from flinkops.user_folders import log_folder

    try:
        path = log_folder() / "error.log"
        make_private(path.parent)
        write_private(path, masked_text("".join(traceback.format_exception(error))).encode("utf-8", "replace"))
    except (OSError, FlinkopsError) as problem:
        return f"no log file ({problem}); run again with --debug"
    return str(path)
