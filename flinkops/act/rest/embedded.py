"""The embedded fleet (`./dev up`) as a place that nobody has to name."""

from flinkops.model.endpoint import RestEndpoint, parse_endpoint


def embedded_endpoint() -> RestEndpoint | None:
    """Its REST API, when it runs."""
    from flinkops.local.state import find_running

    fleet = find_running()
    return parse_endpoint(fleet.rest_url, name="local") if fleet else None
