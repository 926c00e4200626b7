"""One action a job at a time: lock files in the journal's folder, which the system frees when their holder dies."""

import fcntl
import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from flinkops.errors import OperationFailed, Refused
from flinkops.model.plan import Plan
from flinkops.model.tagged import work_out
from flinkops.ownership import make_private


class Holder(msgspec.Struct, frozen=True):
    """Who has the lock, for the message to others."""

    pid: int
    host: str
    plan_id: str


@contextmanager
def job_lock(folder: Path, plan: Plan) -> Iterator[None]:
    """Held while the plan is carried out. Raises Refused when another process works on the same job."""
    target = plan.target
    path = _path(folder, "", target.source, target.namespace or "", target.job_name)
    with _exclusive(path, lambda content: Refused(_busy(plan, content), next_step="flinkops history")) as descriptor:
        content = msgspec.json.encode(Holder(os.getpid(), socket.gethostname(), plan.id))
        with suppress(OSError):  # a full disk: the lock holds, only who has it is not said
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, content, 0)
        yield


@contextmanager
def loop_lock(folder: Path, job: str) -> Iterator[None]:
    """Held by a control loop. Two on one job would undo each other: raises Refused for the second on this machine."""
    with _exclusive(_path(folder, "autoscale-", job), lambda _: Refused(f"another `autoscale run` has {job}")):
        yield


@contextmanager
def _exclusive(path: Path, refusal: Callable[[bytes], Refused]) -> Iterator[int]:
    """Holds the lock and gives its descriptor; `refusal` is told what another holder wrote into the file.

    The file stays behind: removing it would let two processes hold locks on two files of the same name.
    """
    try:
        make_private(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise OperationFailed(f"the lock {path} cannot be made: {problem.strerror or problem}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise refusal(os.pread(descriptor, 4096, 0)) from None
        yield descriptor
    finally:
        os.close(descriptor)


def _path(folder: Path, prefix: str, *key: str) -> Path:
    # Names come from the command line too, where they may be any bytes.
    digest = hashlib.sha256(chr(0).join(key).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return folder / "locks" / f"{prefix}{digest}.lock"


def _busy(plan: Plan, content: bytes) -> str:
    job = plan.target.job_name or plan.target.source
    try:
        work_out(Holder)
        holder = msgspec.json.decode(content, type=Holder)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"another action on {job} is under way"
    return f"another action on {job} is under way: {holder.plan_id} (process {holder.pid} on {holder.host})"
