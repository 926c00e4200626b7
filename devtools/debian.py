"""Programs from Debian packages, unpacked into the build folder: nothing is installed, no service starts."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from flinkops.errors import OperationFailed

CACHE = Path(__file__).parent.parent / ".dev" / "debian"
PACKAGES = {"promtool": "prometheus", "prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}
_TEMPLATES = Path("/usr/share/prometheus/alertmanager")


def program(name: str) -> Path:
    """The program `name`: on the PATH, unpacked before, or fetched now. OperationFailed where apt is not there."""
    if (found := installed(name)) is None:
        found = _unpacked(name)
    if name == "prometheus-alertmanager":
        _place_templates()
    return found


def _unpacked(name: str) -> Path:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise OperationFailed(f"{name} is not installed", next_step=f"install Debian's {PACKAGES[name]} or its like")
    _fetch(PACKAGES[name])
    if found := installed(name):
        return found
    raise OperationFailed(f"the package {PACKAGES[name]} holds no {name}")


def installed(name: str) -> Path | None:
    """The program `name` where it is already there."""
    unpacked = CACHE / "usr" / "bin" / name
    on_path = shutil.which(name)
    return unpacked if unpacked.is_file() else Path(on_path) if on_path else None


def _place_templates() -> None:
    """Debian's Alertmanager reads its templates from a fixed place, and does not start without them."""
    for unpacked in (CACHE / _TEMPLATES.relative_to("/")).glob("*.tmpl"):
        placed = _TEMPLATES / unpacked.name
        try:
            placed.parent.mkdir(parents=True, exist_ok=True)
            if not placed.exists():
                shutil.copyfile(unpacked, placed)
        except OSError as error:
            hint = "apt-get install prometheus-alertmanager"
            raise OperationFailed(f"Alertmanager needs {placed}: {error}", next_step=hint) from None


def _fetch(package: str) -> None:
    """Download and unpack one package; its dependencies are the C library only."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=CACHE) as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if any(installed(name) for name, of in PACKAGES.items() if of == package):
            return
        fetched = _apt("download", "-q", package, folder=folder)
        if fetched.returncode and os.geteuid() == 0:  # a machine that has no lists of packages yet
            _apt("update", "-q", folder=folder)
            fetched = _apt("download", "-q", package, folder=folder)
        archives = list(Path(folder).glob("*.deb"))
        if not archives:
            reason = (fetched.stderr.strip().splitlines() or ["no archive came"])[-1]
            raise OperationFailed(f"apt-get download {package}: {reason}", next_step="try: apt-get update")
        subprocess.run(["dpkg-deb", "-x", str(archives[0]), str(CACHE)], check=True, capture_output=True)


def _apt(*arguments: str, folder: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["apt-get", *arguments], cwd=folder, capture_output=True, text=True, check=False)
