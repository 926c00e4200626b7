"""Lint, format, types, layers, dead code, generated files: what needs no test run."""

import argparse
import subprocess
import sys

from devtools.bootstrap import REPOSITORY
from devtools.generate import generated

# The last has no module to run with -m, and its script would not survive a move of the repository.
_STEPS: dict[str, tuple[str, ...]] = {
    "ruff check": ("-m", "ruff", "check", "."),
    "ruff format": ("-m", "ruff", "format", "--check", "."),
    "mypy": ("-m", "mypy"),
    "vulture": ("-m", "vulture"),
    "lint-imports": ("-c", "from importlinter.cli import lint_imports_command as run; run()"),
}


def main(arguments: list[str]) -> int:
    """Run every step, also after one failed; 1 when any did."""
    argparse.ArgumentParser(prog="./dev check", description=__doc__).parse_args(arguments)
    failed = run()
    if failed:
        print(f"dev check: FAILED: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def run() -> list[str]:
    """Run the steps and return those that failed."""
    failed = []
    for name, command in _STEPS.items():
        print(f"dev check: {name}", file=sys.stderr, flush=True)
        if subprocess.run([sys.executable, *command], check=False).returncode != 0:
            failed.append(name)
    return failed + [f"{path} is not what ./dev generate writes" for path in _drifted()]


def _drifted() -> list[str]:
    return [
        str(path)
        for path, text in generated().items()
        if not (REPOSITORY / path).is_file() or (REPOSITORY / path).read_text(encoding="utf-8") != text
    ]
