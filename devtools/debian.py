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
_TEMPLATE = Path("/usr/share/prometheus/alertmanager/default.tmpl")


def program(name: str) -> Path:
    """The program `name`: on the PATH, unpacked before, or fetched now. OperationFailed where apt is not there."""
    if (found := installed(name)) is None:
        found = _unpacked(name)
    if name == "prometheus-alertmanager":
        _place_template()
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


def _place_template() -> None:
    """Debian's Alertmanager reads its default template from a fixed place, and does not start without it."""
    if _TEMPLATE.exists():
        return
    try:
        _TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CACHE / _TEMPLATE.relative_to("/"), _TEMPLATE)
    except OSError as error:
        raise OperationFailed(
            f"Alertmanager needs {_TEMPLATE}: {error}", next_step="apt-get install prometheus-alertmanager"
        ) from None


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
