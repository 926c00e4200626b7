"""Where the embedded fleet keeps its state, and whether one runs: cheap to import, cheap to ask."""

import os
from pathlib import Path

import msgspec

from flinkops.errors import UsageError
from flinkops.local.processes import Process
from flinkops.ownership import doubt_about
from flinkops.user_folders import absolute, state_folder, with_home

FOLDER_NAME = ".flinkops"
STATE_FILE = "fleet.json"
JOBMANAGER = "jobmanager"
"""The role of the process without which nothing answers."""
WATCHER = "watcher"
"""The role of the process that starts the others again, in a fleet with high availability."""
DEMO_FOLDER = "demo"
"""Below the home: the home of the demo's own fleet."""


class FleetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet as `fleet.json` in its home describes it: addresses are host:port on 127.0.0.1.

    `created_ms` is milliseconds since the epoch; `warehouse` is a folder, or an address on S3; `catalog_uri` is the
    SQLAlchemy URI of its Iceberg catalog, named `flinkops`; `zookeeper` is empty without high availability, `s3` where
    savepoints go to the disk. Not `ready`: it is being started, or its start was cut short.
    """

    home: str
    rest_url: str
    kafka_bootstrap: str
    warehouse: str
    catalog_uri: str
    flink_version: str
    created_ms: int
    processes: tuple[Process, ...]
    ready: bool = False
    zookeeper: str = ""
    s3: str = ""

    @property
    def flink_conf_dir(self) -> Path:
        """FLINK_CONF_DIR for a client of this fleet: it holds the REST address and the job defaults."""
        return Path(self.home) / "flink" / "conf"

    @property
    def flink_lib_dir(self) -> Path:
        """FLINK_LIB_DIR: links to the distribution's jars and the connectors."""
        return Path(self.home) / "flink" / "lib"

    @property
    def dead(self) -> tuple[Process, ...]:
        """The processes that should run and do not."""
        return tuple(process for process in self.processes if not process.alive)


def default_home() -> Path:
    """The home of the fleet: FLINKOPS_LOCAL_HOME, else `.flinkops` here or above, else the user's.

    One that another user may have written to is passed over: jobs are started with what lies in it.
    """
    if named := os.environ.get("FLINKOPS_LOCAL_HOME"):
        return absolute(with_home(Path(named)))
    try:
        here = Path.cwd()
    except OSError:  # the working folder was deleted
        here = Path("/")
    for folder in (here, *here.parents):
        home = folder / FOLDER_NAME
        if home.is_dir() and _is_own(home):
            return home
    try:
        return state_folder() / "fleet"
    except UsageError:
        return here / FOLDER_NAME


def _is_own(home: Path) -> bool:
    try:
        return doubt_about(home) is None
    except OSError:
        return False


def read_info(home: Path) -> FleetInfo | None:
    """The fleet that `fleet.json` in `home` describes, running or not; None when there is no readable one."""
    try:
        return msgspec.json.decode((home / STATE_FILE).read_bytes(), type=FleetInfo)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def write_info(home: Path, info: FleetInfo) -> None:
    """Replace `fleet.json` in one step, so that a reader never sees half of it."""
    target = home / STATE_FILE
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(info)) + b"\n")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def remove_info(home: Path) -> None:
    """Drop the fleet's record: its folder stays, nothing of it runs."""
    (home / STATE_FILE).unlink(missing_ok=True)


def find_running(home: Path | None = None) -> FleetInfo | None:
    """The embedded fleet that runs in `home`, None when none was started or its JobManager is gone.

    Without a home: the one of :func:`default_home`, else the demo's. Reads a small file and asks the
    system whether the JobManager's process still exists; a fleet with a dead TaskManager or broker is
    returned, with that process in `dead`.
    """
    homes = [home] if home is not None else [default_home(), default_home() / DEMO_FOLDER]
    for candidate in homes:
        info = read_info(candidate)
        if info is not None and info.ready and any(p.alive for p in info.processes if p.role == JOBMANAGER):
            return info
    return None
