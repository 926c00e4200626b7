"""What is installed is pinned with hashes, to the builders; the bill of materials says all of it."""

import json
import re
from pathlib import Path

import pytest

from devtools.bootstrap import BUILDERS, REPOSITORY
from devtools.locks import lock, read_lock, wanted_by
from devtools.sbom import FILE
from flinkops.local.jars import manifest
from jobs.common import flink_image

LOCKS = ("base", "local", "flink120", "image", "build", "go")


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash_and_none_names_a_registry(name: str) -> None:
    pins = lock(name)
    assert pins
    assert not [pin.name for pin in pins if not pin.hashes]
    text = (REPOSITORY / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert len(pins) == len([line for line in text.splitlines() if re.match(r"[a-z0-9].*==", line)])


def test_the_builders_are_pinned_and_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = {pin.name for pin in read_lock(BUILDERS)}
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (wanted,) = re.findall(r"^requires = \[(.*)\]", project, re.MULTILINE)
    assert {re.split(r"[<>=]", one.strip(' "'))[0] for one in wanted.split(",")} <= pinned
    assert {"pip", "setuptools", "wheel"} <= pinned
    source = (REPOSITORY / "devtools" / "bootstrap.py").read_text(encoding="utf-8")
    assert '"--require-hashes", "-r", str(BUILDERS)' in source
    assert '"--build-constraint", str(BUILDERS)' in source


def test_why_a_package_is_there_is_read_from_the_lock(tmp_path: Path) -> None:
    file = tmp_path / "lock.txt"
    digest = "--hash=sha256:" + "0" * 64
    file.write_text(
        f"a==1.0 ; sys_platform != 'win32' \\\n    {digest} \\\n    {digest}\n    # via flinkops (pyproject.toml)\n"
        f"b[x]==2.0 \\\n    {digest}\n    # via\n    #   a\n    #   flinkops (pyproject.toml:dev)\n"
        f"c==3 \\\n    {digest}\n    # via b\nd==4 \\\n    {digest}\n    # via flinkops (pyproject.toml:dev)\n"
    )
    pins = read_lock(file)
    assert [(pin.name, pin.version, len(pin.hashes)) for pin in pins] == [
        ("a", "1.0", 2),
        ("b", "2.0", 1),
        ("c", "3", 1),
        ("d", "4", 1),
    ]
    assert [(sorted(pin.via), sorted(pin.groups)) for pin in pins[:2]] == [([], [""]), (["a"], ["dev"])]
    assert wanted_by(pins, {"a"}) == {"a", "b", "c"}


def test_the_bill_of_materials_has_everything_and_says_what_ships() -> None:
    bill = json.loads((REPOSITORY / FILE).read_text(encoding="utf-8"))
    components = {one["bom-ref"]: one for one in bill["components"]}
    assert len(components) == len(bill["components"])
    for name in LOCKS:
        for pin in lock(name):
            assert f"pkg:pypi/{pin.name}@{pin.version}" in components
    jars = {jar.coordinates for group in manifest().values() for jar in group}
    assert len([one for one in components if one.startswith("pkg:maven/")]) == len(jars)
    by_name = {one["name"]: one["scope"] for one in components.values()}
    assert (by_name["msgspec"], by_name["urllib3"]) == ("required", "required")
    assert (by_name["apache-flink"], by_name["pyarrow"], by_name["kafka-clients"]) == ("optional",) * 3
    assert (by_name["pytest"], by_name["hatchling"]) == ("excluded", "excluded")
    assert {one["ref"] for one in bill["dependencies"]} - {"flinkops"} <= set(components)


def test_base_images_can_be_pinned_by_digest() -> None:
    files = [*sorted((REPOSITORY / "jobs").rglob("Dockerfile")), REPOSITORY / "deploy" / "image" / "Dockerfile"]
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        starts = [line for line in lines if line.startswith("FROM ")]
        found = [re.findall(r"^FROM \$\{(\w+)\}\$\{\1_DIGEST:\+@\$\{\1_DIGEST\}\}( AS build)?$", one) for one in starts]
        assert all(found)
        (name,) = {one[0][0] for one in found}
        (tag,) = [line for line in lines if line.startswith(f"ARG {name}=")]
        assert ":" in tag
        assert not tag.endswith(":latest")
        assert f"ARG {name}_DIGEST=" in lines


@pytest.mark.parametrize("flink", sorted(flink_image.GROUPS))
def test_the_jobs_images_install_what_the_lock_names_and_nothing_else(flink: str, tmp_path: Path) -> None:
    files = flink_image.python_lock(flink, tmp_path)
    pins = read_lock_lines(files[flink_image.PYTHON / "requirements.txt"].read_text(encoding="utf-8"))
    assert {"apache-flink", "apache-flink-libraries", "apache-beam"} <= set(pins)
    assert pins["apache-flink"].startswith(flink)
    for file in sorted((REPOSITORY / "jobs").glob("*/Dockerfile")):
        installs = re.findall(r"pip install (.*?) \\\n", file.read_text(encoding="utf-8"))
        assert [one.rpartition(" ")[2] for one in installs] == [
            f"/{flink_image.PYTHON}/builders.txt",
            f"/{flink_image.PYTHON}/requirements.txt",
        ]
        assert all("--require-hashes --no-deps" in one for one in installs)
        assert "pip check" in file.read_text(encoding="utf-8")


def read_lock_lines(text: str) -> dict[str, str]:
    """Versions by name; each line has a hash."""
    lines = text.splitlines()
    assert all("--hash=sha256:" in line for line in lines)
    twice = [line for line in lines if line.split("==")[0] == "pandas"]
    assert len(twice) == 1 or all(" ; python_" in line.partition("--hash")[0] for line in twice), "one for each Python"
    return dict(line.split(" ", 1)[0].split("==") for line in lines)
