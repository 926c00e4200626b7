"""A real S3 server for tests, on a folder whose files are its objects."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devtools.s3_gateway import gateway
from flinkops.local import s3_server
from flinkops.local.ports import free_ports
from flinkops.local.processes import terminate

if TYPE_CHECKING:
    from pyiceberg.table import Table

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


def connection(access: s3_server.S3Access) -> Any:
    """The server over its own protocol: an S3FileSystem."""
    from s3fs import S3FileSystem

    return S3FileSystem(
        key=access.access_key, secret=access.secret_key, endpoint_url=access.endpoint, skip_instance_cache=True
    )


def table(access: s3_server.S3Access, catalog: str, warehouse: str, name: str) -> "Table":
    """A table of prices as pyiceberg has it; `catalog` is SQLAlchemy's address of it."""
    from pyiceberg.catalog.sql import SqlCatalog

    login = {"s3.endpoint": access.endpoint, "s3.region": s3_server.REGION}
    login |= {"s3.access-key-id": access.access_key, "s3.secret-access-key": access.secret_key}
    return SqlCatalog("flinkops", uri=catalog, warehouse=warehouse, **login).load_table(f"prices.{name}")
