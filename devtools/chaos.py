"""Bad inputs, kills and faults against every command, with a table of what held: `./dev chaos --write` keeps it."""

import argparse
import sys
import time
from pathlib import Path

from devtools.bootstrap import REPOSITORY
from tests.chaos.suite import Amounts, Tally, run

EVIDENCE = Path("docs/evidence/chaos.txt")


def main(arguments: list[str]) -> int:
    """Run the suite; 1 when anything did not hold."""
    usual = Amounts()
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--inputs", type=int, default=usual.inputs, help="bad inputs, over all commands")
    parser.add_argument("--kills", type=int, default=usual.kills, help="kill -9 at a request of an action")
    parser.add_argument("--signals", type=int, default=usual.signals, help="SIGTERM, SIGHUP and Ctrl-C in an action")
    parser.add_argument("--faults", type=int, default=usual.faults, help="of disk, clock, network and cluster")
    parser.add_argument(
        "--operator", type=int, default=usual.operator, help="kills, signals and refusals through the operator"
    )
    parser.add_argument("--workers", type=int, default=usual.workers, help="side by side")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {EVIDENCE}")
    options = vars(parser.parse_args(arguments))
    write = options.pop("write")
    amounts = Amounts(**options)
    tally = run(amounts, lambda text: print(f"dev chaos: {text}", file=sys.stderr, flush=True))
    text = report(amounts, tally)
    print(text)
    if write:
        (REPOSITORY / EVIDENCE).write_text(text + "\n", encoding="utf-8")
    return int(bool(tally.problems))


def report(amounts: Amounts, tally: Tally) -> str:
    """The table, and how it came about."""
    head = (
        f"./dev chaos --seed {amounts.seed} --inputs {amounts.inputs} --kills {amounts.kills} "
        f"--signals {amounts.signals} --faults {amounts.faults} --operator {amounts.operator}"
    )
    day = time.strftime("%Y-%m-%d", time.gmtime())
    lines = [head, f"{day}, {tally.seconds:.0f} s with {amounts.workers} workers", "", tally.table(), ""]
    lines.append(
        "Held after each: no traceback; a documented exit code; no planted secret in what is printed; no file begun and"
    )
    lines.append(
        "not finished; the job RUNNING once, with all its state, or the message names its state and the next command."
    )
    return "\n".join([*lines, *(f"NOT HELD: {one}" for one in tally.problems)])
