"""A standalone Flink session cluster from the PyPI distribution: configuration and processes."""

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import yaml

from flinkops.errors import OperationFailed
from flinkops.local.jars import ensure
from flinkops.local.java import clean_environment
from flinkops.local.ports import HOST
from flinkops.local.processes import Process, spawn
from flinkops.local.s3_server import BUCKET, REGION, S3_FILE, access
from flinkops.local.state import JOBMANAGER

HA_FOLDER = "ha"
TASKMANAGER_PREFIX = "taskmanager-"
SLOTS_PER_TASKMANAGER = 4
NO_FLINK_FROM = (3, 13)
"""The first Python that apache-flink 2.3 cannot be installed on."""

MOST_SLOTS = 64
"""A TaskManager's network memory has buffers for about so many small jobs."""
_SLOTS = "taskmanager.numberOfTaskSlots"
JAR_GROUPS = ("flink-2.3", "connectors")

# The scripts of the distribution derive these from one total; we start the JVMs ourselves, so we say them.
_TASK_HEAP_MIB, _FRAMEWORK_HEAP_MIB = 576, 128
_TASK_OFF_HEAP_MIB, _FRAMEWORK_OFF_HEAP_MIB, _NETWORK_MIB = 64, 128, 128
_MANAGED_MIB, _METASPACE_MIB, _OVERHEAD_MIB = 384, 320, 192
_TASKMANAGER_OPTIONS = (
    f"-Xms{(_TASK_HEAP_MIB + _FRAMEWORK_HEAP_MIB) // 2}m",
    f"-Xmx{_TASK_HEAP_MIB + _FRAMEWORK_HEAP_MIB}m",
    f"-XX:MaxDirectMemorySize={_TASK_OFF_HEAP_MIB + _FRAMEWORK_OFF_HEAP_MIB + _NETWORK_MIB}m",
    f"-XX:MaxMetaspaceSize={_METASPACE_MIB}m",
    "-XX:+UseG1GC",
    "-XX:+ExitOnOutOfMemoryError",
)
_JOBMANAGER_OPTIONS = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:MaxMetaspaceSize=256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # it coordinates: a quick start is worth more than the last bit of speed
    "-XX:+ExitOnOutOfMemoryError",
)
# Ten seconds else, which a busy machine does not keep. Flink's own pekko.startup-timeout sets a key that Pekko no
# longer reads; Pekko's defaults give way to a system property.
_RPC_OPTION = "-Dpekko.remote.classic.startup-timeout=120s"
_ROCKSDB_METRICS = (
    "estimate-num-keys",
    "estimate-live-data-size",
    "total-sst-files-size",
    "live-sst-files-size",
    "cur-size-all-mem-tables",
    "block-cache-usage",
    "block-cache-capacity",
    "num-running-compactions",
    "num-running-flushes",
    "compaction-pending",
    "estimate-pending-compaction-bytes",
    "actual-delayed-write-rate",
    "is-write-stopped",
)


def distribution() -> Path:
    """The folder of the Flink distribution that PyPI's apache-flink brings (its FLINK_HOME)."""
    spec = importlib.util.find_spec("pyflink")  # found, not imported: that takes a second
    if spec is None or spec.origin is None:
        raise OperationFailed("apache-flink is not installed", next_step=_how_to_install())
    return Path(spec.origin).parent


def _how_to_install() -> str:
    if sys.version_info >= NO_FLINK_FROM:
        here = ".".join(map(str, sys.version_info[:2]))
        return f"it has no release for Python {here}: install 'flinkops[local]' with Python 3.11 or 3.12"
    return "pip install 'flinkops[local]'"


def version() -> str:
    """The version of that distribution, from its main jar."""
    jars = list((distribution() / "lib").glob("flink-dist-*.jar"))
    if not jars:
        raise OperationFailed(f"{distribution()} holds no Flink jars", next_step="install apache-flink again")
    return jars[0].stem.removeprefix("flink-dist-")


