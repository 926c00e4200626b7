"""`flinkops config view`: what this run goes by, and where it comes from."""

from typing import Annotated, Any

import typer

from flinkops.cli.options import Common, with_common

app = typer.Typer(name="config", help="The settings.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _config() -> None:
    """The settings: flag > FLINKOPS_* > project file > user file > default."""


@app.command()
@with_common
def view(
    common: Common,
    show_origin: Annotated[bool, typer.Option("--show-origin", help="Where each value comes from.")] = False,
) -> None:
    r"""The settings as they are, without secrets.

    \b
    flinkops config view --show-origin
    flinkops config view -o json
    """
    from flinkops.config.view import settings_document
    from flinkops.render.table import layout

    document = settings_document(common.settings)
    if common.settings.output in ("json", "yaml"):
        typer.echo(_encoded(document, common.settings.output))
        return
    rows = [[entry["key"], _text(entry["value"]), entry["origin"]] for entry in document["settings"]]
    titles = ["KEY", "VALUE", "ORIGIN"]
    if not show_origin:
        titles, rows = titles[:2], [row[:2] for row in rows]
    typer.echo("\n".join(layout(titles, rows, [False] * len(titles))))


def _encoded(document: dict[str, Any], output: str) -> str:
    from flinkops.render.status_json import encode_line

    if output == "json":
        return encode_line(document)
    import yaml

    return yaml.safe_dump(document, sort_keys=False).rstrip("\n")


def _text(value: object) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
