"""A process that has imported flinkops and forks a child for each command: a fresh process in milliseconds.

One JSON request a line on stdin, one JSON answer a line on stdout. The child is a process of its own, with its own
environment, folder, files and limits; what it does cannot reach the next one.
"""

import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import time
from typing import Any

_SHOWN_BYTES = 400_000


def main() -> None:
    """Serve until stdin ends."""
    _warm_up()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    out.write('{"ready": true}\n')
    out.flush()
    for line in sys.stdin:
        out.write(json.dumps(_serve(json.loads(line))) + "\n")
        out.flush()


def _warm_up() -> None:
    """All that a command may import; without threads, which a fork would lose."""
    import flinkops
    from flinkops.cli.main import build

    build()
    for module in pkgutil.walk_packages(flinkops.__path__, "flinkops."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("kubernetes.config", "kubernetes.client", "yaml", "platformdirs", "typer.main", "tomllib", "idna"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else every child's first collection copies all of it


def _serve(request: dict[str, Any]) -> dict[str, Any]:
    folder = request["scratch"]
    paths = {name: os.path.join(folder, f".{name}") for name in ("out", "err")}
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(request, paths)
    code, hung = _wait(pid, request)
    answer: dict[str, Any] = {"code": code, "hung": hung, "seconds": round(time.monotonic() - begun, 3)}
    for name, path in paths.items():
        try:
            with open(path, "rb") as file:
                answer[name] = file.read(_SHOWN_BYTES).decode("utf-8", "replace")
        except OSError:
            answer[name] = ""
    return answer


def _wait(pid: int, request: dict[str, Any]) -> tuple[int, bool]:
    """The exit code (negative: the signal), and whether it had to be killed."""
    soft = request.get("signal_after")
    begun, asked = time.monotonic(), False
    pause = 0.002
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), False
        spent = time.monotonic() - begun
        if soft is not None and not asked and spent > soft:
            os.kill(pid, request.get("signal", signal.SIGTERM))
            asked = True
        if spent > request["timeout"]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return -9, True
        time.sleep(pause)
        pause = min(0.02, pause * 1.3)


def _child(request: dict[str, Any], paths: dict[str, str]) -> None:
    try:
        os.setsid()
        _files(request, paths)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        if request.get("gone"):
            os.rmdir(request["cwd"])
        for name, value in request.get("limits", {}).items():
            resource.setrlimit(getattr(resource, name), (value, resource.getrlimit(getattr(resource, name))[1]))
        if "pid_file" in request:
            with open(request["pid_file"], "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        argv = [os.fsdecode(bytes.fromhex(one)) for one in request["argv"]]
        sys.argv = ["flinkops", *argv]
        if request.get("uid"):
            os.setgid(request["uid"])
            os.setuid(request["uid"])
        for hook in request.get("hooks", ()):
            module, _, function = hook["name"].partition(":")
            getattr(importlib.import_module(module), function)(**hook.get("arguments", {}))
        from flinkops.cli.main import main as command

        command(argv)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except KeyboardInterrupt:
        code = 130
    except BaseException:  # noqa: BLE001 - whatever it is, the suite is told
        import traceback

        traceback.print_exc()
        code = 199  # no command ends like that
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(code)


def _files(request: dict[str, Any], paths: dict[str, str]) -> None:
    """stdin, stdout and stderr as asked: a file, /dev/null, /dev/full, or closed."""
    given = request.get("stdin", "null")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    opened = {
        0: None if given == "closed" else os.open("/dev/null" if given == "null" else given, os.O_RDONLY),
        1: _open(request.get("stdout", "file"), paths["out"], flags),
        2: _open(request.get("stderr", "file"), paths["err"], flags),
    }
    for number, descriptor in opened.items():
        if descriptor is None:
            os.close(number)
        else:
            os.dup2(descriptor, number)
            if descriptor > 2:
                os.close(descriptor)
    # As an interpreter that starts with these files: a closed one is None.
    sys.stdin = None if opened[0] is None else open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = None
        if opened[number] is not None:
            errors = "strict" if number == 1 else "backslashreplace"
            code = request.get("encoding", "utf-8")
            stream = open(number, "w", encoding=code, errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _open(kind: str, path: str, flags: int) -> int | None:
    if kind == "closed":
        return None
    return os.open(path, flags, 0o600) if kind == "file" else os.open(kind, os.O_WRONLY)


if __name__ == "__main__":
    main()
