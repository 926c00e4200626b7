"""From the command line to the app and back: the terminal's abilities, the sources, and the end, also a bad one."""

import locale
import os
import sys
import traceback
from pathlib import Path

from flinkops.config.settings import RehearseRule
from flinkops.config.storage import StorageTable
from flinkops.errors import OperationFailed, UsageError
from flinkops.local.signals import signals_interrupt
from flinkops.observer import Observer
from flinkops.outside.masking import masked_text
from flinkops.ownership import make_private
from flinkops.private_file import write_private
from flinkops.recording import Replay
from flinkops.tui.app import FlinkopsApp
from flinkops.tui.links import Links
from flinkops.tui.options import Options
from flinkops.tui.replay import ReplayObserver
from flinkops.user_folders import log_folder, state_folder, with_home


def start(
    observer: Observer,
    *,
    interval_seconds: float,
    guarded: tuple[str, ...],
    job: str | None,
    ascii_only: bool | None,
    seconds: float | None,
    links: Links | None = None,
    storage: StorageTable | None = None,
    rehearse: RehearseRule = "offered",
) -> None:
    """Run the app. Raises OperationFailed when it broke, Interrupted when it ended in the middle of an action."""
    if ascii_only is None:
        ascii_only = wants_ascii()
    collector = observer.collector
    options = Options(
        interval_seconds=interval_seconds,
        guarded=guarded,
        ascii_only=ascii_only,
        theme=os.environ.get("FLINKOPS_THEME", ""),
        job=job,
        seconds=seconds,
        journal_folder=with_home(Path(journal)) if (journal := os.environ.get("FLINKOPS_JOURNAL")) else None,
        notes_path=_kept("notes.json"),
        views_path=_kept("views.json"),
        storage=storage,
        rehearse=rehearse,
    )
    shown = ReplayObserver(collector, observer.policy) if isinstance(collector, Replay) else observer
    app = FlinkopsApp(shown, options, sources=getattr(collector, "sources", ()), links=links)
    _run(app)


def _run(app: FlinkopsApp) -> None:
    """To its end; an action that was going on then is interrupted, and raised where nothing else went wrong."""
    try:
        app.run()
    finally:
        with signals_interrupt():  # the loop's own handlers went with it
            owed = app.actions.interrupt()
        if owed is not None and app.crash is None:
            raise owed from None
    if app.ending.by_signal:
        raise KeyboardInterrupt
    if app.crash is not None:
        raise OperationFailed(
            f"the screen broke: {type(app.crash).__name__}: {app.crash}; the details are in {write_log(app.crash)}",
            next_step=owed.line() if owed else "flinkops status --once shows the fleet without it",
        )


def wants_ascii() -> bool:
    """Whether the terminal cannot be expected to show more: asked for, a plain console, or no UTF-8."""
    if (asked := os.environ.get("FLINKOPS_ASCII")) is not None:
        return asked not in ("", "0", "false", "no")
    if os.environ.get("TERM") in ("linux", "dumb", "vt100"):
        return True
    encoding = sys.stdout.encoding or locale.getpreferredencoding(False)
    return "utf" not in encoding.lower()


def write_log(error: BaseException) -> str:
    """Keep the traceback; returns where, or why it could not be kept."""
    try:
        path = log_folder() / "tui-error.log"
        make_private(path.parent)
        write_private(path, masked_text("".join(traceback.format_exception(error))).encode("utf-8", "replace"))
    except UsageError as problem:
        return f"no log file ({problem.what})"
    except OSError as problem:
        return f"no log file ({problem.strerror})"
    return str(path)


def _kept(name: str) -> Path | None:
    """A file of the user's state; None where there is no home folder: then nothing is kept."""
    try:
        return state_folder() / name
    except UsageError:
        return None
