"""Programs from Debian packages, unpacked into the build folder: nothing is installed, no service starts."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from flinkops.errors import OperationFailed

CACHE = Path(__file__).parent.parent / ".dev" / "debian"
PACKAGES = {"promtool": "prometheus", "prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}


def program(name: str) -> Path:
    """The program `name`: on the PATH, unpacked before, or fetched now. OperationFailed where apt is not there."""
    if found := installed(name):
        return found
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


def _fetch(package: str) -> None:
    """Download and unpack one package; its dependencies are the C library only."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        fetched = subprocess.run(
            ["apt-get", "download", "-q", package], cwd=folder, capture_output=True, text=True, check=False
        )
        archives = list(Path(folder).glob("*.deb"))
        if fetched.returncode or not archives:
            reason = (fetched.stderr.strip().splitlines() or ["no archive came"])[-1]
            raise OperationFailed(f"apt-get download {package}: {reason}", next_step="try: apt-get update")
        subprocess.run(["dpkg-deb", "-x", str(archives[0]), str(CACHE)], check=True, capture_output=True)
