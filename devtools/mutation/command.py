"""The steps of `./dev mutation`: record which tests run which lines, draw the sample, run each mutant, report."""

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from devtools.bootstrap import REPOSITORY
from devtools.mutation import PACKAGES, covering, report, test_lines, typed
from devtools.mutation.mutants import Mutant, sample
from devtools.mutation.runs import Runs, environment, killed_before
from flinkops.errors import OperationFailed

EVIDENCE = Path("docs/evidence/mutation.txt")
_MARKER = "not local and not cluster and not chaos"


def run(options: argparse.Namespace) -> int:
    """All steps; what was recorded and found before stays in .dev/mutation."""
    work = REPOSITORY / ".dev" / "mutation"
    tree = _copy(work / "tree")
    folders = [f"flinkops/{name}" for name in options.package or PACKAGES]
    modules = options.tests or _test_modules(tree)
    _record(tree, work / "lines", modules, options.workers)
    known = covering.load(tree, work / "lines")
    mutants, places = _sample(tree, work / "sample.json", folders, options)
    kept = killed_before(work) if options.again else {}
    found = Runs(known, work, options.seconds, options.workers).results(mutants, kept)
    _say("what the type checker says of the survivors")
    results = sorted(typed.judged(tree, found), key=lambda r: (r.path, r.line, r.key))
    head = f"./dev mutation --sample {options.sample} --seed {options.seed}\n{_when()}"
    head += f"; {len(results)} of {places} places"
    text = report.text(results, head, report.read_reasons(REPOSITORY))
    print(text)
    if options.survivors:
        documents = (json.dumps(asdict(result)) for result in results if not result.killed)
        Path(options.survivors).write_text("".join(f"{line}\n" for line in documents), encoding="utf-8")
    if options.write:
        (REPOSITORY / EVIDENCE).write_text(text + "\n", encoding="utf-8")
    return int(100 * sum(result.killed for result in results) < options.at_least * len(results))


def _copy(tree: Path) -> Path:
    """The repository's files as they are now, in a place where they can be changed; byte code stays."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    wanted = {name for name in names if (REPOSITORY / name).is_file()}
    for path in [path for path in tree.rglob("*.py") if str(path.relative_to(tree)) not in wanted]:
        path.unlink()
    for name in wanted:
        target = tree / name
        if not target.is_file() or target.read_bytes() != (REPOSITORY / name).read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target)
    return tree


def _test_modules(tree: Path) -> list[str]:
    return sorted(str(path.relative_to(tree)) for part in ("unit", "tui", "alerts") for path in _tests(tree, part))


def _tests(tree: Path, part: str) -> list[Path]:
    return list((tree / "tests" / part).glob("test_*.py"))


def _record(tree: Path, lines: Path, modules: list[str], workers: int) -> None:
    """Run the test modules that are new or changed since they were last recorded."""
    before = covering.recorded(lines)
    modules = [module for module in modules if before.get(module) != covering.digest(tree / module)]
    if not modules:
        return
    _say(f"recording the lines that {len(modules)} test modules run")
    folder = lines / f"{time.time():.0f}"
    folder.mkdir(parents=True)
    sources = [f"flinkops/{name}" for name in PACKAGES]
    command = [sys.executable, "-m", "pytest", "-n", str(workers), "-p", "devtools.mutation.test_lines", "-m", _MARKER]
    told = {test_lines.FOLDER_VARIABLE: str(folder), test_lines.SOURCES_VARIABLE: ":".join(sources)}
    end = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--hypothesis-profile=mutation", *modules],
        cwd=tree, env=environment(tree) | told, check=False, stdout=sys.stderr,
    )  # fmt: skip
    if end.returncode not in {0, 1}:  # a test that fails without any change is left out below
        raise OperationFailed("the tests could not be run", next_step="see pytest's message above")
    files = [str(path.relative_to(tree)) for source in sources for path in (tree / source).rglob("*.py")]
    covering.keep(tree, folder, files, modules)


def _sample(tree: Path, kept: Path, folders: list[str], options: argparse.Namespace) -> tuple[list[Mutant], int]:
    """Drawn anew, half a minute, unless it is that of the last run on the same code."""
    digest = covering.digest(*(path for folder in folders for path in sorted((tree / folder).rglob("*.py"))))
    asked = [digest, folders, options.sample, options.seed]
    if kept.is_file() and (before := json.loads(kept.read_text(encoding="utf-8")))["asked"] == asked:
        return [Mutant(**each) for each in before["mutants"]], before["places"]
    mutants, places = sample(tree, folders, options.sample, options.seed)
    document = {"asked": asked, "places": places, "mutants": [asdict(mutant) for mutant in mutants]}
    kept.write_text(json.dumps(document), encoding="utf-8")
    return mutants, places


def _when() -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    return f"{time.strftime('%Y-%m-%d', time.gmtime())}, commit {commit.strip()}"


def _say(text: str) -> None:
    print(f"dev mutation: {text}", file=sys.stderr, flush=True)
