"""`flinkops version`."""

from flinkops.cli.output import emit_text


def version() -> None:
    """The version of flinkops and of Python."""
    import platform

    from flinkops import __version__

    emit_text(f"flinkops {__version__} (Python {platform.python_version()})")
