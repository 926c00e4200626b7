"""`flinkops demo`: a real job in a fleet of its own, and `status` on it."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.options import Common, finite, with_common
from flinkops.cli.output import emit_text, is_terminal

if TYPE_CHECKING:
    from flinkops.local.state import FleetInfo

REFRESH_SECONDS = 5.0


@with_common
def demo(
    common: Common,
    headless: Annotated[
        bool, typer.Option("--headless", help="No TUI: a JSON status, on one line, each refresh.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", callback=finite, help="So long after the first status.", show_default=False),
    ] = None,
    rate: Annotated[float, typer.Option("--rate", min=0.1, help="Scrapes per second.")] = 1000.0,
) -> None:
    r"""Start Flink, Kafka and a job that aggregates prices, feed it, and show its status; ends all it started.

    \b
    flinkops demo                             the TUI on it
    flinkops demo --headless --seconds 120    JSON statuses for two minutes
    """
    from flinkops.local.demo import run_demo
    from flinkops.local.state import default_home

    def show(fleet: "FleetInfo") -> None:
        _show(common, fleet, headless=headless, seconds=seconds)

    run_demo(default_home(), show, rate_per_second=rate, report=common.say)


def _show(common: Common, fleet: "FleetInfo", *, headless: bool, seconds: float | None) -> None:
    """Poll the demo's fleet, and nothing else, until the time is up or the person leaves."""
    from flinkops.cli.repeat import repeated
    from flinkops.cli.targets import open_observer
    from flinkops.model.endpoint import parse_endpoint
    from flinkops.render.status_json import status_json
    from flinkops.sources.flink.source import FlinkRestSource

    settings = common.settings
    interval = settings.interval_seconds if settings.origins["interval"] != "default" else REFRESH_SECONDS
    observer = open_observer(common, [FlinkRestSource(parse_endpoint(fleet.rest_url, name="local"))])
    try:
        if headless or not is_terminal(sys.stdin, sys.stdout):
            for observation in repeated(observer.observe, interval, seconds=seconds):
                emit_text(status_json(observation.assessment))
        else:
            from flinkops.cli.guarding import guarded_patterns
            from flinkops.tui import run

            guarded = guarded_patterns(settings, getattr(observer.collector, "sources", ()))
            run(observer, interval_seconds=interval, guarded=guarded, seconds=seconds)
    finally:
        observer.close()
