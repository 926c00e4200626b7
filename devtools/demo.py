"""A fleet, a job, scrapes, and `flinkops status` on it (`flinkops demo`); ends all it started."""

from flinkops.cli.main import main as flinkops


def main(arguments: list[str]) -> int:
    """Become `flinkops demo`."""
    flinkops(["demo", *arguments])
    return 0
