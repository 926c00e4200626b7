"""A real S3 server for tests, on a folder whose files are its objects."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools.s3_gateway import gateway
from flinkops.local import s3_server
from flinkops.local.ports import free_ports
from flinkops.local.processes import terminate

PATIENCE_SECONDS = 60.0


@contextmanager
def running_server(home: Path) -> Iterator[s3_server.S3Access]:
    """A server in `home`, whose bucket ``flinkops`` is the folder that `bucket` names; a user without rights too."""
    (home / "logs").mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    access = s3_server.new_access(home, port, gateway())
    users = home / "users"
    users.mkdir()
    (users / "users.json").write_text(
        '{"accessAccounts": {"nobody": {"access": "nobody", "secret": "nobodys-secret", "role": "user"}}}'
    )
    process = s3_server.start(home, ["--iam-dir", str(users)])
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while not s3_server.answers(access.endpoint, 1.0):
            assert process.alive, Path(process.log).read_text()
            assert time.monotonic() < until, "the S3 server does not answer"
            time.sleep(0.05)
        yield access
    finally:
        assert terminate([process]) == []


def bucket(home: Path) -> Path:
    """The folder of the bucket."""
    return home / s3_server.ROLE / "buckets" / s3_server.BUCKET
