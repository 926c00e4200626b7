"""`flinkops alerts`: rule files for Prometheus from the catalogue and the site's own settings."""

from pathlib import Path
from typing import Annotated

import typer

from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit_text

app = typer.Typer(name="alerts", no_args_is_help=True, help="Alert rules for Prometheus.")


@app.command()
@with_common
def generate(
    common: Common,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write the files there; without it, the rules to stdout."),
    ] = None,
) -> None:
    r"""Rule files from the catalogue and the [alerts] and [classes] of flinkops.toml.

    \b
    flinkops alerts generate                plain rules, to stdout
    flinkops alerts generate --out rules/   every file: plain, PrometheusRule, on Flink's own metrics
    """
    from flinkops.observability.files import alert_files, write_files

    files = alert_files(common.settings.alerts, common.settings.policy)
    if out is None:
        emit_text(files["flinkops.rules.yaml"].rstrip("\n"))
        return
    write_files(out, files)
    common.say(f"{len(files)} files in {out}")
