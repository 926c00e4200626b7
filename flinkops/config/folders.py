"""The ``[folders]`` of `flinkops.toml`: folders of savepoints and checkpoints, and by whom alone each is used.

.. code-block:: toml

    [folders]
    "s3://prices/flink" = ["prod-eu", "flink.example:8081"]   # names of sources, as `status -o json` shows them
"""

from collections.abc import Mapping

from flinkops.errors import UsageError

FolderTable = Mapping[str, tuple[str, ...]]
"""Folder as it was written -> the names of the sources that use it, sorted."""


def read_folders(table: object, where: str) -> dict[str, tuple[str, ...]]:
    """The table of a file. UsageError names what is wrong, and where."""
    if not isinstance(table, dict):
        raise UsageError(f"[folders] of {where} is not a table of lists of sources")
    return {_folder(str(folder), where): _sources(str(folder), names, where) for folder, names in table.items()}


def _folder(folder: str, where: str) -> str:
    bare = folder.rstrip("/")
    after = bare.partition("://")[2] if "://" in bare else bare
    if not folder.isprintable() or ("/" not in after.strip("/") and "://" not in bare) or not after.strip("/"):
        raise UsageError(
            f'"{folder}" in [folders] of {where} is no folder of its own',
            next_step="write a path of two parts at least, or a URI such as s3://BUCKET/FOLDER",
        )
    if "://" not in bare and not bare.startswith("/"):
        raise UsageError(f'"{folder}" in [folders] of {where} is a relative path: give an absolute one')
    return bare


def _sources(folder: str, names: object, where: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not names or not all(isinstance(one, str) and one for one in names):
        raise UsageError(f'"{folder}" in [folders] of {where}: a list of the names of sources is expected')
    return tuple(sorted(set(names)))
