"""Real Prometheus and Alertmanager on the embedded fleet: the exporter's rules, and each page as it comes."""

import argparse
import threading
from pathlib import Path
from typing import Any

from devtools.bootstrap import REPOSITORY
from devtools.observe_stack import Receiver, running
from flinkops.errors import OperationFailed
from flinkops.local.state import find_running
from flinkops.observability.timing import Timing


def main(arguments: list[str]) -> int:
    """Run until Ctrl-C; nothing is installed and no service is left behind."""
    parser = argparse.ArgumentParser(prog="./dev observe", description=__doc__)
    parser.add_argument("--fast", type=float, default=1.0, metavar="N", help="all windows N times shorter")
    options = parser.parse_args(arguments)
    fleet = find_running()
    if fleet is None:
        raise OperationFailed("no embedded fleet runs", next_step="./dev up, then ./dev job price-aggregation")
    home = Path(fleet.home) / "observe"
    timing = Timing(1 / options.fast)
    scrape_seconds = 5.0 if options.fast == 1 else 1.0
    with running(
        home, ["--vertices"], timing=timing, scrape_seconds=scrape_seconds, receiver=Receiver(on_alert=_print)
    ) as stack:
        print(f"exporter      {stack.exporter_url}/metrics")
        print(f"Prometheus    {stack.prometheus_url}/alerts")
        print(f"Alertmanager  {stack.alertmanager_url}")
        print(f"dashboards for Grafana: {REPOSITORY / 'dashboards'}; Ctrl-C ends all", flush=True)
        threading.Event().wait()
    return 0


def _print(alert: dict[str, Any]) -> None:
    labels = alert["labels"]
    text = alert["annotations"].get("summary", labels["alertname"])
    printable = "".join(character if character.isprintable() else " " for character in text)
    print(f"{alert['status']:9} {labels.get('severity', ''):7} {printable}", flush=True)
