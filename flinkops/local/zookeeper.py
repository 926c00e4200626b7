"""A single ZooKeeper server, the one that Flink's own jar brings: it keeps what a new JobManager goes on from."""

import socket
from pathlib import Path

from flinkops.local import flink
from flinkops.local.java import clean_environment
from flinkops.local.ports import HOST
from flinkops.local.processes import Process, spawn

ROLE = "zookeeper"
_OPTIONS = (
    "-Xms32m",
    "-Xmx128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dzookeeper.admin.enableServer=false",
)
_ENTRY = "org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer"
_TICK_MS = 500  # sessions may be as short as two: the leadership of a killed JobManager ends with its session


def write_config(home: Path, port: int) -> None:
    """Write `zoo.cfg` below `home/zookeeper`."""
    folder = home / "zookeeper"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "tickTime": _TICK_MS,
        "dataDir": folder / "data",
        "clientPort": port,
        "clientPortAddress": HOST,
        "autopurge.purgeInterval": 1,
    }
    (folder / "zoo.cfg").write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")


def start(home: Path, java: Path) -> Process:
    """Start the server on what `write_config` wrote."""
    log = home / "logs" / f"{ROLE}.log"
    logging = (home / "flink" / "conf" / "log4j-console.properties").as_uri()
    command = [str(java), *_OPTIONS, f"-Dlog4j.configurationFile={logging}", f"-Dlog.file={log}"]
    command += [
        "-cp",
        flink.classpath(home),
        _ENTRY,
        "--zkConfigFile",
        str(home / "zookeeper" / "zoo.cfg"),
        "--peerId",
        "1",
    ]
    return spawn(ROLE, command, output=log, environment=clean_environment())


def answers(address: str, timeout_seconds: float) -> bool:
    """True when a ZooKeeper server at `host:port` says that it serves."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=timeout_seconds) as connection:
            connection.sendall(b"srvr")
            return connection.recv(64).startswith(b"Zookeeper version")
    except OSError:
        return False
