"""A Flink REST API behind the API server's service proxy: whose words an answer is."""

from flinkops.errors import Denied, Unreachable
from flinkops.sources.flink.http import BadAnswer, RestClient
from flinkops.sources.kubernetes.api import status_message


class ServiceClient(RestClient):
    """Tells the API server's own refusals from Flink's.

    A 404 of the API server means that there is no such service, not that Flink does not know a job; its 503, that no
    pod stands behind the service, not that Flink's REST API is busy.
    """

    def _refusal(self, status: int, content: bytes, path: str, location: str | None) -> Unreachable:
        said = status_message(content)
        if not said:
            return super()._refusal(status, content, path, location)
        kind = Denied if status in (401, 403) else BadAnswer
        return kind(f"the API server, of {self.url}: {said}", http_status=status)
