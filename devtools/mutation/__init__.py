"""Change the pure core in random places and see whether its tests fail: the share of mutants killed."""

import argparse

PACKAGES = ("assess", "autoscale", "diagnose", "observability", "plan", "render")


def main(arguments: list[str]) -> int:
    """Run a sample; 1 when fewer are killed than `--at-least` asks."""
    parser = argparse.ArgumentParser(prog="./dev mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=500, metavar="N", help="so many mutants, each of another place")
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same places again")
    parser.add_argument("--package", action="append", choices=PACKAGES, help="of flinkops; all of these by default")
    parser.add_argument("--tests", action="append", metavar="FILE", help="test modules; by default all fast ones")
    parser.add_argument(
        "--again", action="store_true", help="keep what the last run killed; run the rest and what is new"
    )
    parser.add_argument("--survivors", metavar="FILE", help="also list the survivors, a JSON document a line")
    parser.add_argument("--workers", type=int, default=2, help="mutants side by side, each in its copy of the tree")
    parser.add_argument("--seconds", type=float, default=10.0, help="of tests for a mutant, the fastest first")
    parser.add_argument("--at-least", type=float, default=0.0, metavar="PERCENT")
    parser.add_argument("--write", action="store_true", help="keep the report in docs/evidence/mutation.txt")
    options = parser.parse_args(arguments)
    from devtools.mutation.command import run  # cosmic-ray takes a second to import; ./dev --help reads this module

    return run(options)
