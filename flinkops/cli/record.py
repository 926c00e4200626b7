"""`flinkops record FILE`: keep what is seen, for `status --replay`."""

from pathlib import Path
from typing import Annotated

import typer

from flinkops.cli.keeping import KeepDirOption, kept_folder, parse_keep
from flinkops.cli.options import Common, finite, with_common
from flinkops.errors import UsageError
from flinkops.outside.shell import shell_command


@with_common
def record(
    common: Common,
    file: Annotated[str, typer.Argument(help="Where to; a recording that is there already is continued.")],
    seconds: Annotated[
        float | None, typer.Option("--seconds", callback=finite, help="Stop after so long.", show_default=False)
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--last", metavar="DURATION", help="Write out what a running status or exporter --keep has."),
    ] = None,
    keep_dir: KeepDirOption = None,
) -> None:
    r"""Record the fleet to FILE, a snapshot each interval, until Ctrl-C.

    \b
    flinkops record incident.rec
    flinkops record incident.rec --interval 5s --seconds 600
    flinkops record --last 2h incident.rec     of the hours before, where they are kept (status --keep)
    flinkops status --replay incident.rec
    """
    if last is not None:
        if seconds is not None:
            raise UsageError("--last and --seconds exclude each other", next_step="--last is of the time before now")
        _write_last(common, file, last, keep_dir)
        return
    if keep_dir is not None:
        raise UsageError("--keep-dir is the folder that --last reads", next_step="flinkops record --last 2h FILE")
    _record(common, file, seconds)


def _record(common: Common, file: str, seconds: float | None) -> None:
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
                common.say(f"{frames} snapshot{'s' * (frames != 1)}, {size:,} bytes, in {file}; {again} shows them")
    finally:
        collector.close()


def _write_last(common: Common, file: str, last: str, keep_dir: Path | None) -> None:
    from flinkops.kept import write_last

    kept, frames = write_last(Path(file), parse_keep("--last", last), kept_folder(keep_dir))
    again = shell_command("flinkops", "status", "--replay", file)
    common.say(f"{frames} snapshot{'s' * (frames != 1)} of process {kept.pid}, in {file}; {again} shows them")
