"""The picture of an incident report: the upgrade that ended the slow sink of `tests/dashboards/story.py`."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from flinkops.act.journal import Journal
from flinkops.clock import FixedClock
from flinkops.config.policy import Policy
from flinkops.errors import OperationFailed
from flinkops.model.plan import Plan, Target
from flinkops.recording import Recorder
from flinkops.report.gather import Wanted, make_report
from flinkops.report.write import html

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_WIDTH, _HEIGHT = 1280, 1745
_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    f"--window-size={_WIDTH},{_HEIGHT}",
)


def report_page(folder: Path) -> str:
    """The page, of a recording and a journal that are made in the folder."""
    from tests.dashboards import story

    since_ms, until_ms = (story.BEGIN_MS + minute * story.MINUTE_MS for minute in (45, 125))
    shown = Wanted(jobs=("orders",), since_ms=since_ms, until_ms=until_ms)
    with Recorder(folder / "night.rec") as recorder:
        for snapshot in story.snapshots():
            recorder.write(snapshot)
    began_ms = story.BEGIN_MS + story.UPGRADED * story.MINUTE_MS - 40_000
    target = Target("prod", "orders", "a" * 32, namespace="shop")
    plan = Plan("upgrade-7f3a", "upgrade", target, began_ms, diff=("parallelism: 2 -> 4",))
    Journal(folder, FixedClock(began_ms)).append("planned", plan, "hash")
    Journal(folder, FixedClock(began_ms + 55_000)).append("finished", plan, "hash", outcome="verified")
    journal = Journal(folder, FixedClock(story.END_MS))
    return html(make_report(folder / "night.rec", shown, Policy(), journal))


def draw_report(path: Path) -> None:
    """Written as PNG by a Chromium of this machine. Raises OperationFailed where there is none."""
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise OperationFailed("no Chromium is installed", next_step="apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="flinkops-") as scratch:
        page = Path(scratch) / "report.html"
        page.write_text(report_page(Path(scratch)), encoding="utf-8")
        command = [browser, *_SWITCHES, f"--user-data-dir={scratch}/browser", f"--screenshot={path}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not path.is_file():
        raise OperationFailed(f"{browser}: {(done.stderr.strip().splitlines() or ['it says nothing'])[-1]}")
