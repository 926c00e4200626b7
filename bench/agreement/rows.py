"""What a row of bench.rehearsal_agreement is made of."""

from pathlib import Path
from typing import Literal, NamedTuple

Against = Literal["savepoint", "native", "newest", "retained"]
"""Which state is restored: ``newest``: a checkpoint of the running job, ``retained``: what it leaves cancelled."""


LINES = ("1.20", "2.3")


class Change(NamedTuple):
    """Lines of the program, and what goes beside it. ``loses``: on these lines of Flink it gives up names of states."""

    edits: dict[str, str] = {}
    settings: dict[str, str] = {}
    parallelism: int = 1
    loses: tuple[str, ...] = ()
    against: Against = "savepoint"
    sample_bytes: int = 0  # so much keyed state is rehearsed; 0: all

    @property
    def claims(self) -> bool:
        """Whether what is restored may be removed afterwards."""
        return "CLAIM" in self.settings.values()


class Program(NamedTuple):
    """What has state, and its changes. ``lines``: of Flink; ``by_client``: submitted by ``flink run``; ``alone``:
    rehearsed in a client of its own; ``files``: it writes into the folder that is its second argument.
    """

    source: Path
    changes: dict[str, Change]
    settings: dict[str, str] = {}
    lines: tuple[str, ...] = LINES
    by_client: bool = False
    alone: bool = False
    postgres: bool = False
    files: bool = False


CHECKPOINTS = {"execution.checkpointing.interval": "1 s", "execution.checkpointing.num-retained": "100"}
