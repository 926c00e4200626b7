"""Memory that one large answer needed is given back, whichever thread had it."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading
from flinkops.allocator import give_back_memory
if sys.argv[1] == "yes":
    give_back_memory()
THREADS = 10
turn = [threading.Event() for _ in range(THREADS + 1)]
done = threading.Event()
left = []

def resident_kib():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

def answer(number):
    kept = [bytes(100) for _ in range(1000)]  # the thread has an arena of its own
    turn[number].wait()
    pieces = [b"x" * (64 * 1024) for _ in range(512)]
    whole = b"".join(pieces)
    small = [b"x" * 600 for _ in range(200)]  # what lives on
    del pieces, whole
    left.append(small)
    turn[number + 1].set()
    done.wait()
    del kept

before = resident_kib()
threads = [threading.Thread(target=answer, args=(number,)) for number in range(THREADS)]
for thread in threads:
    thread.start()
turn[0].set()
turn[THREADS].wait()
print(resident_kib() - before)
done.set()
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
def test_ten_threads_keep_nothing_of_an_answer_of_32_mib() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, "yes"], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 48 * 1024, "less than one and a half of the ten"
