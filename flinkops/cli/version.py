"""`flinkops version`."""

import typer


def version() -> None:
    """The version of flinkops and of Python."""
    import platform

    from flinkops import __version__

    typer.echo(f"flinkops {__version__} (Python {platform.python_version()})")
