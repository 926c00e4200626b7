"""`flinkops record FILE`: keep what is seen, for `status --replay`."""

from typing import Annotated

import typer

from flinkops.cli.options import Common, finite, with_common
from flinkops.outside.shell import shell_command


@with_common
def record(
    common: Common,
    file: Annotated[str, typer.Argument(help="Where to; a recording that is there already is continued.")],
    seconds: Annotated[
        float | None, typer.Option("--seconds", callback=finite, help="Stop after so long.", show_default=False)
    ] = None,
) -> None:
    r"""Record the fleet to FILE, a snapshot each interval, until Ctrl-C.

    \b
    flinkops record incident.rec
    flinkops record incident.rec --interval 5s --seconds 600
    flinkops status --replay incident.rec
    """
    from flinkops.cli.repeat import repeated
    from flinkops.cli.targets import open_collector
    from flinkops.recording import Recorder

    collector = open_collector(common.settings)
    frames = size = 0
    try:
        with Recorder(file) as recorder:
            try:
                for snapshot in repeated(collector.collect, common.settings.interval_seconds, seconds=seconds):
                    size += recorder.write(snapshot)
                    frames += 1
            finally:
                again = shell_command("flinkops", "status", "--replay", file)
                common.say(f"{frames} snapshots, {size:,} bytes, in {file}; {again} shows them")
    finally:
        collector.close()
