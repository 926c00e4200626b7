"""Keeps `.venv` as the lock file says, then runs `devtools` in it. Standard library only."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BUILDERS = REPOSITORY / "locks" / "build.txt"
"""pip itself, and what builds packages from source: pinned with hashes as everything else."""


def ensure_environment(folder: Path, lock_file: Path, *, editable: bool) -> Path:
    """A virtual environment with exactly what `lock_file` pins; returns its Python.

    Installs only when the lock, the project's metadata or the place changed. An installation that was
    broken off left no stamp and is done again.
    """
    python = folder / "bin" / "python"
    stamp = folder / "installed.sha256"
    wanted = _digest(folder, lock_file)
    # Two commands at once: the second finds the work done.
    locks = REPOSITORY / ".dev"
    locks.mkdir(exist_ok=True)
    with (locks / f"{folder.name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted and _runs(python, "-c", ""):
            return python
        stamp.unlink(missing_ok=True)
        print(f"dev: installing {lock_file.name} into {folder.name} (once)", file=sys.stderr, flush=True)
        if not _runs(python, "-m", "pip", "--version"):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install"]
        if not sys.stderr.isatty():
            pip.append("--quiet")
        subprocess.run([*pip, "--require-hashes", "-r", str(BUILDERS)], check=True, stdout=sys.stderr)
        pip += ["--use-pep517", "--build-constraint", str(BUILDERS)]
        subprocess.run([*pip, "--require-hashes", "-r", str(lock_file)], check=True, stdout=sys.stderr)
        if editable:
            subprocess.run([*pip, "--no-deps", "-e", str(REPOSITORY)], check=True, stdout=sys.stderr)
        stamp.write_text(wanted)
    return python


def _digest(folder: Path, lock_file: Path) -> str:
    digest = hashlib.sha256(f"{folder} {sys.version_info[:2]}".encode())
    for path in (lock_file, BUILDERS, REPOSITORY / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _runs(python: Path, *arguments: str) -> bool:
    try:
        return subprocess.run([str(python), *arguments], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def main() -> None:
    """Set up `.venv` and become `python -m devtools` in it."""
    try:
        python = ensure_environment(REPOSITORY / ".venv", REPOSITORY / "locks" / "local.txt", editable=True)
    except subprocess.CalledProcessError as error:
        what = "pip install" if "pip" in error.cmd else "python -m venv"
        sys.exit(f"dev: {what} failed (exit code {error.returncode}, see above); run ./dev again to go on")
    except OSError as error:
        sys.exit(f"dev: cannot set up .venv: {error}")
    except KeyboardInterrupt:
        print("dev: interrupted; the next run goes on", file=sys.stderr)
        sys.exit(130)
    os.execv(python, [str(python), "-m", "devtools", *sys.argv[1:]])


if __name__ == "__main__":
    main()
