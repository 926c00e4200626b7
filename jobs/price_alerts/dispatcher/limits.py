"""The dispatcher's limits: numbers, times, attempts."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults of the command line's options."""

    concurrency: int = 32
    """Requests of one client at a time, unless its subscription sets another number."""
    in_memory_per_client: int = 4096
    """What gathers in a pause of some seconds at 1,240 alerts a second: parked, each would cost two writes more."""
    in_memory: int = 100_000
    parked_per_client: int = 1_000_000
    attempts: int = 100
    give_up_seconds: float = 24 * 3600.0
    """An alert older than that is given up; counted from its append to Kafka."""
    first_backoff_seconds: float = 0.5
    longest_backoff_seconds: float = 60.0
    tidy_seconds: float = 0.5
    """How often offsets are committed and slow deliveries parked."""
    drain_seconds: float = 15.0
    remember_seconds: float = 72 * 3600.0
    """How long delivered ids are kept: longer than Kafka keeps the scrapes."""
