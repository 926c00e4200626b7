"""The command line: which commands there are, and how errors reach the user.

A new command is one function in a file of its own, imported in `build` and registered there by one line. What is
imported at the top of a command's file is paid for by every call, `--help` and completion included: heavy imports
belong inside functions.
"""

import errno
import sys
from collections.abc import Sequence

import typer

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


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


def build() -> typer.Typer:
    """All commands."""
    from flinkops.cli.action import app as action
    from flinkops.cli.alerts import app as alerts
    from flinkops.cli.apply import apply
    from flinkops.cli.autoscale.app import app as autoscale
    from flinkops.cli.config_cmd import app as config
    from flinkops.cli.demo import demo
    from flinkops.cli.doctor import doctor
    from flinkops.cli.exporter import exporter
    from flinkops.cli.history import history
    from flinkops.cli.record import record
    from flinkops.cli.rescale import rescale
    from flinkops.cli.restart import restart
    from flinkops.cli.resume import resume
    from flinkops.cli.rollback import rollback
    from flinkops.cli.savepoint.app import app as savepoint
    from flinkops.cli.status import status
    from flinkops.cli.suspend import suspend
    from flinkops.cli.timeline import timeline
    from flinkops.cli.upgrade import upgrade
    from flinkops.cli.version import version

    app = typer.Typer(
        name="flinkops",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=HELP)(_root)
    app.add_typer(action)
    app.add_typer(alerts)
    app.add_typer(autoscale)
    app.add_typer(config)
    app.add_typer(savepoint)
    app.command()(apply)
    app.command()(demo)
    app.command()(doctor)
    app.command()(exporter)
    app.command()(history)
    for command in (rescale, upgrade, rollback, suspend, resume, restart):
        app.command()(command)
    app.command()(record)
    app.command()(status)
    app.command()(timeline)
    app.command()(version)
    return app


def _root() -> None:
    """Keeps `flinkops COMMAND` a group of commands however few there are."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and exit; the user sees one line of an error, never a traceback unless --debug is given."""
    from flinkops.local.signals import signals_interrupt

    open_standard_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
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
