"""The demo: a fleet, a job, scrapes, and `flinkops status` on it; ends all it started."""

import argparse
import sys

from flinkops.local import demo, demo_view
from flinkops.local.state import default_home


def main(arguments: list[str]) -> int:
    """Run the demo until the user has seen enough."""
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--headless", action="store_true", help="no TUI: one JSON status a line, each refresh")
    parser.add_argument("--seconds", type=float, help="end so long after the first status")
    parser.add_argument("--rate", type=float, default=1000.0, help="live scrapes per second (default 1000)")
    options = parser.parse_args(arguments)
    view = demo_view.show_lines if options.headless else demo_view.show_screens
    demo.run(default_home(), lambda info: view(info, options.seconds), rate_per_second=options.rate, report=_say)
    return 0


def _say(text: str) -> None:
    print(f"dev demo: {text}", file=sys.stderr, flush=True)
