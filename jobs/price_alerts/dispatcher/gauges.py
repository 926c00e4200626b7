# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""The dispatcher's gauges, computed when Prometheus scrapes."""

from collections.abc import Callable, Mapping

from .client import Client
from .progress import Partitions
from .queues import Queues


def gauges(
    clients: Mapping[str, Client], partitions: Partitions, queues: Queues
) -> dict[str, tuple[str, Callable[[], float]]]:
    """By the end of the metric's name: its text, and its value now."""

    def total(count: Callable[[Client], int]) -> Callable[[], float]:
        return lambda: float(sum(map(count, clients.values())))

    return {
        "clients": ("Clients with a subscription.", total(lambda each: each.subscription is not None)),
        "clients_unwell": ("Clients that are only probed.", total(lambda each: each.lanes.unwell)),
        "in_memory": ("Deliveries in memory.", lambda: float(queues.in_memory)),
        "in_flight": ("Requests on their way.", total(lambda each: each.lanes.in_flight)),
        "backlog": ("Deliveries parked on disk.", total(lambda each: each.backlog)),
        "uncommitted": ("Records read and not yet safe.", lambda: float(partitions.unsettled())),
    }
