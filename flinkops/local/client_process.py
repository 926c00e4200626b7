"""One run of Flink's client beside us, with a folder of its own in which it and we leave files for each other."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from flinkops.errors import OperationFailed
from flinkops.local.client import FOLDER_VARIABLE, Client
from flinkops.local.peers import peers_of_group

_MOST_OUTPUT_BYTES = 1 << 20
_MOST_OUTPUT_ON_DISK_BYTES = 32 << 20
_END_SECONDS = 5.0


class ClientProcess:
    """Started at once. It ends, and its folder is removed, with :meth:`close` or when this process dies."""

    def __init__(
        self,
        client: Client,
        options: Sequence[str],
        *,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """`options` go behind ``run``. Raises OperationFailed."""
        self.folder = Path(tempfile.mkdtemp(prefix="flinkops-"))
        environment = client.environment | {FOLDER_VARIABLE: str(self.folder)} | dict(variables or {})
        try:
            with (self.folder / "output").open("ab") as output:
                self._process = subprocess.Popen(
                    [*client.command, "run", *options],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is ours to deal with
                )
        except OSError as problem:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise OperationFailed(f"{client.command[0]} cannot be run: {problem.strerror or problem}") from None

    def says(self, name: str) -> bool:
        """Whether it has left this file."""
        return (self.folder / name).exists()

    @property
    def ended(self) -> bool:
        """Whether it has ended, for whatever reason."""
        return self.exit_code is not None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def output(self) -> str:
        """What it has printed, of both streams; its end when that is much."""
        with suppress(OSError):
            content = (self.folder / "output").read_bytes()[-_MOST_OUTPUT_BYTES:]
            return content.decode("utf-8", "replace")
        return ""

    def keep_output_small(self) -> None:
        """To be called now and then: a program that prints without end would fill the disk."""
        file = self.folder / "output"
        with suppress(OSError):
            if file.stat().st_size > _MOST_OUTPUT_ON_DISK_BYTES:
                os.truncate(file, 0)  # it appends

    def peers(self) -> frozenset[str]:
        """``host:port`` of each TCP connection that it has now to others; empty where the system does not tell."""
        return peers_of_group(self._process.pid)

    def tell(self, line: str) -> None:
        """A line on its standard input. Raises OperationFailed when it does not listen any more."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except OSError as problem:
            raise OperationFailed(f"the client has ended: {problem.strerror or problem}") from None

    def close(self) -> None:
        """End it and remove its folder; nothing happens when it has ended."""
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)
