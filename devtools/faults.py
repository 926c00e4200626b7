"""Inject each fault into a real cluster, ask the doctor, and print what it named first: the confusion table."""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import msgspec

from flinkops.local.signals import signals_interrupt
from flinkops.local.state import default_home


def main(arguments: list[str]) -> int:
    """Run the matrix, or what `--only` names; 1 when a fault is missed or a healthy job accused."""
    options = _parser().parse_args(arguments)
    from tests.faults.cases import cases, controls
    from tests.faults.doctors import Doctor
    from tests.faults.lab import running
    from tests.faults.results import as_document, as_text
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
        results = Runner(lab, watcher, doctor_of, _say).run(chosen, healthy)
    if options.raw:
        options.raw.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    print(msgspec.json.encode(as_document(results)).decode() if options.output == "json" else as_text(results))
    return 0 if results.right else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--only", action="append", metavar="NAME", help="a fault, NAME-STRENGTH, a code or a control")
    parser.add_argument("--tuning", action="store_true", help="the strengths that rules are tuned on")
    parser.add_argument("--capture", type=Path, metavar="DIR", help="keep each ask's evidence, a file a job")
    parser.add_argument("--raw", type=Path, metavar="FILE", help="keep every answer of the doctor (JSON)")
    return parser


def _say(text: str) -> None:
    print(f"dev faults: {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
