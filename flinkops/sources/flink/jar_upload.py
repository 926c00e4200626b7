"""Putting a jar of this machine into a Flink cluster's upload folder."""

import secrets
from pathlib import Path

import msgspec

from flinkops.errors import OperationFailed, UsageError
from flinkops.input_file import read_input
from flinkops.model.endpoint import RestEndpoint
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink.http import RestClient

_UPLOAD_SECONDS = 300.0


class _Uploaded(msgspec.Struct):
    filename: str


_MOST_BYTES = 2 * 2**30
_uploaded = msgspec.json.Decoder(_Uploaded)


class _UploadClient(RestClient):
    """Sends one file as a form does."""

    def __init__(self, endpoint: RestEndpoint) -> None:
        super().__init__(endpoint, connections=1)
        self.boundary = secrets.token_hex(16)
        self._body_type = f"multipart/form-data; boundary={self.boundary}"


def upload_jar(endpoint: RestEndpoint, path: Path) -> str:
    """POST /jars/upload; the id that Flink gives the jar. Raises Unreachable, or OperationFailed for the file."""
    try:
        content = read_input(path, most_bytes=_MOST_BYTES)
    except UsageError as problem:
        raise OperationFailed(problem.what) from None
    client = _UploadClient(endpoint)
    name = "".join(character if character.isalnum() or character in "._-" else "_" for character in path.name)
    head = (
        f"--{client.boundary}\r\n"
        f'Content-Disposition: form-data; name="jarfile"; filename="{name}"\r\n'
        "Content-Type: application/x-java-archive\r\n\r\n"
    )
    body = head.encode("ascii", "replace") + content + f"\r\n--{client.boundary}--\r\n".encode("ascii")
    deadline = Deadline(_UPLOAD_SECONDS)
    try:
        with client.enforced(deadline):
            answer = _uploaded.decode(client.read("POST", "/jars/upload", deadline, body=body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise OperationFailed(f"{endpoint.name} answers the upload in a way that Flink does not: {problem}") from None
    finally:
        client.close()
    return answer.filename.rpartition("/")[2]
