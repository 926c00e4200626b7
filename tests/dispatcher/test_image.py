"""The dispatcher's image: what its manifest names is in its tree, and its packages are what the code imports."""

import ast
import sys
from pathlib import Path

import yaml

from jobs.price_alerts.dispatcher import image

FOLDER = Path(image.__file__).parent
MODULES = {"prometheus-client": "prometheus_client", "confluent-kafka": "confluent_kafka"}


def imported() -> set[str]:
    """The packages that the dispatcher imports, without Python's own and those of this repository."""
    found: set[str] = set()
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"flinkops", "jobs", "devtools"}


def test_the_packages_are_those_that_the_code_imports() -> None:
    names = [image.name_of(one) for one in image.requirements()]
    assert {MODULES.get(name, name) for name in names} == imported()
    assert len(names) == len(set(names))


def test_each_package_has_its_version_and_hashes_and_brings_what_it_needs() -> None:
    names = {line.partition("==")[0] for line in image.pinned()}
    assert {image.name_of(one) for one in image.requirements()} < names
    assert {"yarl", "multidict", "idna"} < names
    assert not {"apache-flink", "pandas", "kubernetes"} & names
    assert all("==" in line and " --hash=sha256:" in line for line in image.pinned())


def test_manifest_and_dockerfile_stand_on_the_tree() -> None:
    copied = [line.split()[1:] for line in (FOLDER / "Dockerfile").read_text().splitlines() if line.startswith("COPY")]
    assert copied == [["opt/", "/opt/"]]
    _, stateful = yaml.safe_load_all((FOLDER / "deployment.yaml").read_text())
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "PYTHONPATH", "value": f"/{image.LIBRARIES}"}]
    assert container["command"] == ["python3", "-m", "flinkops_jobs.price_alerts.dispatcher"]
