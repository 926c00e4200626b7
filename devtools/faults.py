"""Inject each fault into a real cluster, ask the doctor, and print what it named first: the confusion table.

The whole matrix takes a quarter of an hour; --join makes one table of runs that had a part of it each. --cases runs the
files of another folder instead; docs/doctor.md has their format.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flinkops.errors import FlinkopsError, UsageError
from flinkops.input_file import read_input
from flinkops.local.signals import signals_interrupt
from flinkops.local.state import default_home

if TYPE_CHECKING:
    from tests.faults import cases as lab_cases
    from tests.faults.results import Results

_MOST_RAW_BYTES = 256 << 20


def main(arguments: list[str]) -> int:
    """Run the matrix, or what `--only` names; 1 when a fault is missed or a healthy job accused, 2 for bad files."""
    options = _parser().parse_args(arguments)
    try:
        return _results(options)
    except FlinkopsError as problem:
        for each in problem.what.splitlines():
            _say(each if problem.next_step is None else f"{each}; {problem.next_step}")
        return int(problem.exit_code)


def _results(options: argparse.Namespace) -> int:
    from tests.faults.results import as_document, as_text

    results = _joined(options.join) if options.join else _run(options)
    if options.raw:
        options.raw.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    print(msgspec.json.encode(as_document(results)).decode() if options.output == "json" else as_text(results))
    return 0 if results.right else 1


def _joined(paths: Sequence[Path]) -> "Results":
    from tests.faults.results import Results, joined

    parts = []
    for path in paths:
        try:
            parts.append(msgspec.json.decode(read_input(path, most_bytes=_MOST_RAW_BYTES), type=Results))
        except msgspec.DecodeError as problem:
            raise UsageError(f"{path} is not what --raw writes: {problem}") from None
    return joined(parts)


def _run(options: argparse.Namespace) -> "Results":
    from tests.faults.doctors import Doctor
    from tests.faults.lab import running
    from tests.faults.running import Runner, capture_file
    from tests.faults.watching import Watcher

    chosen, healthy = _chosen(options)
    if options.capture:
        options.capture.mkdir(parents=True, exist_ok=True)
    doctor_of = partial(Doctor, capture=partial(capture_file, options.capture))
    on_s3 = any(value.startswith("s3://") for each in chosen for value in each.job.configuration.values())
    with signals_interrupt(), running(default_home() / "faults", on_s3=on_s3) as lab, Watcher(lab) as watcher:
        to_the_end = options.cases is not None
        return Runner(lab, watcher, doctor_of, _say, to_the_end=to_the_end).run(chosen, healthy)


def _chosen(options: argparse.Namespace) -> "tuple[list[lab_cases.Case], list[lab_cases.Control]]":
    from tests.faults.case_files import read_folder, without_rule
    from tests.faults.cases import FOLDER

    cases, controls = read_folder(options.cases or FOLDER, "tuning" if options.tuning else "reported")
    if options.only:
        names = [{each.name, f"{each.name}-{each.strength}", *each.codes} for each in cases]
        known = set().union(*names, (each.name for each in controls))
        if unknown := [each for each in options.only if each not in known]:
            raise UsageError(f"--only {' '.join(unknown)}: neither a fault, a strength, a code nor a control here")
        wanted = set(options.only)
        cases = [case for case, called in zip(cases, names, strict=True) if called & wanted]
        controls = [each for each in controls if each.name in wanted]
    for code, wanted_by in without_rule(cases).items():
        _say(f"no rule has the code {code}: {', '.join(wanted_by)} can only be missed")
    return cases, controls


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument(
        "--cases", type=Path, metavar="DIR", help="the faults and controls of this folder; asks to the end"
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="a fault, NAME-STRENGTH, a code or a control")
    parser.add_argument("--tuning", action="store_true", help="the strengths that rules are tuned on")
    parser.add_argument("--capture", type=Path, metavar="DIR", help="keep each ask's evidence, a file a job")
    parser.add_argument("--join", action="append", type=Path, metavar="FILE", help="run nothing: what --raw kept")
    parser.add_argument("--raw", type=Path, metavar="FILE", help="keep every answer of the doctor (JSON)")
    return parser


def _say(text: str) -> None:
    print(f"dev faults: {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
