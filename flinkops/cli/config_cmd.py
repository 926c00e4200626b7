"""`flinkops config view|trust`: what this run goes by, where it comes from, and which project files count in full."""

from pathlib import Path
from typing import Annotated

import typer

from flinkops.cli.options import Common, with_common_untrusted
from flinkops.cli.output import emit_document, emit_text
from flinkops.errors import UsageError

app = typer.Typer(name="config", help="The settings.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _config() -> None:
    """The settings: flag > FLINKOPS_* > project file > user file > default."""


@app.command()
@with_common_untrusted
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
        emit_document(document, common.settings.output)
        return
    rows = [[entry["key"], _text(entry["value"]), entry["origin"]] for entry in document["settings"]]
    titles = ["KEY", "VALUE", "ORIGIN"]
    if not show_origin:
        titles, rows = titles[:2], [row[:2] for row in rows]
    emit_text("\n".join(layout(titles, rows, [False] * len(titles))))


@app.command()
@with_common_untrusted
def trust(
    common: Common,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A project's flinkops.toml; else the nearest one.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Trust it no longer.")] = False,
) -> None:
    """Let a project's flinkops.toml name files, variables and kubeconfigs of yours, as it stands now.

    When it changes, it has to be trusted again.
    """
    from flinkops.config.load import project_file, read_toml
    from flinkops.config.trust import distrust, keys_to_trust, refuse_foreign, trust_file

    path = file or project_file()
    if path is None:
        raise UsageError("there is no flinkops.toml here or in a folder above", next_step="flinkops config trust FILE")
    if remove:
        distrust(path)
        common.say(f"{path} is not trusted")
        return
    refuse_foreign(path)
    content, data = read_toml(path)
    trust_file(path, content)
    keys = ", ".join(keys_to_trust(data)) or "nothing that needs it"
    common.say(f"{path} is trusted as it stands; it sets {keys}")


def _text(value: object) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
