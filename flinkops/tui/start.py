"""From the command line to the app and back: the terminal's abilities, the sources, and the end, also a bad one."""

import locale
import os
import sys
import traceback
from pathlib import Path

from flinkops.errors import OperationFailed
from flinkops.observer import Observer
from flinkops.recording import Replay
from flinkops.tui.app import FlinkopsApp, Options
from flinkops.tui.links import Links
from flinkops.tui.replay import ReplayObserver


def start(
    observer: Observer,
    *,
    interval_seconds: float,
    guarded: tuple[str, ...],
    job: str | None,
    ascii_only: bool | None,
    seconds: float | None,
    links: Links | None = None,
) -> None:
    """Run the app. Raises OperationFailed when it broke."""
    import platformdirs

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
        journal_folder=Path(journal).expanduser() if (journal := os.environ.get("FLINKOPS_JOURNAL")) else None,
        notes_path=platformdirs.user_state_path("flinkops") / "notes.json",
        views_path=platformdirs.user_state_path("flinkops") / "views.json",
    )
    shown = ReplayObserver(collector, observer.policy) if isinstance(collector, Replay) else observer
    app = FlinkopsApp(shown, options, sources=getattr(collector, "sources", ()), links=links)
    app.run()
    if app.crash is not None:
        raise OperationFailed(
            f"the screen broke: {type(app.crash).__name__}: {app.crash}; the details are in {write_log(app.crash)}",
            next_step="flinkops status --once shows the fleet without it",
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
    import platformdirs

    try:
        path: Path = platformdirs.user_log_path("flinkops", ensure_exists=True) / "tui-error.log"
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError as problem:
        return f"no log file ({problem.strerror})"
    return str(path)
