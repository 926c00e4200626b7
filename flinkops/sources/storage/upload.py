"""Writing a file through fsspec: whole, or not at all."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

_PART_BYTES: Final = 16 * 2**20
"""Held in memory at a time; 10,000 parts, which S3 takes at most, make 160 GB."""


def write_pieces(connection: Any, path: str, pieces: Iterable[bytes]) -> None:
    """Upload a file of these pieces. What goes wrong is raised, and what was sent is given up."""
    file = connection.open(path, "wb", block_size=_PART_BYTES)
    try:
        for piece in pieces:
            file.write(piece)
    except BaseException:
        _give_up(connection, file, path)
        raise
    file.close()


def _give_up(connection: Any, file: Any, path: str) -> None:
    if hasattr(file, "discard"):  # of uploads in parts, which a plain close would put together
        file.discard()
    try:
        file.closed = True  # or its finalizer sends what is left
    except AttributeError:  # a file of HDFS, which is there already
        with suppress(Exception):
            file.close()
            connection.rm_file(path)
