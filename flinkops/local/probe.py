"""One request to the embedded Flink's REST API, for those who wait until it is ready."""

import json
import urllib.request
from typing import Any

_TIMEOUT_SECONDS = 2.0
# No proxy of the environment for an address of this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get_json(rest_url: str, path: str) -> dict[str, Any] | None:
    """The JSON object at `path` below `rest_url`; None while it does not answer with one."""
    try:
        with _opener.open(f"{rest_url}{path}", timeout=_TIMEOUT_SECONDS) as response:
            answer = json.load(response)
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def patch(rest_url: str, path: str) -> bool:
    """PATCH `path`; True when it was accepted."""
    request = urllib.request.Request(f"{rest_url}{path}", method="PATCH")  # noqa: S310 - http of our own fleet
    try:
        with _opener.open(request, timeout=_TIMEOUT_SECONDS):
            return True
    except OSError:
        return False
