"""Stop the embedded fleet; its topics, tables and checkpoints stay in .flinkops."""

import argparse

from flinkops.local import demo, fleet
from flinkops.local.state import default_home


def main(arguments: list[str]) -> int:
    """End the fleet's processes and name them."""
    argparse.ArgumentParser(prog="./dev down", description=__doc__).parse_args(arguments)
    ended = [*fleet.down(default_home()), *demo.end_orphan(default_home())]
    print("stopped " + ", ".join(process.role for process in ended) if ended else "no fleet was running")
    return 0
