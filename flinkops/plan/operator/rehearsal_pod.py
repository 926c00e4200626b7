"""The pod that rehearses a job of the Flink operator: as its JobManager's, less what must not happen twice. Pure.

It has the image, the pod template, the account, the mounts and the settings of the spec, and our executor on the class
path; no high availability, no reporters, no settings of Kubernetes. Its program is the one of ``spec.job``.
"""

import json
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from flinkops.errors import OperationFailed
from flinkops.model.address import split_url
from flinkops.model.json_reading import Json, items, section, text
from flinkops.model.launch import drops_state
from flinkops.model.option_names import CLAIM_MODE
from flinkops.plan.operator.spec import configuration, job_of
from flinkops.plan.rehearsal_size import HEAP_MEBIBYTES

MAIN_CONTAINER = "flink-main-container"
JAR_MOUNT, CONF_MOUNT = "jar", "conf"
"""The names of the volumes that hold our jar and the settings."""
JAR_FILE, STATES_FILE = "flinkops-executors.jar", "states"

_HOME = "/flinkops"
_WORK = f"{_HOME}/work"
_MEMORY_MEBIBYTES = 2 * HEAP_MEBIBYTES
_SCRATCH_BYTES = 1 << 30
_SHOWN_ONCE = ("livenessProbe", "readinessProbe", "startupProbe", "ports", "lifecycle", "command", "args")
_LEFT_OUT = (
    "high-availability",
    "kubernetes.",
    "metrics.",
    "execution.job-",
    "execution.target",
    "execution.attached",
    "execution.savepoint",
    "execution.state-recovery",
    "restart-strategy",
    "jobstore.",
    "job-result-store",
    "historyserver.",
    "jobmanager.archive",
    "security.ssl",
    "env.java.opts.jobmanager",
    "env.java.opts.taskmanager",
    "env.java.opts.client",
    "env.log.",
    "env.pid.",
    "io.tmp.dirs",
    "jobmanager.rpc",
    "$internal",
    "user.artifacts",
    "web.",
    "rest.",
)
# What Flink's own driver of Python programs takes before the program's arguments. `flink run`, to which the driver is
# any program, would tell no worker of it.
_PYTHON_DRIVER = "org.apache.flink.client.python.PythonDriver"
_PYTHON_SETTINGS = {
    "-pyexec": "python.executable",
    "--pyExecutable": "python.executable",
    "-pyclientexec": "python.client.executable",
    "--pyClientExecutable": "python.client.executable",
    "-pyfs": "python.files",
    "--pyFiles": "python.files",
    "-pyarch": "python.archives",
    "--pyArchives": "python.archives",
    "-pyreq": "python.requirements",
    "--pyRequirements": "python.requirements",
    "-pypath": "python.pythonpath",
    "--pyPythonPath": "python.pythonpath",
}
_PYTHON_ENTRIES = ("-py", "--python", "-pym", "--pyModule")
_CHECKPOINT = re.compile(r"chk-[0-9]+\Z")
_OBJECT_STORES = frozenset({"s3", "s3a", "s3n", "s3p", "gs", "abfs", "abfss", "wasb", "wasbs", "oss", "cos", "obs"})
_LINK_LOCAL = "169.254.0.0/16"  # where clouds hand out the pod's credentials

# $H: Flink's home; the words of the command come as arguments, so that nothing of them is read by the shell.
_SCRIPT = f"""set -e
H=${{FLINK_HOME:-/opt/flink}}
mkdir -p {_WORK}/conf {_WORK}/log {_WORK}/run {_WORK}/scratch
cp "$H"/conf/log4j*.properties {_WORK}/conf/ 2>/dev/null || true
cp {_HOME}/conf/*.yaml {_WORK}/conf/
export FLINK_CONF_DIR={_WORK}/conf FLINK_LOG_DIR={_WORK}/log TMPDIR={_WORK}/scratch
export JVM_ARGS="-Xmx{HEAP_MEBIBYTES}m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.io.tmpdir={_WORK}/scratch"
OURS={_HOME}/jar/{JAR_FILE}
if [ -n "$FLINKOPS_FETCH" ]; then
  "${{JAVA_HOME:+$JAVA_HOME/bin/}}java" -cp "$H/lib/*:$OURS" flinkops.rehearsal.Fetch "$FLINKOPS_FETCH" {_WORK}/job.jar
fi
export HADOOP_CLASSPATH="${{HADOOP_CLASSPATH:+$HADOOP_CLASSPATH:}}$OURS"
PATHS=()
while IFS= read -r -d '' one; do PATHS+=(-C "file://$one"); done \\
  < <(find "$H/usrlib" -name '*.jar' -print0 2>/dev/null || true)
exec "$H/bin/flink" run -d -t flinkops-rehearsal "${{PATHS[@]}}" "$@"
"""