def write_config(
    home: Path,
    rest_port: int,
    rpc_port: int,
    zookeeper: str = "",
    s3: str = "",
    slots: int = SLOTS_PER_TASKMANAGER,
) -> None:
    """Write FLINK_CONF_DIR and the links of FLINK_LIB_DIR below `home/flink`.

    With a ZooKeeper: high availability. With `s3`, the address of an S3 server: checkpoints and savepoints go there.
    `slots` are those of each TaskManager; all of them share its memory.
    """
    conf, lib = home / "flink" / "conf", home / "flink" / "lib"
    for folder in (conf, lib, home / "flink" / "tmp", home / "flink" / "upload"):
        folder.mkdir(parents=True, exist_ok=True)
    source = distribution()
    shipped = yaml.safe_load((source / "conf" / "config.yaml").read_text())
    settings = _settings(home, rest_port, rpc_port)
    settings |= {_SLOTS: slots, "taskmanager.cpu.cores": float(slots)}
    if zookeeper:
        settings |= _high_availability(home, rpc_port, zookeeper)
    if s3:
        settings |= _object_storage(s3, ha=bool(zookeeper))
    _link_plugins(home, s3=bool(s3))
    settings |= {"env.java.opts.all": shipped["env"]["java"]["opts"]["all"]}
    (conf / "config.yaml").write_text(yaml.safe_dump(settings, width=100_000), encoding="utf-8")
    for name in ("log4j.properties", "log4j-cli.properties", "log4j-console.properties"):
        (conf / name).write_bytes((source / "conf" / name).read_bytes())
    _link_jars(lib, [*sorted((source / "lib").glob("*.jar")), *ensure(JAR_GROUPS)])


def slots_per_taskmanager(home: Path) -> int:
    """As `write_config` wrote it for the fleet in `home`."""
    return int(yaml.safe_load((home / "flink" / "conf" / "config.yaml").read_text())[_SLOTS])


def _link_jars(lib: Path, jars: list[Path]) -> None:
    for stale in lib.iterdir():
        stale.unlink()
    for jar in jars:
        (lib / jar.name).symlink_to(jar)


def _link_plugins(home: Path, *, s3: bool) -> None:
    """FLINK_PLUGINS_DIR: the distribution's, and the one for S3."""
    folder = home / "flink" / "plugins"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for shipped in (distribution() / "plugins").iterdir():
        if shipped.is_dir():
            (folder / shipped.name).symlink_to(shipped)
    if s3:
        (folder / "s3").mkdir()
        for jar in ensure(["flink-s3"]):
            (folder / "s3" / jar.name).symlink_to(jar)


def _object_storage(endpoint: str, *, ha: bool) -> dict[str, str | bool]:
    """The log-in is not here but in the environment, where AWS's libraries find it: REST shows settings."""
    root = f"s3://{BUCKET}"
    return {
        "s3.endpoint": endpoint,
        "s3.region": REGION,
        "s3.path.style.access": True,
        # Else the plug-in asks for each file to delete the folders above it, which a server on folders refuses, late.
        "fs.s3a.directory.marker.retention": "keep",
        "execution.checkpointing.dir": f"{root}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"{root}/savepoints",
        **({"high-availability.storageDir": f"{root}/{HA_FOLDER}"} if ha else {}),
    }


def _settings(home: Path, rest_port: int, rpc_port: int) -> dict[str, str | int | float | bool]:
    return {
        **_addresses(rest_port, rpc_port),
        **_folders(home),
        **_memory(),
        **_job_defaults(),
        "jobmanager.scheduler": "adaptive",
        # A person who rescales by hand does not want to wait half a minute for the next try.
        "jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling": "5 s",
        "jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout": "5 s",
        "jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout": "2 s",
        "web.adaptive-scheduler.rescale-history.size": 20,
        # A killed TaskManager is noticed within seconds.
        "heartbeat.interval": "2 s",
        "heartbeat.timeout": "20 s",
        # By default a JVM that needs more than 10 s for its first steps ends: a busy machine takes longer.
        "pekko.startup-timeout": "2 min",
        "rest.flamegraph.enabled": True,
        "metrics.fetcher.update-interval": "2 s",
        "metrics.latency.interval": "2 s",
        "metrics.latency.granularity": "operator",
        **{f"state.backend.rocksdb.metrics.{name}": True for name in _ROCKSDB_METRICS},
    }


def _addresses(rest_port: int, rpc_port: int) -> dict[str, str | int]:
    return {
        "rest.address": HOST,
        "rest.bind-address": HOST,
        "rest.port": rest_port,
        "jobmanager.rpc.address": HOST,
        "jobmanager.rpc.port": rpc_port,
        "jobmanager.bind-host": HOST,
        "taskmanager.host": HOST,
        "taskmanager.bind-host": HOST,
    }


def _folders(home: Path) -> dict[str, str]:
    flink = home / "flink"
    return {
        "io.tmp.dirs": str(flink / "tmp"),
        "web.upload.dir": str(flink / "upload"),
        # not as_uri(): Flink reads addresses literally, a folder "my%20fleet" would be another one
        "execution.checkpointing.dir": f"file://{flink / 'checkpoints'}",
        "execution.checkpointing.savepoint-dir": f"file://{flink / 'savepoints'}",
    }


