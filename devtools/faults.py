"""Inject each fault into a real cluster, ask the doctor, and print what it named first: the confusion table.

The whole matrix takes a quarter of an hour; --join makes one table of runs that had a part of it each.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flinkops.local.signals import signals_interrupt
from flinkops.local.state import default_home

if TYPE_CHECKING:
    from tests.faults.results import Results


def main(arguments: list[str]) -> int:
    """Run the matrix, or what `--only` names; 1 when a fault is missed or a healthy job accused."""
    options = _parser().parse_args(arguments)
    from tests.faults.results import Results, as_document, as_text, joined

    if options.join:
        results = joined([msgspec.json.decode(path.read_bytes(), type=Results) for path in options.join])
    else:
        results = _run(options)
    if options.raw:
        options.raw.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    print(msgspec.json.encode(as_document(results)).decode() if options.output == "json" else as_text(results))
    return 0 if results.right else 1


def _run(options: argparse.Namespace) -> "Results":
    from tests.faults.cases import cases, controls
    from tests.faults.doctors import Doctor
    from tests.faults.lab import running
    from tests.faults.running import Runner, capture_file
    from tests.faults.watching import Watcher

    chosen = cases("tuning" if options.tuning else "reported")
    healthy = controls()
    if options.only:
        wanted = set(options.only)
        chosen = [each for each in chosen if {each.name, f"{each.name}-{each.strength}", each.code} & wanted]
        healthy = [each for each in healthy if each.name in wanted]
    if options.capture:
        options.capture.mkdir(parents=True, exist_ok=True)
    doctor_of = partial(Doctor, capture=partial(capture_file, options.capture))
    with signals_interrupt(), running(default_home() / "faults") as lab, Watcher(lab) as watcher:
        return Runner(lab, watcher, doctor_of, _say).run(chosen, healthy)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--only", action="append", metavar="NAME", help="a fault, NAME-STRENGTH, a code or a control")
    parser.add_argument("--tuning", action="store_true", help="the strengths that rules are tuned on")
    parser.add_argument("--capture", type=Path, metavar="DIR", help="keep each ask's evidence, a file a job")
    parser.add_argument("--join", action="append", type=Path, metavar="FILE", help="run nothing: what --raw kept")
    parser.add_argument("--raw", type=Path, metavar="FILE", help="keep every answer of the doctor (JSON)")
    return parser


def _say(text: str) -> None:
    print(f"dev faults: {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
