"""Ctrl-C at the moments that the parser does not see: before it, after it, and within a finalizer."""

import signal
import subprocess
import sys

import pytest

from flinkops.errors import ExitCode
from tests.effort import variants
from tests.patience import PATIENT_SECONDS

COMMAND = """
import os, signal, sys, threading
import flinkops.cli.main as cli

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests were started by nohup

class Ends:
    def __del__(self):
        os.kill(os.getpid(), signal.{signal})
        sum(range(10))

def signals(main):
    main.join()
    while True:  # one that comes just before the main thread begins to wait does not wake it
        os.kill(os.getpid(), signal.{signal})
        threading.Event().wait(0.05)

def command(**_options):
    {body}

cli.build = lambda: command
cli.main({arguments})
"""


def run(body: str, *, number: signal.Signals = signal.SIGINT, arguments: str = "") -> subprocess.CompletedProcess[str]:
    program = COMMAND.format(signal=number.name, body=body, arguments=arguments)
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENT_SECONDS, check=False)


def test_outside_of_the_parser_it_is_one_line() -> None:
    done = run("raise KeyboardInterrupt")
    assert (done.returncode, done.stderr) == (ExitCode.INTERRUPTED, "flinkops: interrupted\n")


@pytest.mark.parametrize("number", variants(signal.SIGINT, signal.SIGTERM))
def test_in_a_finalizer_it_is_not_swallowed(number: signal.Signals) -> None:
    done = run("Ends(); threading.Event().wait(20); print('went on')", number=number)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, "", "flinkops: interrupted\n")


@pytest.mark.parametrize("number", variants(signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
def test_while_only_threads_are_waited_for_it_ends_the_process(number: signal.Signals) -> None:
    body = "print('said'); threading.Thread(target=signals, args=(threading.main_thread(),)).start()"
    done = run(body, number=number)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, "said\n", "")
