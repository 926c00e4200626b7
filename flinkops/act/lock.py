"""One action a job at a time: a lock file in the journal's folder, which the system frees when its holder dies."""

import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from flinkops.errors import OperationFailed, Refused
from flinkops.model.plan import Plan


class Holder(msgspec.Struct, frozen=True):
    """Who has the lock, for the message to others."""

    pid: int
    host: str
    plan_id: str


@contextmanager
def job_lock(folder: Path, plan: Plan) -> Iterator[None]:
    """Held while the plan is carried out. Raises Refused when another process works on the same job.

    The file stays behind: removing it would let two processes hold locks on two files of the same name.
    """
    path = _path(folder, plan)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise OperationFailed(f"the lock {path} cannot be made: {problem.strerror or problem}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(_busy(plan, os.pread(descriptor, 4096, 0)), next_step="flinkops history") from None
        content = msgspec.json.encode(Holder(os.getpid(), socket.gethostname(), plan.id))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
        yield
    finally:
        os.close(descriptor)


def _path(folder: Path, plan: Plan) -> Path:
    target = plan.target
    key = "\0".join((target.source, target.namespace or "", target.job_name))
    return folder / "locks" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.lock"


def _busy(plan: Plan, content: bytes) -> str:
    job = plan.target.job_name or plan.target.source
    try:
        holder = msgspec.json.decode(content, type=Holder)
    except msgspec.DecodeError:
        return f"another action on {job} is under way"
    return f"another action on {job} is under way: {holder.plan_id} (process {holder.pid} on {holder.host})"
