"""The names of a cluster's jobs, in a hurry: for completion, where importing an HTTP library already takes too long."""

import http.client
import json
import ssl
from urllib.parse import urlsplit

from flinkops.model.endpoint import RestEndpoint

MAX_ANSWER_BYTES = 4 * 1024 * 1024


def job_names(endpoint: RestEndpoint, *, timeout_seconds: float) -> list[str] | None:
    """Names from /jobs/overview, None when there was no answer in time. Asks only where no credentials are needed."""
    if endpoint.headers or endpoint.username or endpoint.client_certificate_file:
        return None
    parts = urlsplit(endpoint.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=endpoint.ca_file)
        connection = http.client.HTTPSConnection(host, port, timeout=timeout_seconds, context=context)
    try:
        connection.request("GET", f"{parts.path}/jobs/overview")
        answer = json.loads(connection.getresponse().read(MAX_ANSWER_BYTES))
        return [str(job["name"]) for job in answer["jobs"]]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, RecursionError):
        return None
    finally:
        connection.close()
