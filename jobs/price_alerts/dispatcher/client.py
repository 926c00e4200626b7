# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""One client of the dispatcher: its subscription, and the state of its deliveries."""

from enum import Enum, auto

from .alert import Alert
from .lanes import Lanes
from .progress import Entry
from .subscriptions import Subscription


class Parking(Enum):
    """Whether a delivery is parked in the store."""

    NO = auto()
    ON_ITS_WAY = auto()
    YES = auto()


class Delivery:
    """One alert for one client."""

    __slots__ = ("alert", "attempts", "entry", "parking", "read_at", "settled")

    def __init__(self, alert: Alert, entry: Entry | None, read_at: float, parking: Parking = Parking.NO) -> None:
        self.alert = alert
        self.entry = entry
        """The record that must not be committed before this; None when it no longer holds it."""
        self.read_at = read_at
        self.attempts = 0
        self.parking = parking
        self.settled = False

    @property
    def sku(self) -> str:
        """The SKU: deliveries of one follow each other."""
        return self.alert.sku

    def release(self) -> None:
        """It is safe without the record in Kafka."""
        if self.entry is not None:
            self.entry.open -= 1
            self.entry = None


class Client:
    """What the dispatcher knows of one client."""

    def __init__(self, name: str, number: int, subscription: Subscription, concurrency: int) -> None:
        self.name = name
        self.number = number
        """The client's key in the store."""
        self.subscription: Subscription | None = subscription
        """None when the client has left: its deliveries are dropped."""
        self.lanes: Lanes[Delivery] = Lanes(concurrency)
        self.pending: dict[bytes, Delivery] = {}
        """All deliveries in memory, until their end is durable."""
        self.backlog = 0
        """Parked alerts that are not in memory, durable or about to be."""
        self.parking = 0
        """Those of the backlog that are not durable yet."""
        self.loaded_up_to: dict[int, int] = {}
        """By partition: the last parked offset that was read back into memory."""
        self.caught_up = False
        """Whether all that was there at the start was read, and parked where it had to be."""
