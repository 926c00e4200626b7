"""Runs of Flink's client for a launch: how each kind of launch is given to it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from flinkops.act.control import JobControl
from flinkops.errors import OperationFailed
from flinkops.model.launch import Launch
from flinkops.paths import is_file
from flinkops.user_folders import absolute

if TYPE_CHECKING:
    from flinkops.local.client import Client
    from flinkops.local.state import FleetInfo

_UPLOAD_FOLDER = "web.upload.dir"
_UPLOADED = "flink-web-upload"
# Of the cluster's settings, what decides on how state is restored.
_OF_STATE = ("state.backend.", "state.changelog.", "pipeline.", "table.", "parallelism.default", "python.")


class ClientRun(NamedTuple):
    """A client, what goes behind its ``run``, and how the program's own lines begin where that is known."""

    client: "Client"
    options: list[str]
    own: str | None = None


def client_run(
    control: JobControl,
    launch: Launch,
    target: str,
    *,
    settings: Mapping[str, str],
    cluster_settings: Mapping[str, str] | None = None,
    flink_home: str | None = None,
    heap_mebibytes: int = 512,
) -> ClientRun:
    """The launch, submitted by the executor that `target` names. `settings` go before the launch's own.

    Raises OperationFailed or UsageError when this machine cannot do that: no Flink, no Java, a jar that is elsewhere.
    """
    from flinkops.local import job
    from flinkops.local.client import fleet_client, installed_client, installed_home, python_options

    taken = {key: value for key, value in (cluster_settings or {}).items() if key.startswith(_OF_STATE)}
    given = {**taken, **settings, **launch.settings}
    options = ["-t", target, *(f"-D{key}={value}" for key, value in given.items())]
    if launch.kind == "embedded":
        fleet = fleet_at(control)
        script, arguments = job.prepare(fleet, launch.command)
        client = fleet_client(fleet, executors=True, heap_mebibytes=heap_mebibytes)
        return ClientRun(client, job.run_options(options, script, arguments), launch.command[0])
    home = installed_home(flink_home)
    client = installed_client(home, executors=True, heap_mebibytes=heap_mebibytes)
    if launch.parallelism:
        options += ["-p", str(launch.parallelism)]
    if launch.kind == "client":
        path, *rest = launch.command
        return ClientRun(client, ["-d", *options, *python_options(home), "-py", str(absolute(Path(path))), *rest])
    entry = ["-c", launch.entry_class] if launch.entry_class else []
    return ClientRun(client, ["-d", *options, *entry, str(_jar(control, launch)), *launch.command])


def address_settings(control: JobControl) -> dict[str, str]:
    """Where a client submits to. Raises OperationFailed for an address that a client cannot be told so."""
    address = urlsplit(control.url)
    if address.scheme != "http" or address.path not in ("", "/") or not address.hostname or not address.port:
        raise OperationFailed(f"{control.name} is not a plain http://HOST:PORT")
    return {"rest.address": address.hostname, "rest.port": str(address.port)}


def fleet_at(control: JobControl) -> "FleetInfo":
    """The embedded fleet of this control. Raises OperationFailed when it does not run there."""
    from flinkops.local.state import find_running

    fleet = find_running()
    if fleet is None or fleet.rest_url.rstrip("/") != control.url:
        raise OperationFailed(f"the embedded fleet does not run at {control.url}", next_step="./dev up")
    return fleet


def _jar(control: JobControl, launch: Launch) -> Path:
    """On this machine: as it was given, or in the cluster's upload folder where that is here."""
    if (path := launch.local_jar) is not None:
        return Path(path)
    folder = control.settings().get(_UPLOAD_FOLDER)
    if folder and launch.jar_id and "/" not in launch.jar_id:
        for place in (Path(folder) / _UPLOADED, Path(folder)):
            if is_file(place / launch.jar_id):
                return place / launch.jar_id
    raise OperationFailed(
        f"the jar {launch.jar_id} is in the cluster's upload folder, which is not on this machine",
        next_step="give --jar FILE",
    )
