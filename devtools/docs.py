"""Build the documentation as a site; `--links` also follows those that lead outside.

The generator is Sphinx with MyST: alive, reads our Markdown as it is, and fails on what it cannot resolve. MkDocs has
had no release since 2024, and its successor is too young.
"""

import shutil
import subprocess
from pathlib import Path

from devtools.bootstrap import REPOSITORY, ensure_environment
from flinkops.errors import ExitCode, OperationFailed

SITE = REPOSITORY / "build" / "docs"
_SOURCE = REPOSITORY / "build" / "docs-source"
_PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


def main(arguments: list[str]) -> int:
    """Build into build/docs; its index is docs/index.html there. Exit code 1 when a page or link is broken."""
    if arguments not in ([], ["--links"]):
        print(__doc__)
        return ExitCode.USAGE
    try:
        python = ensure_environment(REPOSITORY / ".venv-docs", REPOSITORY / "locks" / "docs.txt", editable=False)
    except (subprocess.CalledProcessError, OSError) as problem:
        raise OperationFailed(f"cannot install Sphinx: {problem}", next_step="./dev docs tries again") from None
    _copy_pages()
    code = _sphinx(python, "html", SITE)
    if code == 0 and arguments:
        code = _sphinx(python, "linkcheck", REPOSITORY / "build" / "docs-links")
    if code == 0:
        print(f"docs: {SITE.relative_to(REPOSITORY) / 'docs' / 'index.html'}")
    return ExitCode.OK if code == 0 else ExitCode.FAILED


def _copy_pages() -> None:
    """The pages of the repository's top beside those of `docs/`, so that links between them hold."""
    shutil.rmtree(_SOURCE, ignore_errors=True)
    shutil.copytree(REPOSITORY / "docs", _SOURCE / "docs")
    for name in _PAGES:
        shutil.copy(REPOSITORY / name, _SOURCE / name)


def _sphinx(python: Path, builder: str, target: Path) -> int:
    command = [python, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", builder, "-c", REPOSITORY / "docs"]
    return subprocess.run([*map(str, command), str(_SOURCE), str(target)], check=False).returncode
