"""`./dev COMMAND`: one module a command; to add one, write it and name it in COMMANDS."""

import importlib
import os
import sys
from types import ModuleType

from devtools.bootstrap import REPOSITORY
from flinkops.errors import ExitCode, FlinkopsError

COMMANDS = (
    "demo",
    "test",
    "check",
    "up",
    "down",
    "job",
    "generate",
    "image",
    "install-check",
    "bench",
    "observe",
    "screenshots",
    "docs",
    "faults",
    "chaos",
    "mutation",
    "oracle",
)
"""The modules of this package with a `main(arguments) -> exit code`; their docstrings are the help."""


def main(arguments: list[str]) -> int:
    """Run one command; errors that are the user's to know are one line on stderr."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_help())
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"dev: no command {name!r}; ./dev lists them", file=sys.stderr)
        return ExitCode.USAGE
    # Everything that runs below finds the fleet of this repository, wherever it is started.
    os.environ.setdefault("FLINKOPS_LOCAL_HOME", str(REPOSITORY / ".flinkops"))
    # Python is started hundreds of times below: to compile all of ours each time is a third of the tests' time.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.chdir(REPOSITORY)
    try:
        return int(_module(name).main(rest))
    except FlinkopsError as error:
        print(f"dev {name}: {error.line()}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"dev {name}: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"devtools.{name.replace('-', '_')}")


def _help() -> str:
    lines = ["usage: ./dev COMMAND [OPTIONS]", ""]
    for name in COMMANDS:
        summary = (_module(name).__doc__ or "").strip().splitlines()[0]
        lines.append(f"  {name:13} {summary}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
