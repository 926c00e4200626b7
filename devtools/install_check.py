"""Install the wheel as users do (pip, pipx, uv tool) on the Pythons named, run it, and report size, time and number.

Standard library only, so that it can be run by any of them: `PYTHONPATH=. python3.14 -m devtools.install_check WHEEL`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.fake_flink import FakeFlink, Recording, serving

_TUI = "import flinkops.tui.app, flinkops.cli.exporter, flinkops.sources.kubernetes.watch"
_PYTHON = "import sysconfig; print(sysconfig.get_paths()['purelib'])"


def main(arguments: list[str]) -> int:
    """One line for each Python and installer; 1 when any of them failed."""
    parser = argparse.ArgumentParser(prog="./dev install-check", description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument(
        "--python", action="append", metavar="PATH", help="an interpreter; repeatable; this one unless given"
    )
    parser.add_argument("--tools", type=Path, metavar="PYTHON", default=Path(sys.executable), help="has pipx and uv")
    options = parser.parse_args(arguments)
    failed = 0
    cluster = FakeFlink(Recording.load("flink-2.3-count"))
    with serving(cluster):
        for python in options.python or [sys.executable]:
            for installer in INSTALLERS:
                line, passed = _checked(installer, python, options.wheel.absolute(), options.tools, cluster.url)
                failed += not passed
                print(line, flush=True)
    return int(bool(failed))


def _with_pip(python: str, wheel: Path, home: Path, tools: Path) -> Path:
    """A virtual environment and pip."""
    del tools
    _run([python, "-m", "venv", str(home / "venv")])
    _run([str(home / "venv/bin/pip"), "install", "--quiet", "--disable-pip-version-check", str(wheel)])
    return home / "venv/bin"


def _with_pipx(python: str, wheel: Path, home: Path, tools: Path) -> Path:
    places = {"PIPX_HOME": str(home / "pipx"), "PIPX_BIN_DIR": str(home / "bin"), "PIPX_MAN_DIR": str(home / "man")}
    _run([str(tools), "-m", "pipx", "install", "--quiet", "--python", python, str(wheel)], places)
    return home / "pipx/venvs/flinkops/bin"


def _with_uv(python: str, wheel: Path, home: Path, tools: Path) -> Path:
    places = {"UV_TOOL_DIR": str(home / "tools"), "UV_TOOL_BIN_DIR": str(home / "bin")}
    _run([str(tools), "-m", "uv", "tool", "install", "--quiet", "--python", python, str(wheel)], places)
    return home / "tools/flinkops/bin"


INSTALLERS: Mapping[str, Callable[[str, Path, Path, Path], Path]] = {
    "pip": _with_pip,
    "pipx": _with_pipx,
    "uv": _with_uv,
}


def _checked(installer: str, python: str, wheel: Path, tools: Path, url: str) -> tuple[str, bool]:
    version = _run([python, "-c", "import platform; print(platform.python_version())"]).strip()
    head = f"{version:8} {installer:5}"
    if installer != "pip" and subprocess.run([str(tools), "-c", f"import {installer}"], capture_output=True).returncode:
        return f"{head} not run: {installer} is not there", True
    with tempfile.TemporaryDirectory() as scratch:
        started = time.monotonic()
        try:
            programs = INSTALLERS[installer](python, wheel, Path(scratch), tools)
            seconds = time.monotonic() - started
            did = _used(programs, Path(scratch), url)
        except (subprocess.CalledProcessError, AssertionError) as error:
            return f"{head} FAILED: {' '.join(str(getattr(error, 'stderr', None) or error).split())[-600:]}", False
        site = Path(_run([str(programs / "python"), "-c", _PYTHON]).strip())
        size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
        packages = len(list(site.glob("*.dist-info"))) - len(list(site.glob("pip-*.dist-info")))
        return f"{head} {seconds:6.1f} s  {size / 1e6:6.0f} MB  {packages} packages  {did}", True


def _used(programs: Path, home: Path, url: str) -> str:
    """The command as its user runs it, in an empty folder with an empty home; what was done."""
    flinkops = str(programs / "flinkops")
    alone = {"HOME": str(home), "PATH": os.defpath, "XDG_CACHE_HOME": str(home / "cache"), "TERM": "xterm"}
    told = _run([flinkops, "--version"], alone, bare=True)
    assert told.startswith("flinkops "), told
    assert "doctor" in _run([flinkops, "--help"], alone, bare=True)
    document = json.loads(_run([flinkops, "status", "--rest", url, "-o", "json"], alone, bare=True))
    (job,) = document["jobs"]
    assert (job["name"], job["state"]) == ("count", "RUNNING"), job
    _run([str(programs / "python"), "-W", "error::SyntaxWarning", "-c", _TUI], alone, bare=True)
    done = subprocess.run([flinkops, "demo"], env=alone, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr, done.stderr
    return f"--version, --help, status, imports; demo: {done.stderr.strip().removeprefix('flinkops: ')}"


def _run(command: Sequence[str], more: Mapping[str, str] | None = None, *, bare: bool = False) -> str:
    """What it said on stdout. Raises CalledProcessError with what it said."""
    environment = dict(more or {}) if bare else {**os.environ, **(more or {})}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment, cwd=tempfile.gettempdir()
    ).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
