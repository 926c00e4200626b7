"""Log-in plug-ins of a kubeconfig (`exec`): their failures are heard, and they have a limited time.

The kubernetes package logs what goes wrong with a plug-in, goes on without credentials, and waits for it without end.
"""

import importlib
import logging
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flinkops.errors import Unreachable
from flinkops.outside.shell import shell_command

PLUGIN_SECONDS = 30.0
ASKING_SECONDS = 300.0
"""Of a plug-in that has the terminal: it may wait for a person at a browser."""


@contextmanager
def plugins_heard(context: str) -> Iterator[None]:
    """Raises Unreachable at the end when a plug-in failed in here, with what was said of it."""
    _limit_plugins()
    handler = _Handler()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
    if handler.heard:
        raise Unreachable(
            f"the log-in plug-in of context {context!r} failed: {handler.heard[0]}",
            next_step=f"try {shell_command('kubectl', '--context', context, 'get', '--raw', '/version')}",
        )


class _Handler(logging.Handler):
    """What this thread's loading of a kubeconfig logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and record.module in ("kube_config", "exec_provider"):
            self.heard.append(" ".join(record.getMessage().split())[:300])


_running: "set[_LimitedProcess]" = set()


def end_plugins() -> None:
    """Ends the plug-ins that still run: nobody waits for them any more."""
    for process in list(_running):
        process.kill()


class _LimitedProcess(subprocess.Popen[str]):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._seconds = PLUGIN_SECONDS if options.get("stdin") is None else ASKING_SECONDS
        if options.get("stdin") is None:
            options["stdin"] = subprocess.DEVNULL  # else it may wait for what nobody types
        super().__init__(*arguments, **options)

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """As a Popen's, within the time that a plug-in has."""
        _running.add(self)
        try:
            return super().communicate(input, timeout or self._seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            super().communicate()
            raise RuntimeError(f"no answer within {self._seconds:.0f} s") from None
        finally:
            _running.discard(self)


class _LimitedSubprocess:
    """What the kubernetes package uses of `subprocess`."""

    PIPE = subprocess.PIPE
    Popen = _LimitedProcess


def _limit_plugins() -> None:
    provider: Any = importlib.import_module("kubernetes.config.exec_provider")
    provider.subprocess = _LimitedSubprocess
