"""msgspec works a type out at its first use; two threads at once broke it: SIGSEGV in the second wave of an upgrade."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.effort import is_thorough
from tests.unit.test_executor import Bench

_READ_AT_ONCE = """
import sys, threading
from pathlib import Path
from flinkops.act.journal import Journal
from flinkops.clock import SystemClock

sys.setswitchinterval(1e-6)
journals = [Journal(Path(sys.argv[1]), SystemClock()) for _ in range(8)]
together = threading.Barrier(len(journals))
read = []

def work(journal):
    together.wait()
    read.append(len(journal.records()))

threads = [threading.Thread(target=work, args=(one,)) for one in journals]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(read) == len(journals) and len(set(read)) == 1 and read[0] > 0, read
"""


@pytest.mark.thorough
def test_threads_that_read_the_journal_at_once_do_not_end_the_process(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.executor().run(bench.plan()).outcome == "verified"
    for _ in range(20 if is_thorough() else 2):
        command = [sys.executable, "-c", _READ_AT_ONCE, str(tmp_path / "journal")]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert ran.returncode == 0, (ran.returncode, ran.stderr[-500:])
