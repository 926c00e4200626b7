"""An S3 server of the fleet's own: a gateway program that keeps its objects in a folder, one folder a bucket."""

import http.client
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from flinkops.errors import OperationFailed
from flinkops.local.java import clean_environment
from flinkops.local.ports import HOST
from flinkops.local.processes import Process, spawn
from flinkops.private_file import write_private

ROLE = "s3"
BUCKET = "flinkops"
REGION = "us-east-1"
S3_FILE = f"{ROLE}/access.json"


class S3Access(msgspec.Struct, frozen=True):
    """How the fleet's server is reached and started. The log-in is of this fleet alone, made up for it."""

    endpoint: str
    access_key: str
    secret_key: str
    program: str

    @property
    def environment(self) -> Mapping[str, str]:
        """What AWS's tools, and flinkops, take it from."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def new_access(home: Path, port: int, program: Path) -> S3Access:
    """A new log-in, kept in `home` for its owner alone, and the bucket; `program` is the gateway."""
    folder = home / ROLE
    (folder / "buckets" / BUCKET).mkdir(parents=True, exist_ok=True)
    (folder / "sums").mkdir(exist_ok=True)
    made = S3Access(f"http://{HOST}:{port}", secrets.token_hex(10), secrets.token_hex(20), str(program))
    write_private(home / S3_FILE, msgspec.json.encode(made))
    return made


def access(home: Path) -> S3Access:
    """That of the fleet in `home`. Raises OperationFailed when it has none."""
    try:
        return msgspec.json.decode((home / S3_FILE).read_bytes(), type=S3Access)
    except (OSError, msgspec.DecodeError):
        raise OperationFailed(f"the fleet in {home} has no S3 server", next_step="./dev up --s3") from None


def start(home: Path, options: Sequence[str] = ()) -> Process:
    """Start it on what `new_access` wrote; `options` are further ones of the program."""
    found = access(home)
    command = [found.program, "--port", found.endpoint.removeprefix("http://"), "--region", REGION, "--quiet"]
    command += ["--keep-alive", *options, "posix"]
    # Beside the files rather than in extended attributes, which not every disk has: uploads in parts need their sums.
    command += ["--sidecar", str(home / ROLE / "sums"), str(home / ROLE / "buckets")]
    environment = {
        **clean_environment(),
        "ROOT_ACCESS_KEY_ID": found.access_key,
        "ROOT_SECRET_ACCESS_KEY": found.secret_key,
    }
    return spawn(ROLE, command, output=home / "logs" / f"{ROLE}.log", environment=environment)


def answers(endpoint: str, timeout_seconds: float) -> bool:
    """True when something there speaks HTTP."""
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=timeout_seconds)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
