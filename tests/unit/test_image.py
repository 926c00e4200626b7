"""The recipe of flinkops' image: it copies what its build reads, runs as no one, and the manifests run it so."""

import re
import subprocess
import sys
import tomllib

from devtools import image
from devtools.bootstrap import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "image"


def requirement_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", one, maxsplit=1)[0].lower() for one in requirements}


def test_its_packages_are_those_of_the_tool_and_of_s3_by_hash() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = requirement_names(project["dependencies"]) | requirement_names(project["optional-dependencies"]["s3"])
    names = {line.partition("==")[0] for line in image.pinned()}
    assert wanted <= names
    assert {"urllib3", "aiobotocore"} <= names  # and what they need
    assert not {"pytest", "apache-flink", "confluent-kafka"} & names
    assert all("==" in line and " --hash=sha256:" in line for line in image.pinned())


def test_the_build_reads_only_what_the_context_holds() -> None:
    """The modules that the build imports are let through by the .dockerignore, and so is all of the wheel."""
    code = (
        "import devtools.image, sys; print(*sorted(n for n in sys.modules if n.startswith(('devtools', 'flinkops'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": "."},
    )
    files = {f"{name.replace('.', '/')}.py" for name in done.stdout.split() if name != "devtools"}
    let_in = {
        line[1:] for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert files | {"devtools/__init__.py"} <= let_in
    assert {"flinkops", "jobs", "locks", "pyproject.toml", "README.md", "LICENSE"} <= let_in
    assert all((REPOSITORY / path).exists() for path in let_in)


def test_it_runs_as_no_one_by_number() -> None:
    lines = (FOLDER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    assert 'ENTRYPOINT ["flinkops"]' in lines
