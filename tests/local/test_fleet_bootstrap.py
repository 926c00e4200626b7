"""The environment of `./dev`: made once, kept, repaired when it is broken."""

import os
import subprocess
from pathlib import Path

import pytest

from devtools.bootstrap import REPOSITORY, ensure_environment

pytestmark = pytest.mark.local


def test_an_environment_is_made_once_and_repaired(tmp_path: Path) -> None:
    lock, folder = tmp_path / "lock.txt", tmp_path / "with space" / ".venv"
    folder.parent.mkdir()
    lock.write_text("no-such-thing==1.0 --hash=sha256:" + "0" * 64)
    with pytest.raises(subprocess.CalledProcessError):
        ensure_environment(folder, lock, editable=False)
    assert not (folder / "installed.sha256").exists()

    lock.write_text("# nothing\n")
    python = ensure_environment(folder, lock, editable=False)
    assert subprocess.run([str(python), "-c", ""], check=False).returncode == 0
    made = (folder / "installed.sha256").stat().st_mtime_ns
    assert ensure_environment(folder, lock, editable=False) == python
    assert (folder / "installed.sha256").stat().st_mtime_ns == made

    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    assert ensure_environment(folder, lock, editable=False) == python
    assert subprocess.run([str(python), "-c", ""], check=False).returncode == 0
    lock.write_text("# nothing else\n")
    ensure_environment(folder, lock, editable=False)
    assert (folder / "installed.sha256").stat().st_mtime_ns > made


def test_without_python_it_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    for name in ("dirname", "sh"):
        tool = next(Path(folder) / name for folder in ("/usr/bin", "/bin") if (Path(folder) / name).exists())
        (tmp_path / name).symlink_to(tool)
    result = dev(tmp_path, "up")
    assert result.returncode == 1
    assert result.stderr.startswith("dev: needs Python 3.11 or 3.12 with venv, found neither; install it")
    assert result.stderr.count("\n") == 1

    fake = tmp_path / "python3"
    fake.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n')
    fake.chmod(0o755)
    result = dev(tmp_path, "up")
    assert result.returncode == 1
    assert result.stderr.startswith("dev: python3 lacks the venv module; install it")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [((), 0, "usage: ./dev COMMAND"), (("fly",), 2, "no command 'fly'"), (("up", "--wrong"), 2, "--wrong")],
)
def test_its_words(arguments: tuple[str, ...], code: int, words: str) -> None:
    result = dev(None, *arguments)
    assert result.returncode == code
    assert words in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def dev(path: Path | None, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `./dev` from another folder, with that PATH only when one is given."""
    environment = dict(os.environ) | ({"PATH": str(path)} if path else {})
    command = ["/bin/sh", str(REPOSITORY / "dev"), *arguments]
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