def _high_availability(home: Path, rpc_port: int, zookeeper: str) -> dict[str, str | int | bool]:
    return {
        "high-availability.type": "zookeeper",
        "high-availability.cluster-id": "/flinkops",
        "high-availability.storageDir": f"file://{home / 'flink' / HA_FOLDER}",
        "high-availability.jobmanager.port": rpc_port,
        "high-availability.zookeeper.quorum": zookeeper,
        # A killed JobManager leads until its session ends, and a busy machine must not end one.
        "high-availability.zookeeper.client.session-timeout": "6 s",
        # While ZooKeeper itself is started again, jobs go on.
        "high-availability.zookeeper.client.tolerate-suspended-connections": True,
    }


def _memory() -> dict[str, str | int | float]:
    return {
        "taskmanager.memory.framework.heap.size": f"{_FRAMEWORK_HEAP_MIB}m",
        "taskmanager.memory.task.heap.size": f"{_TASK_HEAP_MIB}m",
        "taskmanager.memory.framework.off-heap.size": f"{_FRAMEWORK_OFF_HEAP_MIB}m",
        "taskmanager.memory.task.off-heap.size": f"{_TASK_OFF_HEAP_MIB}m",
        "taskmanager.memory.network.min": f"{_NETWORK_MIB}m",
        "taskmanager.memory.network.max": f"{_NETWORK_MIB}m",
        "taskmanager.memory.managed.size": f"{_MANAGED_MIB}m",
        "taskmanager.memory.jvm-metaspace.size": f"{_METASPACE_MIB}m",
        "taskmanager.memory.jvm-overhead.min": f"{_OVERHEAD_MIB}m",
        "taskmanager.memory.jvm-overhead.max": f"{_OVERHEAD_MIB}m",
    }


def _job_defaults() -> dict[str, str | int | bool]:
    return {
        "state.backend.type": "rocksdb",
        "execution.checkpointing.interval": "10 s",
        "execution.checkpointing.min-pause": "1 s",
        "execution.checkpointing.timeout": "2 min",
        "execution.checkpointing.tolerable-failed-checkpoints": 10,
        "execution.checkpointing.incremental": True,
        "execution.checkpointing.num-retained": 3,
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "10 s",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "1 min",
        # Iceberg's writer and committer must not be chained apart by an in-place rescale.
        "pipeline.operator-chaining.chain-operators-with-different-max-parallelism": False,
    }


def start_jobmanager(home: Path, java: Path) -> Process:
    """Start the JobManager on what `write_config` wrote."""
    entry = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
    return _start(home, java, JOBMANAGER, _JOBMANAGER_OPTIONS, [entry, "--executionMode", "cluster"])


def is_taskmanager(role: str) -> bool:
    """True for the role of a TaskManager, which is also its resource id."""
    return role.startswith(TASKMANAGER_PREFIX)


def number_of(taskmanager: str) -> int:
    """The number of a TaskManager, from its role."""
    return int(taskmanager.removeprefix(TASKMANAGER_PREFIX))


def start_taskmanager(
    home: Path,
    java: Path,
    role: str,
    *,
    settings: Mapping[str, str] = MappingProxyType({}),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Process:
    """Start a TaskManager; its ports are free ones that it takes by itself, unless its own `settings` name them."""
    entry = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    own = {"taskmanager.resource-id": role, **settings}
    arguments = [part for key, value in own.items() for part in ("-D", f"{key}={value}")]
    return _start(home, java, role, _TASKMANAGER_OPTIONS, [entry, *arguments], environment)


def _start(
    home: Path,
    java: Path,
    role: str,
    options: tuple[str, ...],
    entry: list[str],
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Process:
    conf, log = home / "flink" / "conf", home / "logs" / f"{role}.log"
    shared_options = yaml.safe_load((conf / "config.yaml").read_text())["env.java.opts.all"].split()
    main_class, *arguments = entry
    command = [
        str(java),
        *options,
        *shared_options,
        _RPC_OPTION,
        f"-Dlog.file={log}",
        f"-Dlog4j.configurationFile={(conf / 'log4j.properties').as_uri()}",
        "-cp",
        classpath(home),
        main_class,
        "--configDir",
        str(conf),
        *arguments,
    ]
    return spawn(
        role, command, output=log.with_suffix(".out"), environment={**_environment(home), **environment}, log=log
    )


def classpath(home: Path) -> str:
    """Of the fleet's FLINK_LIB_DIR."""
    return ":".join(str(jar) for jar in sorted((home / "flink" / "lib").glob("*.jar")))


def _environment(home: Path) -> Mapping[str, str]:
    login = access(home).environment if (home / S3_FILE).is_file() else {}
    return {
        **clean_environment(),
        **login,
        "FLINK_CONF_DIR": str(home / "flink" / "conf"),
        "FLINK_LIB_DIR": str(home / "flink" / "lib"),
        "FLINK_PLUGINS_DIR": str(home / "flink" / "plugins"),
        "FLINK_LOG_DIR": str(home / "logs"),
        "MAX_LOG_FILE_NUMBER": "3",
    }