class RehearsalPod(NamedTuple):
    """A pod template, the files that it is given (by volume, by name), and the NetworkPolicy's rules for it.

    ``egress`` None: what storage needs is not known, and nothing is cut off.
    """

    template: dict[str, Any]
    files: dict[str, dict[str, bytes]]
    egress: list[dict[str, Any]] | None


def rehearsal_pod(
    spec: Mapping[str, Any],
    states: Sequence[str],
    *,
    defaults: Mapping[str, str],
    state_bytes: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> RehearsalPod:
    """`spec` is of the FlinkDeployment, for a session job its cluster's with that job in it (:func:`with_cluster`).

    `states` are the lines of what to restore (:func:`states_of`), `defaults` the operator's own settings, `variables`
    more of our own environment. Raises OperationFailed for a program that cannot be had in a pod.
    """
    settings = settings_of(spec, defaults)
    words, fetched = _program(spec)
    pod = _merged(section(spec, "podTemplate"), section(section(spec, "jobManager"), "podTemplate"))
    given = dict(section(pod, "spec"))
    main = next((dict(one) for one in items(given, "containers") if one.get("name") == MAIN_CONTAINER), {})
    full = {**defaults, **configuration(spec)}
    container = _container(main, spec, full, words, fetched, variables or {})
    given.update(
        containers=[container],
        volumes=[*items(given, "volumes"), _scratch(state_bytes), *_secret_volumes(full)],
    )
    if account := spec.get("serviceAccount") or full.get("kubernetes.service-account"):
        given.setdefault("serviceAccountName", account)
    if secrets := full.get("kubernetes.container.image.pull-secrets"):
        given.setdefault("imagePullSecrets", [{"name": one.strip()} for one in secrets.split(";") if one.strip()])
    metadata = {key: value for key, value in section(pod, "metadata").items() if key in ("labels", "annotations")}
    files = {CONF_MOUNT: {**_settings_files(settings), STATES_FILE: "".join(f"{one}\n" for one in states).encode()}}
    egress = _egress([*(one.split(" ", 1)[1] for one in states), *([fetched] if fetched else ())], full)
    return RehearsalPod({"metadata": metadata, "spec": given}, files, egress)


def _settings_files(settings: Mapping[str, str]) -> dict[str, bytes]:
    """Flink 1.x reads the older file, whose lists have another form, as the operator writes it; 2.x the newer alone."""
    newer = "".join(f"{key}: {json.dumps(value)}\n" for key, value in sorted(settings.items()))
    older = "".join(f"{key}: {' '.join(value.split())}\n" for key, value in sorted(settings.items()))
    return {"config.yaml": newer.encode(), "flink-conf.yaml": older.encode()}


def with_cluster(spec: Mapping[str, Any], cluster: Mapping[str, Any] | None) -> dict[str, Any]:
    """The spec of a session job as one of an application: all but the job and its settings are the cluster's."""
    if cluster is None:
        return dict(spec)
    of_cluster = section(cluster, "spec")
    settings = {**configuration(of_cluster), **configuration(spec)}
    return {**of_cluster, "job": dict(job_of(spec)), "flinkConfiguration": settings}


def states_of(paths: Iterable[str]) -> tuple[str, ...]:
    """The lines for the pod: of a checkpoint its folder, in which the newest one is looked for right before.

    >>> states_of(["s3://b/cp/1f/chk-12", "s3://b/cp/1f/chk-11", "s3://b/savepoint-1"])
    ('newest s3://b/cp/1f', 'path s3://b/savepoint-1')
    """
    found = dict.fromkeys(_state(path) for path in paths)
    return tuple(found)


def settings_of(spec: Mapping[str, Any], defaults: Mapping[str, str]) -> dict[str, str]:
    """The settings of the client in the pod: those of the spec over the operator's defaults, less what is left out."""
    found = {**defaults, **configuration(spec)}
    kept = {key: value for key, value in found.items() if not key.startswith(_LEFT_OUT)}
    kept |= {key: found[key] for key in CLAIM_MODE if key in found}
    if parallelism := job_of(spec).get("parallelism"):
        kept["parallelism.default"] = str(parallelism)
    return kept | _python_settings(job_of(spec))


def _python_settings(job: Mapping[str, Any]) -> dict[str, str]:
    """What the arguments of Flink's Python driver say to its workers."""
    found: dict[str, str] = {}
    words = _arguments(job) if job.get("entryClass") == _PYTHON_DRIVER else []
    for option, value in zip(words[::2], words[1::2], strict=False):
        if option in _PYTHON_SETTINGS:
            found[_PYTHON_SETTINGS[option]] = value
        elif option not in _PYTHON_ENTRIES:
            break  # from here on they are the program's
    return found


def drops_state_of(spec: Mapping[str, Any]) -> bool:
    """Whether the spec lets state go that no operator takes."""
    return bool(job_of(spec).get("allowNonRestoredState")) or drops_state(configuration(spec))


def _state(path: str) -> str:
    if "\n" in path or "\r" in path:
        raise OperationFailed("a path of a checkpoint has a line end")
    folder, _, name = path.rstrip("/").rpartition("/")
    return f"newest {folder}" if folder and _CHECKPOINT.fullmatch(name) else f"path {path}"


def _program(spec: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """The words behind ``flink run`` and the URI of a jar that has to be fetched first."""
    job = job_of(spec)
    uri, entry = str(job.get("jarURI") or ""), job.get("entryClass")
    parts = split_url(uri)
    if parts.scheme == "local":
        jar, fetched = posixpath.join("/", parts.netloc, parts.path.lstrip("/")), None
    elif parts.scheme:
        jar, fetched = f"{_WORK}/job.jar", uri
    else:
        raise OperationFailed(f"the program {uri or '(no jarURI)'} is not known to be in the image")
    return [*(["-c", str(entry)] if entry else ()), jar, *_arguments(job)], fetched


def _arguments(job: Mapping[str, Any]) -> list[str]:
    found = job.get("args")
    if found is not None and not isinstance(found, list):
        raise OperationFailed("job.args of the spec is no list")
    return [str(one) for one in found or ()]


def _container(
    main: dict[str, Any],
    spec: Mapping[str, Any],
    full: Mapping[str, str],
    words: list[str],
    fetched: str | None,
    variables: Mapping[str, str],
) -> dict[str, Any]:
    image = spec.get("image") or main.get("image")
    if not image:
        raise OperationFailed("the spec names no image")
    kept = {key: value for key, value in main.items() if key not in _SHOWN_ONCE}
    policy = spec.get("imagePullPolicy") or main.get("imagePullPolicy")
    return {
        **kept,
        "name": MAIN_CONTAINER,
        "image": image,
        **({"imagePullPolicy": policy} if policy else {}),
        "command": [full.get("kubernetes.entry.path", "/docker-entrypoint.sh")],
        "args": ["bash", "-c", _literal(_SCRIPT), "rehearsal", *map(_literal, words)],
        "env": _environment(items(kept, "env"), full, fetched, variables),
        "volumeMounts": [
            *items(kept, "volumeMounts"),
            {"name": "flinkops-work", "mountPath": _WORK},
            {"name": f"flinkops-{JAR_MOUNT}", "mountPath": f"{_HOME}/jar", "readOnly": True},
            {"name": f"flinkops-{CONF_MOUNT}", "mountPath": f"{_HOME}/conf", "readOnly": True},
            *({"name": f"flinkops-secret-{name}", "mountPath": path} for name, path in _secrets(full)),
        ],
        "resources": {
            "requests": {"cpu": "250m", "memory": f"{HEAP_MEBIBYTES}Mi"},
            "limits": {"cpu": "2", "memory": f"{_MEMORY_MEBIBYTES}Mi"},
        },
    }


def _environment(
    own: Iterable[Json], full: Mapping[str, str], fetched: str | None, variables: Mapping[str, str]
) -> list[Json]:
    """The container's own variables, those of Flink's settings, and ours, which no other may change."""
    ours = {"FLINKOPS_REHEARSAL": "1", "FLINKOPS_EXECUTOR_FOLDER": f"{_WORK}/run"}
    ours |= {
        **variables,
        "FLINKOPS_REHEARSAL_STATES": f"{_HOME}/conf/{STATES_FILE}",
        "FLINKOPS_FETCH": _literal(fetched or ""),
    }
    prefix = "containerized.master.env."
    of_settings = {key.removeprefix(prefix): _literal(value) for key, value in full.items() if key.startswith(prefix)}
    added: list[Json] = [{"name": key, "value": value} for key, value in {**of_settings, **ours}.items()]
    return [*(one for one in own if text(one, "name") not in ours), *added]


def _literal(word: str) -> str:
    """Kubernetes expands ``$(NAME)`` in commands and variables."""
    return word.replace("$", "$$")


def _scratch(state_bytes: int | None) -> dict[str, Any]:
    """Room for the restored state and a checkpoint of it."""
    size = _SCRATCH_BYTES + 2 * (state_bytes or 0)
    return {"name": "flinkops-work", "emptyDir": {"sizeLimit": str(size)}}


def _secrets(full: Mapping[str, str]) -> list[tuple[str, str]]:
    """``kubernetes.secrets``: name:/path, more of them after commas."""
    pairs = (one.strip().partition(":") for one in full.get("kubernetes.secrets", "").split(","))
    return [(name, path) for name, _, path in pairs if name and path]


def _secret_volumes(full: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"name": f"flinkops-secret-{name}", "secret": {"secretName": name}} for name, _ in _secrets(full)]


def _egress(places: Iterable[str], full: Mapping[str, str]) -> list[dict[str, Any]] | None:
    """DNS, and the ports of the storage; None where those are not known."""
    ports: set[int] = set()
    for place in places:
        parts = split_url(place)
        scheme = parts.scheme.lower() or "file"
        if scheme in _OBJECT_STORES:
            endpoint = split_url(full.get("s3.endpoint") or full.get("fs.s3a.endpoint") or "")
            ports |= {443, *([_port_of(endpoint.geturl())] if endpoint.netloc else ())}
        elif scheme in ("http", "https"):
            ports.add(_port_of(place))
        elif scheme != "file":
            return None
    dns = {"ports": [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]}
    if not ports:
        return [dns]
    credentials = {"to": [{"ipBlock": {"cidr": _LINK_LOCAL}}], "ports": [{"port": 80, "protocol": "TCP"}]}
    return [dns, {"ports": [{"port": port, "protocol": "TCP"} for port in sorted(ports)]}, credentials]


def _port_of(url: str) -> int:
    parts = split_url(url)
    try:
        return parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        raise OperationFailed(f"{url[:200]} is no address") from None


def _merged(before: Any, after: Any) -> Any:
    """As pod templates are laid over each other: objects by key, lists of named things by name, others anew."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = dict.fromkeys([*before, *after])
        return {key: _merged(before.get(key), after[key]) if key in after else before[key] for key in keys}
    if _named(before) and _named(after):
        by_name = {one["name"]: one for one in before}
        for one in after:
            by_name[one["name"]] = _merged(by_name.get(one["name"]), one)
        return list(by_name.values())
    return after


def _named(value: Any) -> bool:
    return isinstance(value, list) and all(text(one, "name") is not None for one in value)
