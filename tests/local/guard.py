"""Fleets of tests end with the tests, also when those are killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flinkops.local import fleet

# Ends the fleet when its standard input does: that is when we are gone, however that came about.
_GUARD = """
import sys
from pathlib import Path
sys.stdin.read()
from flinkops.local import fleet
fleet.down(Path(sys.argv[1]))
"""


@contextmanager
def guarded(home: Path) -> Iterator[Path]:
    """Within it a fleet may run in `home`; afterwards none does, even when the tests are killed."""
    command = [sys.executable, "-c", _GUARD, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        try:
            yield home
        finally:
            fleet.down(home)
