"""Survivors that the type checker refuses: no such change can be merged, whatever the tests say.

Most lose what a condition has made sure of (`a is None and b is None` before `a - b`), name an exception that there is
not, or make a struct mutable whose base is frozen.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from devtools.mutation.mutants import Mutant
from devtools.mutation.report import Result
from devtools.mutation.runs import environment
from flinkops.errors import OperationFailed

_STATUS = ".dmypy.json"
_CHECKED = "flinkops"


def judged(tree: Path, found: dict[Mutant, Result]) -> list[Result]:
    """The results, those of refused survivors with that end. The tree is as it was, after."""
    survivors = [mutant for mutant, result in found.items() if not result.killed]
    refused: set[Mutant] = set()
    if survivors:
        with Daemon(tree) as daemon:
            refused = {mutant for mutant in survivors if daemon.refuses(mutant.path, mutant.source(tree))}
    return [replace(result, end="refused") if mutant in refused else result for mutant, result in found.items()]


class Daemon:
    """mypy's, which checks again only what a change can reach."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree

    def __enter__(self) -> "Daemon":
        if self._mypy("run", "--", _CHECKED):
            raise OperationFailed("mypy has errors without a mutant", next_step=f"run mypy {_CHECKED}")
        return self

    def __exit__(self, *_: object) -> None:
        self._mypy("kill")

    def refuses(self, path: str, source: str) -> bool:
        """Whether the type checker says no to this file in the place of what is there."""
        file = self._tree / path
        kept, times = file.read_bytes(), file.stat()
        file.write_text(source, encoding="utf-8")
        try:
            return self._mypy("run", "--", _CHECKED) == 1
        finally:
            file.write_bytes(kept)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _mypy(self, *arguments: str) -> int:
        command = [sys.executable, "-m", "mypy.dmypy", "--status-file", _STATUS, *arguments]
        return subprocess.run(
            command, cwd=self._tree, env=environment(self._tree), capture_output=True, check=False
        ).returncode
