"""One file over HTTP, resumed where an earlier try stopped."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from flinkops.errors import OperationFailed

_CHUNK_BYTES = 256 * 1024
_TRIES = 4
_TIMEOUT_SECONDS = 60.0


class _Incomplete(Exception):
    """The connection ended before the file did."""


def fetch(address: str, part: Path, size_bytes: int, advance: Callable[[int], None]) -> None:
    """Bring `address` into `part` until it has `size_bytes`; what `part` holds already is not fetched again.

    `advance` is told the bytes as they come (negative when the server makes us start over). Raises
    OperationFailed when the server says no, keeps breaking off, or sends another size.
    """
    part.touch()
    if part.stat().st_size > size_bytes:
        part.unlink()
        part.touch()
    advance(part.stat().st_size)
    why: object = None
    for _ in range(_TRIES):
        if part.stat().st_size == size_bytes:
            return
        try:
            _fetch_rest(address, part, size_bytes, advance)
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise OperationFailed(f"{address} answered {error.code} {error.reason}") from error
            why = f"{error.code} {error.reason}"
        except urllib.error.URLError as error:
            why = error.reason
        except (_Incomplete, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            why = str(error) or type(error).__name__
    if part.stat().st_size == size_bytes:
        return
    raise OperationFailed(
        f"fetching {address} failed {_TRIES} times: {why}",
        next_step="run it again to go on from where it stopped, or set FLINKOPS_MAVEN_MIRROR",
    )


def _fetch_rest(address: str, part: Path, size_bytes: int, advance: Callable[[int], None]) -> None:
    have_bytes = part.stat().st_size
    request = urllib.request.Request(address)  # noqa: S310 - mirror() lets only http, https and file through
    if have_bytes:
        request.add_header("Range", f"bytes={have_bytes}-")
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
        resumed = _resumes_at(response, have_bytes)
        if have_bytes and not resumed:
            advance(-have_bytes)
            have_bytes = 0
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                have_bytes += len(chunk)
                if have_bytes > size_bytes:
                    raise OperationFailed(f"{address} is larger than the pinned {size_bytes} bytes: refused")
                file.write(chunk)
                advance(len(chunk))
    if have_bytes < size_bytes:
        raise _Incomplete(f"the connection ended after {have_bytes} of {size_bytes} bytes")


def _resumes_at(response: http.client.HTTPResponse, offset: int) -> bool:
    """True when the server goes on at `offset`: many ignore Range and send the whole file."""
    content_range = response.headers.get("Content-Range", "")
    return response.status == 206 and content_range.startswith(f"bytes {offset}-")
